"""Eligibility, the whole service on one page."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from services.eligibility.cycles import close_cycle, compute_cycle
from services.eligibility.cycles.endpoints import router as cycles_router
from services.eligibility.decisions.endpoints import router as decisions_router
from services.eligibility.enrolments import enrol_programme
from services.eligibility.enrolments.endpoints import router as enrolments_router
from services.eligibility.programmes.endpoints import router as programmes_router
from services.eligibility.rules.endpoints import router as rules_router
from services.eligibility.subscriptions import SUBSCRIPTIONS
from shared.app import build_app
from shared.contracts import eligibility
from shared.jobs import JobKind
from shared.service import Service
from shared.settings import Settings


class EligibilitySettings(Settings):
    """Settings of eligibility: those of every service."""

    service: str = "eligibility"


SERVICE = Service(
    name="eligibility",
    title="Samaki eligibility: who qualifies for what, how much, and why",
    settings=EligibilitySettings,
    migrations=Path(__file__).parent / "migrations",
    routers=(programmes_router, enrolments_router, decisions_router, cycles_router, rules_router),
    subscriptions=SUBSCRIPTIONS,
    jobs=(
        JobKind(enrol_programme.KIND, enrol_programme.run_enrolment),
        JobKind(compute_cycle.KIND, compute_cycle.run_computation),
        JobKind(close_cycle.KIND, close_cycle.run_closing),
    ),
    publishes=(eligibility.ENROLMENTS, eligibility.ENTITLEMENTS, eligibility.CYCLES),
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service's HTTP app."""
    return build_app(SERVICE, settings)
