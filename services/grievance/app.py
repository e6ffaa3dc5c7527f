"""Grievance on one page: who was left out, who answers, and which payment waits meanwhile."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from services.grievance.appeals.endpoints import router as appeals
from services.grievance.attachments.endpoints import router as attachments
from services.grievance.cases import escalate_cases
from services.grievance.cases.configuration_endpoints import router as configuration
from services.grievance.cases.endpoints import router as cases
from services.grievance.cases.work_endpoints import router as work
from services.grievance.holds import expire_holds
from services.grievance.holds.endpoints import router as holds
from services.grievance.notifications import send_notifications
from services.grievance.officers import assign_waiting
from services.grievance.officers.endpoints import router as officers
from services.grievance.patterns import flag_patterns
from services.grievance.patterns.endpoints import router as patterns
from services.grievance.receipts import limits
from services.grievance.receipts.endpoints import router as receipts
from services.grievance.remedies.endpoints import router as remedies
from services.grievance.resources import open_desk
from services.grievance.settings import GrievanceSettings
from services.grievance.statistics import freeze_sealed_counts
from services.grievance.statistics.endpoints import router as statistics
from services.grievance.subscriptions import SUBSCRIPTIONS
from shared.app import build_app
from shared.contracts.grievance import CASES, REMEDIES
from shared.jobs import Schedule
from shared.service import Service

SERVICE = Service(
    name="grievance",
    title="Grievance: who was left out",
    settings=GrievanceSettings,
    migrations=Path(__file__).parent / "migrations",
    routers=(
        configuration,
        cases,
        work,
        attachments,
        remedies,
        appeals,
        holds,
        receipts,
        officers,
        patterns,
        statistics,
    ),
    subscriptions=SUBSCRIPTIONS,
    schedules=(
        Schedule("expire_holds", expire_holds.EVERY, expire_holds.expire_holds),
        Schedule("escalate_cases", escalate_cases.EVERY, escalate_cases.escalate_cases),
        Schedule("assign_waiting", assign_waiting.EVERY, assign_waiting.assign_waiting),
        Schedule("send_notifications", send_notifications.EVERY, send_notifications.send_notifications),
        Schedule("flag_patterns", flag_patterns.EVERY, flag_patterns.flag_patterns),
        Schedule("freeze_sealed_counts", freeze_sealed_counts.EVERY, freeze_sealed_counts.freeze_sealed_counts),
        Schedule("prune_receipt_attempts", limits.PRUNE_EVERY, limits.prune_attempts),
    ),
    publishes=(CASES, REMEDIES),
    resources=open_desk,
)


def create_app(settings: GrievanceSettings | None = None) -> FastAPI:
    """The HTTP application of this service."""
    return build_app(SERVICE, settings)
