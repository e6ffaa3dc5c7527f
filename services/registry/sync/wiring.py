"""What the service is given of this package."""

from __future__ import annotations

from typing import Any

from services.registry.sync.endpoints import router

ROUTERS = (router,)
JOBS: tuple[Any, ...] = ()
SCHEDULES: tuple[Any, ...] = ()
