"""What the service is given of this package."""

from __future__ import annotations

from services.registry.duplicates.endpoints import router
from services.registry.duplicates.find_duplicates import FIND_DUPLICATES, FIND_NEW_DUPLICATES

ROUTERS = (router,)
JOBS = (FIND_DUPLICATES,)
SCHEDULES = (FIND_NEW_DUPLICATES,)
