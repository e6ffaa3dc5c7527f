"""Use-case: count who is left behind at the end of each month, once; what was counted never changes again.

Between two editions every question gets the same answer, whatever happens meanwhile: two days cannot be subtracted.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.left_behind import edition_repository, repository
from services.eligibility.left_behind.edition import Count, next_edition
from services.eligibility.left_behind.repository import Kind
from services.eligibility.programmes import repository as programmes
from shared import audit, jobs
from shared.service import Context

KIND: Final = "count_left_behind"
EVERY: Final = timedelta(hours=1)
LEASE: Final = timedelta(minutes=10)
"""Longer than one edition takes."""
CYCLES_DAYS: Final = 366
"""How old a cycle may be (by its reference date) of which those who were not paid are still counted."""
_OF_NO_CYCLE: Final[tuple[Kind, ...]] = ("not_enrolled", "blocked")


class _Edition(NamedTuple):
    """What to count. `by_person`: the programme's beneficiaries are persons."""

    code: str
    kind: Kind
    cycle_id: UUID | None
    period: str
    by_person: bool


async def queue_editions(context: Context) -> None:
    """The schedule: one job for each programme whose last month that is over was not counted."""
    last = context.clock.today().replace(day=1) - timedelta(days=1)
    period = f"{last:%Y-%m}"
    async with context.database.session() as session:
        for code in await edition_repository.due(session, period, last):
            await jobs.enqueue(session, KIND, {"programme_code": code, "period": period}, key=f"{code}|{period}")


async def run_count(run: jobs.JobRun) -> dict[str, Any]:
    """The job: every edition of a programme's month, each in a transaction. Running again counts nothing anew.

    Ages are those of the month's last day; all else is as it stands when it is counted. `blocked` comes last: while it
    is missing, the month is due.
    """
    code, period = run.payload["programme_code"], run.payload["period"]
    first = date.fromisoformat(f"{period}-01")
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    async with run.context.database.session() as session:
        by_person = await programmes.unit_of_last(session, code) != "household"
        since = last - timedelta(days=CYCLES_DAYS)
        cycles = await edition_repository.closed_cycles(session, code, since)
    wanted: list[_Edition] = [_Edition(code, "not_paid", cycle, period, by_person) for cycle in cycles]
    wanted += [_Edition(code, kind, None, period, by_person) for kind in _OF_NO_CYCLE]
    counted = 0
    for edition in wanted:
        async with run.context.database.session() as session:
            await repository.begin_snapshot(session)
            await run.still_mine(session)
            counted += await _count(session, edition, last, run.context.clock.now())
        await run.heartbeat()
    async with run.context.database.session() as session:
        detail = {"period": period, "editions": counted}
        await audit.record(session, "worker", "left_behind.count", "programme", code, detail)
    return detail


async def _count(session: AsyncSession, edition: _Edition, last: date, now: datetime) -> bool:
    """Count one edition, unless it is there."""
    code, kind, cycle_id, period, by_person = edition
    edition_id = await edition_repository.claim(session, code, kind, cycle_id, period, now, by_person=by_person)
    if edition_id is None:
        return False
    communes = {
        (row.reason, row.place): Count(row.people, row.households)
        for row in await repository.count_places(session, kind, code, cycle_id)
    }
    districts = {
        (row.split, row.reason, row.place, row.category): Count(row.people, row.households)
        for row in await repository.count_people(session, kind, code, cycle_id, by_person=by_person, on=last)
    }
    sizes = {row.place: row.people for row in await repository.sizes(session, code)}
    before = await edition_repository.cells_before(session, code, kind, cycle_id, period)
    await edition_repository.keep(session, edition_id, next_edition(communes, districts, sizes, before))
    return True
