"""Reaction: what payments told of many payments becomes cases, a handful of statements a batch (law 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.automatic import repository
from services.grievance.automatic.plan import Plan, plan
from services.grievance.automatic.repository import Opening
from services.grievance.cases.deadlines import due_on
from services.grievance.holds.end_holds_of_case import end_holds_of_settled_cases
from services.grievance.resources import Desk
from shared.ids import reference, uuid7
from shared.service import Context
from shared.telemetry import get_logger

REFERENCE_ATTEMPTS: Final = 3
"""References have forty bits: among millions of cases two can meet, and another id is tried."""
log = get_logger(__name__)


async def follow_payments(context: Context, session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Open, add to, reopen and close the automatic cases of payments whose present state changed.

    Args:
        rows: at most one per payment, with the columns of `payment_view`.
    """
    desk: Desk = context.resources
    policy = desk.categories.automatic
    failed = [
        row for row in rows if row["status"] in policy.open_on and row["reason_code"] not in policy.ignored_reasons
    ]
    settled = [row for row in rows if row["status"] == "settled"]
    if policy.category not in desk.categories.categories or not (failed or settled):
        return
    known = await repository.lock_cases_of(session, [row["payment_id"] for row in (*failed, *settled)])
    decided = plan(failed, settled, known)
    now = context.clock.now()
    opening = _opening(desk, now)
    await _open(session, opening, decided)
    await repository.note(session, decided.to_note, "payment_failed", None, now)
    await repository.reopen(session, decided.to_reopen, opening.due_on, now)
    await repository.settle(session, decided.to_settle, now)
    await end_holds_of_settled_cases(session, [case_id for case_id, _ in decided.to_settle], now)
    await repository.note(session, decided.to_note_paid, "payment_settled", "paid", now)


def _opening(desk: Desk, now: datetime) -> Opening:
    code = desk.categories.automatic.category
    category = desk.categories.categories[code]
    return Opening(
        category=code,
        route=category.route,
        priority=category.priority,
        level=desk.categories.start_level(category),
        due_on=due_on(now, category.deadline_working_days, desk.calendar),
        at=now,
    )


async def _open(session: AsyncSession, opening: Opening, decided: Plan) -> None:
    missing = decided.to_open
    for _ in range(REFERENCE_ATTEMPTS):
        if not missing:
            return
        ids = [uuid7() for _ in missing]
        rows = [
            {**_facts(row), "case_id": case_id, "reference": reference("GR", case_id)}
            for row, case_id in zip(missing, ids, strict=True)
        ]
        opened = await repository.open_cases(session, opening, rows)
        missing = [row for row in missing if row["payment_id"] not in opened]


def _facts(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("payment_id", "version", "status", "attempt", "reason_code", "beneficiary_id", "village_code")
    return {name: row[name] for name in names}
