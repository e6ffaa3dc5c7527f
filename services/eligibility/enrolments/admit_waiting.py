"""Use-case: fill free places from the waiting list, in the order that the programme states.

Order: the programme's ranking keys, then who was listed first, then the id. The quota counts who takes part (a
suspended
place is not free); the budget counts what a period of theirs costs. Who comes next and does not fit waits, and so do
all
behind her: nobody overtakes because she is cheaper.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from sqlalchemy import Table, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.enrolments.life import Action, EnrolmentState
from services.eligibility.enrolments.model import EnrolmentRow
from services.eligibility.enrolments.transitions import enrolment_events, move, record_changes
from services.eligibility.programmes.file import ProgrammeFile
from services.eligibility.programmes.repository import lock_programme
from shared.contracts.eligibility import EnrolmentWaitlisted
from shared.outbox import outbox_table

ENROLMENT: Table = EnrolmentRow.__table__  # type: ignore[assignment]
_FITTING: Final = text(
    """
    SELECT id FROM (
      SELECT w.id, row_number() OVER line AS place, sum(coalesce(w.expected_amount, 0)) OVER line AS cost
      FROM enrolment w WHERE w.programme_code = :code AND w.state = 'waitlisted'
      WINDOW line AS (ORDER BY w.rank_key NULLS LAST, w.effective_on, w.beneficiary_id ROWS UNBOUNDED PRECEDING)
    ) waiting, (
      SELECT count(*) AS people, coalesce(sum(expected_amount), 0) AS money
      FROM enrolment WHERE programme_code = :code AND state IN ('approved', 'suspended')
    ) taken
    WHERE (cast(:quota AS bigint) IS NULL OR taken.people + waiting.place <= cast(:quota AS bigint))
      AND (cast(:budget AS numeric) IS NULL OR taken.money + waiting.cost <= cast(:budget AS numeric))
    """
).columns(EnrolmentRow.id)
_RANKED: Final = text(
    """
    UPDATE enrolment e SET rank = w.place
    FROM (
      SELECT id, row_number() OVER (ORDER BY rank_key NULLS LAST, effective_on, beneficiary_id) AS place
      FROM enrolment WHERE programme_code = :code AND state = 'waitlisted'
    ) w
    WHERE e.id = w.id AND e.rank IS DISTINCT FROM w.place
    """
)


async def admit_waiting(session: AsyncSession, file: ProgrammeFile, on: date, by: str | None = None) -> int:
    """Approve who has a place now, renew the ranks, and tell the newly listed theirs.

    Args:
        on: the day from which the admitted take part.
        by: subject of the officer who asked; None: a place became free.

    Returns:
        How many were admitted.
    """
    if file.capacity is None:
        return 0
    await lock_programme(session, file.code)  # two who fill at once would both see the last place free
    values = {"code": file.code, "quota": file.capacity.quota, "budget": file.capacity.budget_per_period}
    fitting = _FITTING.bindparams(**values).subquery("fitting")
    chosen = select(fitting.c.id, ENROLMENT.c.cause).join_from(fitting, ENROLMENT, ENROLMENT.c.id == fitting.c.id)
    admitted = await move(session, chosen, Action.APPROVE, on, by)
    await session.execute(_RANKED, {"code": file.code})
    await _tell_ranks(session, file.code, on)
    return admitted


async def _tell_ranks(session: AsyncSession, code: str, on: date) -> None:
    """`enrolment.waitlisted` once a listing: later moves of the rank are seen in the list."""
    listed = (
        update(ENROLMENT)
        .where(ENROLMENT.c.programme_code == code, ENROLMENT.c.state == EnrolmentState.WAITLISTED.value)
        .where(ENROLMENT.c.changed_on.is_(None))
        .values(changed_on=on, version=ENROLMENT.c.version + 1)
        .returning(*ENROLMENT.c)
        .cte("listed")
    )
    events: Any = insert(outbox_table).from_select(
        ["topic", "key", "type", "data", "traceparent"], enrolment_events(listed, EnrolmentWaitlisted)
    )
    changes = record_changes(listed, Action.WAITLIST, None)
    await session.execute(select(func.count()).select_from(listed).add_cte(events.cte("told"), changes))
