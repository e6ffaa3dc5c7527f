"""Reaction: what payments told of many payments becomes cases, a handful of statements a batch (law 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.automatic import repository
from services.grievance.automatic.plan import SETTLED, Plan, plan, waves
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


async def follow_payments(
    context: Context, session: AsyncSession, rows: Sequence[Mapping[str, Any]], known: Mapping[UUID, int]
) -> None:
    """Open, add to, reopen and close the automatic cases of payments of which something new was told.

    A payment that fails and is paid within one batch opens one case and closes it, as if the two had come one by one:
    batches are an accident of delivery, and the family was not paid the first time.

    Args:
        rows: what was told, with the columns of `payment_view`, any number per payment, in any order.
        known: of payments of which something was told before: the version up to which it is no news.
    """
    desk: Desk = context.resources
    policy = desk.categories.automatic
    if policy.category not in desk.categories.categories:
        return
    matter = [
        row
        for row in rows
        if row["status"] == SETTLED
        or (row["status"] in policy.open_on and row["reason_code"] not in policy.ignored_reasons)
    ]
    opening = _opening(desk, context.clock.now())
    for wave in waves(matter, known):
        await _follow(session, opening, wave)


async def _follow(session: AsyncSession, opening: Opening, rows: Sequence[Mapping[str, Any]]) -> None:
    """One state of each of these payments."""
    cases = await repository.lock_cases_of(session, [row["payment_id"] for row in rows])
    failed = [row for row in rows if row["status"] != SETTLED]
    settled = [row for row in rows if row["status"] == SETTLED]
    decided = plan(failed, settled, cases)
    now = opening.at
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
        ids = sorted((uuid7() for _ in missing), key=attrgetter("int"))
        rows = [
            {**_facts(row), "case_id": case_id, "reference": reference("GR", case_id)}
            for row, case_id in zip(missing, ids, strict=True)
        ]
        left = await repository.open_cases(session, opening, rows)
        missing = [row for row in missing if row["payment_id"] in left]


def _facts(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("payment_id", "version", "status", "attempt", "reason_code", "beneficiary_id", "village_code")
    return {name: row[name] for name in names}
