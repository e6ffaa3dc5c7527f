"""What the service is given of this package."""

from __future__ import annotations

from services.registry.exports.endpoints import router
from services.registry.exports.make_export import EXPIRE_EXPORTS, MAKE_EXPORT

ROUTERS = (router,)
JOBS = (MAKE_EXPORT,)
SCHEDULES = (EXPIRE_EXPORTS,)
