"""Schedule: give cases that nobody has to officers, by area and workload, a few thousand a statement."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row

from services.grievance.officers import repository
from services.grievance.officers.share_out import Desk, Waiting, share_out
from services.grievance.people import repository as people
from shared import audit
from shared.service import Context
from shared.telemetry import get_logger

EVERY: Final = timedelta(minutes=5)
CHUNK: Final = 2_000
MAX_CHUNKS: Final = 100
"""In one run; the rest waits for the next one."""
_START: Final = (date.min, UUID(int=0))
log = get_logger(__name__)


async def assign_waiting(context: Context) -> None:
    """Share out every unassigned case once; what fits nobody waits for a supervisor.

    Cases of an officer's own household are not given to her.
    """
    after = _START
    for _ in range(MAX_CHUNKS):
        async with context.database.session() as session:
            rows = await repository.waiting(session, after, CHUNK)
            if not rows:
                return
            after = (rows[-1].due_on, rows[-1].id)
            officers = await repository.loads(session)
            if not officers:
                return
            own = [officer.person_id for officer in officers if officer.person_id is not None]
            near = await people.near_each(session, own)
            desks = [_desk(officer, near.get(officer.person_id, frozenset())) for officer in officers]
            shares = share_out([_waiting(row) for row in rows], desks)
            given = await repository.give(session, shares, context.clock.now())
            if given:
                await audit.record(session, "assignment", "case.assign", "case", "batch", {"count": given})
                log.info("cases_assigned", count=given)
        if len(rows) < CHUNK:
            return


def _desk(row: Row[Any], near: frozenset[UUID]) -> Desk:
    return Desk(
        subject=row.subject,
        level=row.level,
        areas=tuple(row.areas),
        categories=frozenset(row.categories),
        capacity=row.capacity,
        load=row.load,
        people=near,
    )


def _waiting(row: Row[Any]) -> Waiting:
    found = (row.subject_id, row.beneficiary_id, row.complainant_person_id)
    return Waiting(
        row.id, row.level, row.category, row.place_code, frozenset(item for item in found if item is not None)
    )
