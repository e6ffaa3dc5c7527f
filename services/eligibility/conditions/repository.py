"""SQL of condition kinds, events, waivers and gaps. Set-wise: a statement a batch, whatever its size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Table, bindparam, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.conditions.model import (
    ConditionEventRow,
    ConditionKindRow,
    EmployerAccountRow,
    EventState,
    SettledEventRow,
)
from services.eligibility.conditions.report import Person
from services.eligibility.model import AnyRow
from shared.auth import Principal, in_area
from shared.db import rows_from_json

E = ConditionEventRow
EVENT: Table = ConditionEventRow.__table__  # type: ignore[assignment]
_IDS = bindparam("ids", type_=ARRAY(PG_UUID))

_PERSONS = text(
    """
    WITH resolved AS (
      SELECT id, resolved_identity(id) AS target FROM (SELECT DISTINCT unnest(CAST(:ids AS uuid[])) AS id) wanted)
    SELECT DISTINCT ON (r.id) r.id, r.target, f.village_code, m.sex, m.birth_date, m.employer_id
    FROM resolved r
    JOIN member_fact m ON m.person_id = r.target
    JOIN household_fact f ON f.household_id = m.household_id AND f.version = m.version
    ORDER BY r.id, f.effective_on DESC, f.version DESC
    """
).bindparams(_IDS)
_FOLLOW_EVENTS = text(
    """
    WITH RECURSIVE touched AS (
      SELECT unnest(CAST(:ids AS uuid[])) AS id
      UNION SELECT a.retired_id FROM identity_alias a JOIN touched t ON a.surviving_id = t.id)
    UPDATE condition_event e SET subject_id = resolved_identity(t.id) FROM touched t
    WHERE e.person_id = t.id AND e.subject_id <> resolved_identity(t.id)
    """
).bindparams(_IDS)
_FOLLOW_WAIVERS = text(
    """
    WITH RECURSIVE touched AS (
      SELECT unnest(CAST(:ids AS uuid[])) AS id
      UNION SELECT a.retired_id FROM identity_alias a JOIN touched t ON a.surviving_id = t.id)
    UPDATE condition_waiver w SET subject_id = resolved_identity(t.id) FROM touched t
    WHERE w.person_id = t.id AND w.subject_id <> resolved_identity(t.id)
    """
).bindparams(_IDS)


async def follow_identities(session: AsyncSession, ids: Sequence[UUID]) -> None:
    """After merges, or their undoing: what was reported of these persons counts for who they are now."""
    for statement in (_FOLLOW_EVENTS, _FOLLOW_WAIVERS):
        await session.execute(statement, {"ids": list(ids)})


async def find_persons(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, Person]:
    """What is known of these persons, by the id asked for; the unknown are left out."""
    rows = await session.execute(_PERSONS, {"ids": list(ids)})
    return {row.id: Person(row.target, row.village_code, row.sex, row.birth_date, row.employer_id) for row in rows}


# --- kinds ----------------------------------------------------------------------------------------------------------


async def read_kinds(session: AsyncSession) -> dict[str, dict[str, Any]]:
    """Every kind's document by its code."""
    rows = await session.execute(select(ConditionKindRow.code, ConditionKindRow.document))
    return {row.code: row.document for row in rows}


async def write_kinds(session: AsyncSession, documents: Mapping[str, Any], subject: str, at: datetime) -> int:
    """Add and change kinds. Returns how many changed."""
    kind: Table = ConditionKindRow.__table__  # type: ignore[assignment]
    rows = [
        {"code": code, "document": document, "changed_by": subject, "changed_at": at.isoformat()}
        for code, document in documents.items()
    ]
    incoming = rows_from_json(kind, list(rows[0]))
    statement = insert(kind).from_select(list(rows[0]), select(*(incoming.c[name] for name in rows[0])))
    changed = statement.on_conflict_do_update(
        index_elements=["code"],
        set_={
            "document": statement.excluded.document,
            "changed_by": statement.excluded.changed_by,
            "changed_at": statement.excluded.changed_at,
            "version": kind.c.version + 1,
        },
        where=kind.c.document != statement.excluded.document,
    ).returning(kind.c.code)
    return len((await session.execute(changed, {"rows": rows})).all())


async def employers_of(session: AsyncSession, subject: str) -> frozenset[UUID]:
    """The employers that this bearer may report for."""
    rows = await session.scalars(select(EmployerAccountRow.employer_id).where(EmployerAccountRow.subject == subject))
    return frozenset(rows)


async def let_report(session: AsyncSession, subject: str, employer_id: UUID, granted_by: str) -> None:
    """Let a bearer report for an employer."""
    await session.execute(
        insert(EmployerAccountRow)
        .values(subject=subject, employer_id=employer_id, granted_by=granted_by)
        .on_conflict_do_nothing()
    )


# --- events ---------------------------------------------------------------------------------------------------------

_LIVE = text("state IN ('pending', 'accepted')")


async def insert_events(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> set[UUID]:
    """Add events, in order; one that is known by person, kind and day is left as it is. Returns the ids added."""
    if not rows:
        return set()
    columns = list(rows[0])
    incoming = rows_from_json(EVENT, columns)
    statement = (
        insert(EVENT)
        .from_select(columns, select(*(incoming.c[name] for name in columns)))
        .on_conflict_do_nothing(index_elements=["person_id", "kind", "occurred_on"], index_where=_LIVE)
        .returning(EVENT.c.id)
    )
    return set((await session.scalars(statement, {"rows": list(rows)})).all())


async def find_live(session: AsyncSession, keys: Sequence[dict[str, Any]]) -> Sequence[AnyRow]:
    """The events that stand under these {"person_id", "kind", "occurred_on"}."""
    if not keys:
        return []
    wanted = rows_from_json(EVENT, ["person_id", "kind", "occurred_on"])
    same = tuple_(E.person_id, E.kind, E.occurred_on)
    statement = select(E.id, E.person_id, E.kind, E.occurred_on, E.until, E.value, E.babies, E.state).where(
        E.state.in_([EventState.PENDING, EventState.ACCEPTED]),
        same.in_(select(wanted.c.person_id, wanted.c.kind, wanted.c.occurred_on)),
    )
    return (await session.execute(statement, {"rows": list(keys)})).all()


async def find_event(session: AsyncSession, event_id: UUID, *, lock: bool = False) -> AnyRow | None:
    """One event, or None."""
    statement = select(*EVENT.c).where(EVENT.c.id == event_id)
    return (await session.execute(statement.with_for_update() if lock else statement)).one_or_none()


async def list_events(
    session: AsyncSession, principal: Principal, person_id: UUID, after: int | None, limit: int
) -> Sequence[AnyRow]:
    """What was reported of a person who lives in the caller's area, in the order of recording."""
    statement = (
        select(*EVENT.c)
        .where(EVENT.c.subject_id == person_id, in_area(principal, EVENT.c.village_code))
        .order_by(EVENT.c.seq)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(EVENT.c.seq > after)
    return (await session.execute(statement)).all()


async def set_event_state(session: AsyncSession, event_id: UUID, **values: Any) -> None:
    """Change what may change of an event: its state, who decided and why."""
    await session.execute(update(E).where(E.id == event_id).values(version=E.version + 1, **values))


async def is_settled(session: AsyncSession, event_id: UUID) -> bool:
    """Whether a closed cycle has granted it."""
    found = select(func.count()).select_from(SettledEventRow).where(SettledEventRow.event_id == event_id)
    return bool(await session.scalar(found))
