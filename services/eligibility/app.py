"""Eligibility, the whole service on one page."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from services.eligibility.conditions import record_files
from services.eligibility.conditions.bulk_endpoints import router as bulk_router
from services.eligibility.conditions.endpoints import router as conditions_router
from services.eligibility.coverage.endpoints import router as coverage_router
from services.eligibility.cycles import close_cycle, compute_cycle
from services.eligibility.cycles.endpoints import router as cycles_router
from services.eligibility.decisions.endpoints import router as decisions_router
from services.eligibility.enrolments import enrol_newcomers, enrol_programme, reassess_programme
from services.eligibility.enrolments.endpoints import router as enrolments_router
from services.eligibility.enrolments.life_endpoints import router as enrolment_life_router
from services.eligibility.left_behind import count_editions
from services.eligibility.left_behind.endpoints import router as left_behind_router
from services.eligibility.programmes.endpoints import router as programmes_router
from services.eligibility.programmes.endpoints import schema_router
from services.eligibility.rehearsal import rehearse_version
from services.eligibility.rehearsal.endpoints import router as rehearsal_router
from services.eligibility.rules.endpoints import router as rules_router
from services.eligibility.settings import EligibilitySettings
from services.eligibility.subscriptions import SUBSCRIPTIONS
from shared.app import build_app
from shared.contracts import eligibility
from shared.jobs import JobKind, Schedule
from shared.service import Service
from shared.settings import Settings

SERVICE = Service(
    name="eligibility",
    title="Samaki eligibility: who qualifies for what, how much, and why",
    settings=EligibilitySettings,
    migrations=Path(__file__).parent / "migrations",
    routers=(
        programmes_router,
        schema_router,
        enrolments_router,
        enrolment_life_router,
        decisions_router,
        cycles_router,
        rules_router,
        conditions_router,
        bulk_router,
        coverage_router,
        rehearsal_router,
        left_behind_router,
    ),
    subscriptions=SUBSCRIPTIONS,
    jobs=(
        JobKind(enrol_programme.KIND, enrol_programme.run_enrolment),
        JobKind(compute_cycle.KIND, compute_cycle.run_computation),
        JobKind(close_cycle.KIND, close_cycle.run_closing),
        JobKind(record_files.KIND, record_files.run_file),
        JobKind(reassess_programme.KIND, reassess_programme.run_reassessment),
        JobKind(rehearse_version.KIND, rehearse_version.run_rehearsal),
        JobKind(count_editions.KIND, count_editions.run_count, lease=count_editions.LEASE),
    ),
    schedules=(
        Schedule("reassess_programmes", reassess_programme.EVERY, reassess_programme.queue_reassessments),
        Schedule("enrol_newcomers", enrol_newcomers.EVERY, enrol_newcomers.queue_newcomers),
        Schedule("count_left_behind", count_editions.EVERY, count_editions.queue_editions),
    ),
    publishes=(
        eligibility.ENROLMENTS,
        eligibility.ENTITLEMENTS,
        eligibility.CYCLES,
        eligibility.DECISIONS,
        eligibility.PROGRAMMES,
        eligibility.REMEDIES,
    ),
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service's HTTP app."""
    return build_app(SERVICE, settings)
