"""Grievance on one page: who was left out, who answers, and which payment waits meanwhile."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from services.grievance.cases.endpoints import router as cases
from services.grievance.holds.endpoints import router as holds
from services.grievance.holds.expire_holds import EVERY, expire_holds
from services.grievance.receipts.endpoints import router as receipts
from services.grievance.resources import open_desk
from services.grievance.settings import GrievanceSettings
from services.grievance.subscriptions import SUBSCRIPTIONS
from shared.app import build_app
from shared.contracts.grievance import CASES
from shared.jobs import Schedule
from shared.service import Service

SERVICE = Service(
    name="grievance",
    title="Grievance: who was left out",
    settings=GrievanceSettings,
    migrations=Path(__file__).parent / "migrations",
    routers=(cases, holds, receipts),
    subscriptions=SUBSCRIPTIONS,
    schedules=(Schedule("expire_holds", EVERY, expire_holds),),
    publishes=(CASES,),
    resources=open_desk,
)


def create_app(settings: GrievanceSettings | None = None) -> FastAPI:
    """The HTTP application of this service."""
    return build_app(SERVICE, settings)
