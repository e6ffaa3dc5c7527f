"""All SQL of merging people and households, and of taking it back: each step is one statement over all its rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import JSON, Row, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.duplicates.plan import HouseholdFacts, Member, PersonFacts, Plan, State

_HOUSEHOLDS_OF: Final = text("""
    SELECT household_id FROM membership WHERE person_id = ANY (CAST(:ids AS uuid[])) AND valid_until IS NULL
    UNION SELECT id FROM household WHERE id = ANY (CAST(:ids AS uuid[]))""")
_LOCK_HOUSEHOLDS: Final = text("""
    SELECT id, village_code, head_person_id, dissolved_on FROM household
    WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE""")
_MEMBERS: Final = text("""
    SELECT id, person_id, household_id, person_ref, relationship FROM membership
    WHERE household_id = ANY (CAST(:ids AS uuid[])) AND valid_until IS NULL ORDER BY household_id, person_ref""")
_LOCK_PEOPLE: Final = text("""
    SELECT id, alive, merged_into FROM person WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE""")


async def load_state(session: AsyncSession, ids: Sequence[UUID], people: Sequence[UUID]) -> State:
    """The households among `ids` or of the people among them, with all members; and those people. All locked.

    Households first, then people: every writer of the register locks in this order.
    """
    touched = list(await session.scalars(_HOUSEHOLDS_OF, {"ids": list(ids)}))
    households = (await session.execute(_LOCK_HOUSEHOLDS, {"ids": touched})).all()
    members = (await session.execute(_MEMBERS, {"ids": touched})).all()
    known = (await session.execute(_LOCK_PEOPLE, {"ids": list(people)})).all()
    return State(
        people={row.id: PersonFacts(row.alive, row.merged_into) for row in known},
        households={
            row.id: HouseholdFacts(row.village_code, row.head_person_id, row.dissolved_on is not None)
            for row in households
        },
        members=[Member(row.id, row.person_id, row.household_id, row.person_ref, row.relationship) for row in members],
    )


_VOID: Final = text("""
    UPDATE membership SET void = true, valid_until = greatest(valid_from, CAST(:today AS date))
    WHERE id = ANY (CAST(:ids AS uuid[])) AND valid_until IS NULL RETURNING id""")
_RELATE: Final = text("""
    UPDATE membership AS m SET relationship = given.relationship
    FROM unnest(CAST(:ids AS uuid[]), CAST(:relationships AS text[])) AS given (id, relationship)
    WHERE m.id = given.id""")
_ADD: Final = text("""
    INSERT INTO membership (household_id, person_id, person_ref, relationship, valid_from)
    SELECT household_id, person_id, person_ref, relationship, :today
    FROM unnest(CAST(:households AS uuid[]), CAST(:people AS uuid[]), CAST(:refs AS text[]),
      CAST(:relationships AS text[])) AS given (household_id, person_id, person_ref, relationship)
    RETURNING id""")
_RETIRE: Final = text("""
    UPDATE person AS p SET merged_into = given.surviving
    FROM unnest(CAST(:retired AS uuid[]), CAST(:surviving AS uuid[])) AS given (retired, surviving)
    WHERE p.id = given.retired""")
_TAKE_NUMBERS: Final = text("""
    UPDATE identifier AS i SET withdrawn_at = :now
    FROM unnest(CAST(:retired AS uuid[]), CAST(:surviving AS uuid[])) AS given (retired, surviving)
    WHERE i.owner_id = given.retired AND i.withdrawn_at IS NULL AND NOT EXISTS (
      SELECT FROM identifier s WHERE s.owner_id = given.surviving AND s.type = i.type AND s.withdrawn_at IS NULL)
    RETURNING i.type, encode(i.hash, 'hex') AS hash, i.owner_id AS retired, given.surviving""")
_GIVE_NUMBERS: Final = text("""
    INSERT INTO identifier (type, hash, owner_id, cipher, issuer, valid_from, valid_until)
    SELECT i.type, i.hash, given.surviving, i.cipher, i.issuer, i.valid_from, i.valid_until
    FROM json_to_recordset(CAST(:numbers AS json)) AS given (type text, hash text, retired uuid, surviving uuid)
    JOIN identifier i ON i.type = given.type AND i.hash = decode(given.hash, 'hex') AND i.owner_id = given.retired
      AND i.withdrawn_at = :now""").bindparams(bindparam("numbers", type_=JSON))
_HOUSEHOLDS: Final = text("""
    UPDATE household AS g
    SET head_person_id = CASE WHEN head.id IS NULL THEN g.head_person_id ELSE head.person END,
        dissolved_on = CASE WHEN gone.id IS NULL THEN g.dissolved_on ELSE :today END,
        dissolved_cause = CASE WHEN gone.id IS NULL THEN g.dissolved_cause ELSE 'merged' END,
        successor_household_id = coalesce(gone.successor, g.successor_household_id),
        version = g.version + 1, updated_at = :now
    FROM unnest(CAST(:touched AS uuid[])) AS given (id)
    LEFT JOIN unnest(CAST(:head_of AS uuid[]), CAST(:heads AS uuid[])) AS head (id, person) ON head.id = given.id
    LEFT JOIN unnest(CAST(:gone AS uuid[]), CAST(:successors AS uuid[])) AS gone (id, successor) ON gone.id = given.id
    WHERE g.id = given.id""")
_RESTORE_HOUSEHOLDS: Final = text("""
    UPDATE household AS g
    SET head_person_id = CASE WHEN head.id IS NULL THEN g.head_person_id ELSE head.person END,
        dissolved_on = CASE WHEN given.id = ANY (CAST(:gone AS uuid[])) THEN NULL ELSE g.dissolved_on END,
        dissolved_cause = CASE WHEN given.id = ANY (CAST(:gone AS uuid[])) THEN NULL ELSE g.dissolved_cause END,
        successor_household_id =
          CASE WHEN given.id = ANY (CAST(:gone AS uuid[])) THEN NULL ELSE g.successor_household_id END,
        version = g.version + 1, updated_at = :now
    FROM unnest(CAST(:touched AS uuid[])) AS given (id)
    LEFT JOIN unnest(CAST(:head_of AS uuid[]), CAST(:heads AS uuid[])) AS head (id, person) ON head.id = given.id
    WHERE g.id = given.id""")


async def apply_plan(session: AsyncSession, plan: Plan, today: date, now: datetime) -> dict[str, Any]:
    """Write a merge. Returns what taking it back needs beyond the plan: memberships added, numbers given."""
    await session.execute(_VOID, {"ids": plan.void, "today": today})
    await _relate(session, [(item, after) for item, _, after in plan.relationships])
    added: list[Any] = []
    if plan.add:
        households, people, refs, relationships = zip(*plan.add, strict=True)
        values: dict[str, Any] = {"households": list(households), "people": list(people), "refs": list(refs)}
        values |= {"relationships": list(relationships), "today": today}
        added = list(await session.scalars(_ADD, values))
    pairs = {"retired": [a for a, _ in plan.merged], "surviving": [b for _, b in plan.merged]}
    await session.execute(_RETIRE, pairs)
    taken = (await session.execute(_TAKE_NUMBERS, {**pairs, "now": now})).all()
    numbers = [{name: str(value) for name, value in row._mapping.items()} for row in taken]
    await session.execute(_GIVE_NUMBERS, {"numbers": numbers, "now": now})
    written: dict[str, Any] = {"touched": sorted(plan.touched), "today": today, "now": now}
    written |= {"head_of": [item for item, _, _ in plan.heads], "heads": [after for _, _, after in plan.heads]}
    written |= {"gone": [item for item, _ in plan.dissolved], "successors": [item for _, item in plan.dissolved]}
    await session.execute(_HOUSEHOLDS, written)
    return {"added": [str(item) for item in added], "numbers": numbers}


async def _relate(session: AsyncSession, changes: Sequence[tuple[UUID, str]]) -> None:
    """Write relationships; a former head gives way before the new one is written."""
    for heads in (False, True):
        now = [(item, relationship) for item, relationship in changes if (relationship == "head") == heads]
        if now:
            values = {"ids": [item for item, _ in now], "relationships": [relationship for _, relationship in now]}
            await session.execute(_RELATE, values)


_AS_LEFT: Final = text("""
    SELECT
      (SELECT count(*) FROM membership m WHERE m.id = ANY (CAST(:void AS uuid[])) AND m.void) = :voided
      AND (SELECT count(*) FROM membership m
           JOIN unnest(CAST(:added AS uuid[]), CAST(:relationships AS text[])) AS given (id, relationship)
             ON given.id = m.id AND given.relationship = m.relationship
           WHERE m.valid_until IS NULL) = :adds
      AND NOT EXISTS (SELECT FROM unnest(CAST(:related AS uuid[]), CAST(:afters AS text[])) AS given (id, after)
           JOIN membership m ON m.id = given.id WHERE m.relationship <> given.after OR m.valid_until IS NOT NULL)
      AND NOT EXISTS (SELECT FROM household g WHERE g.id = ANY (CAST(:gone AS uuid[]))
           AND g.dissolved_cause IS DISTINCT FROM 'merged')
      AND NOT EXISTS (SELECT FROM unnest(CAST(:head_of AS uuid[]), CAST(:heads AS uuid[])) AS given (id, person)
           JOIN household g ON g.id = given.id WHERE g.head_person_id IS DISTINCT FROM given.person)
      AND NOT EXISTS (SELECT FROM membership m WHERE m.person_id = ANY (CAST(:retired AS uuid[]))
           AND m.valid_until IS NULL)
    AS as_left""")


async def stands_as_left(session: AsyncSession, plan: Plan, kept: dict[str, Any]) -> bool:
    """Whether everything the merge wrote still is as it wrote it."""
    values = {
        "void": plan.void,
        "voided": len(plan.void),
        "added": [UUID(item) for item in kept["added"]],
        "relationships": [relationship for *_, relationship in plan.add],
        "adds": len(plan.add),
        "related": [item for item, _, _ in plan.relationships],
        "afters": [after for *_, after in plan.relationships],
        "gone": [item for item, _ in plan.dissolved],
        "head_of": [item for item, _, _ in plan.heads],
        "heads": [after for *_, after in plan.heads],
        "retired": [item for item, _ in plan.merged],
    }
    return bool(await session.scalar(_AS_LEFT, values))


_UNVOID: Final = text("UPDATE membership SET void = false, valid_until = NULL WHERE id = ANY (CAST(:ids AS uuid[]))")
_REVIVE: Final = text("UPDATE person SET merged_into = NULL WHERE id = ANY (CAST(:ids AS uuid[]))")
_WITHDRAW_NUMBERS: Final = text("""
    UPDATE identifier AS i SET withdrawn_at = :now
    FROM json_to_recordset(CAST(:numbers AS json)) AS given (type text, hash text, surviving uuid)
    WHERE i.type = given.type AND i.hash = decode(given.hash, 'hex') AND i.owner_id = given.surviving
      AND i.withdrawn_at IS NULL""").bindparams(bindparam("numbers", type_=JSON))
_RETURN_NUMBERS: Final = text("""
    UPDATE identifier AS i SET withdrawn_at = NULL
    FROM json_to_recordset(CAST(:numbers AS json)) AS given (type text, hash text, retired uuid)
    WHERE i.type = given.type AND i.hash = decode(given.hash, 'hex') AND i.owner_id = given.retired
      AND i.withdrawn_at = :merged_at
      AND NOT EXISTS (SELECT FROM identifier o WHERE o.type = i.type AND o.hash = i.hash AND o.withdrawn_at IS NULL)
    """).bindparams(bindparam("numbers", type_=JSON))


async def undo_plan(
    session: AsyncSession, plan: Plan, kept: dict[str, Any], today: date, now: datetime, merged_at: datetime
) -> None:
    """Write what makes the register what it was before the merge."""
    await session.execute(_VOID, {"ids": [UUID(item) for item in kept["added"]], "today": today})
    await _relate(session, [(item, before) for item, before, _ in plan.relationships])
    await session.execute(_UNVOID, {"ids": plan.void})
    await session.execute(_REVIVE, {"ids": [retired for retired, _ in plan.merged]})
    await session.execute(_WITHDRAW_NUMBERS, {"numbers": kept["numbers"], "now": now})
    await session.execute(_RETURN_NUMBERS, {"numbers": kept["numbers"], "merged_at": merged_at})
    values = {"touched": sorted(plan.touched), "now": now, "gone": [item for item, _ in plan.dissolved]}
    values |= {"head_of": [item for item, _, _ in plan.heads], "heads": [before for _, before, _ in plan.heads]}
    await session.execute(_RESTORE_HOUSEHOLDS, values)


_ADD_MERGE: Final = text("""
    INSERT INTO identity_merge (id, kind, retired_id, surviving_id, part_of, reason, merged_by, merged_at, undo)
    SELECT id, kind, retired_id, surviving_id, part_of, :reason, :by, :now, CASE WHEN part_of IS NULL
      THEN CAST(:undo AS jsonb) ELSE '{}'::jsonb END
    FROM json_to_recordset(CAST(:merges AS json)) AS given (
      id uuid, kind text, retired_id uuid, surviving_id uuid, part_of uuid)
    ORDER BY part_of NULLS FIRST""").bindparams(bindparam("merges", type_=JSON), bindparam("undo", type_=JSON))
_TIMES: Final = text("""
    SELECT retired_id, count(*) AS merges FROM identity_merge
    WHERE retired_id = ANY (CAST(:ids AS uuid[])) GROUP BY retired_id""")
_FIND: Final = text("SELECT * FROM identity_merge WHERE id = :id")
_LOCK: Final = text(
    "SELECT * FROM identity_merge WHERE id = :id OR part_of = :id ORDER BY part_of NULLS FIRST FOR UPDATE"
)
_UNDONE: Final = text("""
    UPDATE identity_merge SET undone_by = :by, undone_at = :now, undone_reason = :reason, version = version + 1
    WHERE id = :id OR part_of = :id""")
_SURVIVOR: Final = text("""
    WITH RECURSIVE line AS (
      SELECT retired_id, surviving_id, 1 AS step FROM identity_merge WHERE retired_id = :id AND undone_at IS NULL
      UNION ALL
      SELECT m.retired_id, m.surviving_id, step + 1 FROM line JOIN identity_merge m
        ON m.retired_id = line.surviving_id AND m.undone_at IS NULL WHERE step < 1000)
    SELECT surviving_id FROM line ORDER BY step DESC LIMIT 1""")
_OPEN_AGAIN: Final = text("""
    UPDATE duplicate_candidate SET state = 'different', merge_id = NULL, decided_by = :by, decided_at = :now,
      version = version + 1
    WHERE merge_id = :id""")


async def add_merges(
    session: AsyncSession,
    merges: Sequence[dict[str, str | None]],
    undo: dict[str, Any],
    reason: str,
    by: str,
    now: datetime,
) -> None:
    """Record merges; the first is the one that is undone, the others are part of it."""
    values = {"merges": list(merges), "undo": undo, "reason": reason, "by": by, "now": now}
    await session.execute(_ADD_MERGE, values)


async def merges_of(session: AsyncSession, retired: Sequence[UUID]) -> dict[UUID, int]:
    """How many times each of these was merged into another, undone ones too."""
    rows = await session.execute(_TIMES, {"ids": list(retired)})
    return {row.retired_id: row.merges for row in rows}


async def find_merge(session: AsyncSession, merge_id: UUID) -> Row[Any] | None:
    """A merge's record."""
    return (await session.execute(_FIND, {"id": merge_id})).one_or_none()


async def lock_merge(session: AsyncSession, merge_id: UUID) -> Sequence[Row[Any]]:
    """A merge's record, and those of its parts; locked."""
    return (await session.execute(_LOCK, {"id": merge_id})).all()


async def mark_undone(session: AsyncSession, merge_id: UUID, by: str, reason: str, now: datetime) -> None:
    """Record that it was taken back; the pair that it decided is two people now."""
    await session.execute(_UNDONE, {"id": merge_id, "by": by, "reason": reason, "now": now})
    await session.execute(_OPEN_AGAIN, {"id": merge_id, "by": by, "now": now})


async def surviving_id(session: AsyncSession, record_id: UUID) -> UUID | None:
    """Under which id a retired record is known now; None if it was never merged."""
    found: UUID | None = await session.scalar(_SURVIVOR, {"id": record_id})
    return found
