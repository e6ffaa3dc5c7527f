"""All SQL on patterns: found over all cases of the window by one statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, exists, not_, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases.model import Case
from services.grievance.patterns.model import Pattern, PatternCase, PatternState

MAX_CASES: Final = 500
"""Cases kept of one pattern: enough to look into it."""

_FIND: Final = text(
    """
    WITH recent AS MATERIALIZED (
      SELECT id, subject_type, subject_id, opened_at FROM grievance_case
      WHERE opened_at > :since AND opened_at <= :now AND sealed = :sealed AND state <> 'merged'
    ), named AS (
      SELECT 'account' AS kind, p.account_token AS subject, c.id, c.opened_at, CAST(:account AS int) AS least
      FROM recent c JOIN payment_view p ON p.payment_id = c.subject_id
      WHERE c.subject_type = 'payment' AND p.account_token IS NOT NULL
      UNION ALL
      SELECT 'agent', p.agent_code, c.id, c.opened_at, CAST(:agent AS int)
      FROM recent c JOIN payment_view p ON p.payment_id = c.subject_id
      WHERE c.subject_type = 'payment' AND p.agent_code IS NOT NULL
      UNION ALL
      SELECT 'official', c.subject_id::text, c.id, c.opened_at, CAST(:official AS int)
      FROM recent c WHERE c.subject_type = 'official'
    ), counted AS MATERIALIZED (
      SELECT kind, subject, count(*) AS cases, min(opened_at) AS first_at, max(opened_at) AS last_at,
        (array_agg(id ORDER BY opened_at DESC, id))[1:500] AS ids
      FROM named GROUP BY kind, subject, least HAVING count(*) >= least
    ), flagged AS (
      INSERT INTO pattern AS p (id, version, kind, subject, sealed, cases, first_at, last_at, state)
      SELECT uuidv7(), 1, kind, subject, :sealed, cases, first_at, last_at, 'open' FROM counted ORDER BY kind, subject
      ON CONFLICT (kind, subject, sealed) DO UPDATE SET
        cases = excluded.cases, last_at = excluded.last_at, version = p.version + 1,
        state = CASE WHEN p.state = 'dismissed' AND excluded.cases >= 2 * p.cases_when_decided THEN 'open'
          ELSE p.state END
      WHERE p.cases <> excluded.cases OR p.last_at <> excluded.last_at
      RETURNING p.id, p.kind, p.subject
    )
    INSERT INTO pattern_case (pattern_id, case_id)
    SELECT f.id, unnest(c.ids) FROM flagged f JOIN counted c ON c.kind = f.kind AND c.subject = f.subject
    ON CONFLICT DO NOTHING
    """
)


async def find_patterns(
    session: AsyncSession, since: datetime, now: datetime, *, sealed: bool, account: int, agent: int, official: int
) -> None:
    """Flag what many cases of the window have in common; what was dismissed comes back when its cases doubled.

    Args:
        sealed: look at sealed cases (the seal is open), or at the others.
        account, agent, official: from how many cases.
    """
    values = {"since": since, "now": now, "sealed": sealed, "account": account, "agent": agent, "official": official}
    await session.execute(_FIND, values)


def _about(people: frozenset[UUID]) -> ColumnElement[bool]:
    """One of these people is the official of a pattern, or a case of it is about or from one of them."""
    member = exists().where(
        PatternCase.pattern_id == Pattern.id,
        Case.id == PatternCase.case_id,
        or_(*(column.in_(people) for column in (Case.subject_id, Case.beneficiary_id, Case.complainant_person_id))),
    )
    return or_(Pattern.subject.in_([str(person) for person in people]), member)


async def is_about(session: AsyncSession, pattern_id: UUID, people: frozenset[UUID]) -> bool:
    """Whether a pattern concerns one of these people."""
    if not people:
        return False
    return await session.scalar(select(exists().where(Pattern.id == pattern_id, _about(people)))) or False


async def page(
    session: AsyncSession,
    people: frozenset[UUID],
    *,
    sealed: bool,
    state: PatternState | None,
    after: UUID | None,
    fetch: int,
) -> Sequence[Pattern]:
    """Patterns, oldest first; none that concerns one of `people`."""
    statement = select(Pattern).where(Pattern.sealed.is_(sealed)).order_by(Pattern.id).limit(fetch)
    if people:
        statement = statement.where(not_(_about(people)))
    if state is not None:
        statement = statement.where(Pattern.state == state.value)
    if after is not None:
        statement = statement.where(Pattern.id > after)
    return (await session.scalars(statement)).all()


async def lock(session: AsyncSession, pattern_id: UUID) -> Pattern | None:
    """One pattern, locked until the transaction ends."""
    return await session.get(Pattern, pattern_id, with_for_update=True, populate_existing=True)


async def save(session: AsyncSession) -> None:
    """Write the changes of a locked pattern."""
    await session.flush()


async def of_case(session: AsyncSession, case_id: UUID) -> Sequence[Pattern]:
    """Patterns that a case belongs to."""
    statement = select(Pattern).join(PatternCase, PatternCase.pattern_id == Pattern.id)
    return (await session.scalars(statement.where(PatternCase.case_id == case_id).order_by(Pattern.id).limit(20))).all()


async def cases(session: AsyncSession, pattern_id: UUID) -> Sequence[UUID]:
    """Cases of a pattern; at most MAX_CASES a look."""
    statement = select(PatternCase.case_id).where(PatternCase.pattern_id == pattern_id)
    return (await session.scalars(statement.order_by(PatternCase.case_id).limit(MAX_CASES))).all()
