"""The self-check: compares ledger, instructions, lists, funds, statements and events, and names every riel that
differs.

All checks read one snapshot, so that payments going on meanwhile are no difference. It runs when asked for, and
every night.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.fields import plain
from services.payments.ledger import self_check_repository as checks
from services.payments.ledger.start_self_check import JOB
from shared.jobs import JobKind, JobRun, Schedule, enqueue
from shared.service import Context
from shared.telemetry import get_logger

log = get_logger(__name__)
MOST: Final = 200
"""Differences named per check; more are as bad, and the first lead to the cause."""
OPEN_DAYS: Final = 2
"""The books of a day are closed two days later: no transaction is that long."""
_ONE_SNAPSHOT: Final = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


async def find_differences(session: AsyncSession) -> dict[str, Any]:
    """Run every check in this session's transaction, on one snapshot.

    Returns:
        `differences` (how many), `checks` (name to how many), `items` (each: check, subject, expected, found,
        difference,
        currency, detail); amounts as exact text.
    """
    await session.execute(_ONE_SNAPSHOT)
    items: list[dict[str, str]] = []
    counted: dict[str, int] = {}
    for name, statement in checks.CHECKS:
        rows = await checks.differences_of(session, statement, MOST)
        counted[name] = len(rows)
        items += [_item(row) for row in rows]
    return {"differences": len(items), "checks": counted, "items": items}


def _item(row: Any) -> dict[str, str]:
    expected, found = Decimal(row.expected), Decimal(row.found or 0)
    return {
        "check": row.check,
        "subject": row.subject,
        "expected": plain(expected),
        "found": plain(found),
        "difference": plain(found - expected),
        "currency": row.currency or "",
        "detail": row.detail,
    }


async def run_self_check(run: JobRun) -> dict[str, Any]:
    """The job. Its result is the report; the log says how many differences there are."""
    async with run.context.database.session() as session:
        report = await find_differences(session)
    async with run.context.database.session() as session:
        await run.still_mine(session)
        await checks.save_report(session, run.created_by or "schedule", report["differences"], _json(report))
    if report["differences"]:
        failing = [name for name, count in report["checks"].items() if count]
        log.error("books_differ", differences=report["differences"], checks=failing)
    return report


def _json(report: dict[str, Any]) -> str:
    return orjson.dumps(report).decode()


async def nightly(context: Context) -> None:
    """The schedule: close the books of past days, then check them all."""
    async with context.database.session() as session:
        now = await session.scalar(text("SELECT now()"))
        await checks.close_days(session, (now - timedelta(days=OPEN_DAYS)).date())
    async with context.database.session() as session:
        await enqueue(session, JOB, {}, key=JOB)


SELF_CHECK = JobKind(JOB, run_self_check, lease=timedelta(minutes=10))
NIGHTLY = Schedule("self_check_money", timedelta(hours=24), nightly)
