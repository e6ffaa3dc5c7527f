"""All SQL of runs and candidates: people out as a stream, pairs in as a set, lists for officers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import JSON, Row, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.auth import Principal

STREAM_ROWS: Final = 20_000

_PEOPLE: Final = text("""
    SELECT p.id, m.household_id, p.name_km, p.name_en, p.sex, p.birth_date, p.birth_date_precision, g.village_code,
      encode(p.phone_hash, 'hex') AS number,
      (CAST(:since AS timestamptz) IS NULL OR c.recorded_at >= :since)
        AND starts_with(g.village_code, CAST(:place AS text)) AS fresh
    FROM person p
    JOIN membership m ON m.person_id = p.id AND m.valid_until IS NULL
    JOIN household g ON g.id = m.household_id
    JOIN register_change c ON c.id = p.change_id
    WHERE p.alive AND p.merged_into IS NULL""")


async def stream_people(
    session: AsyncSession, since: datetime | None, place: str | None
) -> AsyncIterator[Sequence[Row[Any]]]:
    """Everybody present, by a server-side cursor. `fresh`: registered since then and in this place."""
    values = {"since": since, "place": place or ""}
    result = await session.stream(_PEOPLE, values, execution_options={"yield_per": STREAM_ROWS})
    async for rows in result.partitions(STREAM_ROWS):
        yield rows


_ADD_RUN: Final = text("""
    INSERT INTO duplicate_run (id, job_id, requested_by, registered_since, place, rules, requested_at)
    VALUES (:id, :job_id, :requested_by, :registered_since, :place, :rules, :requested_at)""")
_FIND_RUN: Final = text("SELECT * FROM duplicate_run WHERE id = :id")
_END_RUN: Final = text("""
    UPDATE duplicate_run SET state = 'finished', persons = :persons, compared_with = :compared_with,
      candidates = :candidates, finished_at = :finished_at WHERE id = :id AND state = 'queued'""")
_LAST_RUN: Final = text("SELECT max(requested_at) FROM duplicate_run WHERE place IS NULL")
_NEWCOMERS: Final = text("SELECT EXISTS (SELECT FROM household WHERE created_at >= :since)")


async def add_run(session: AsyncSession, **values: Any) -> None:
    """Record a run that is queued."""
    await session.execute(_ADD_RUN, values)


async def find_run(session: AsyncSession, run_id: UUID) -> Row[Any] | None:
    """A run's record."""
    return (await session.execute(_FIND_RUN, {"id": run_id})).one_or_none()


async def end_run(session: AsyncSession, run_id: UUID, **values: Any) -> None:
    """Record what came of it."""
    await session.execute(_END_RUN, {"id": run_id, **values})


async def last_run(session: AsyncSession) -> datetime | None:
    """When the last run over the whole country was asked for."""
    found: datetime | None = await session.scalar(_LAST_RUN)
    return found


async def anybody_since(session: AsyncSession, since: datetime) -> bool:
    """Whether a household was registered since then."""
    return bool(await session.scalar(_NEWCOMERS, {"since": since}))


_ADD_PAIRS: Final = text("""
    INSERT INTO duplicate_candidate AS known (kind, left_id, right_id, left_village, right_village, source, source_id,
      score, band, reasons, found_at)
    SELECT 'person', least(a.person_id, b.person_id), greatest(a.person_id, b.person_id),
      CASE WHEN a.person_id < b.person_id THEN ga.village_code ELSE gb.village_code END,
      CASE WHEN a.person_id < b.person_id THEN gb.village_code ELSE ga.village_code END,
      'run', :run_id, given.score, CASE WHEN given.score >= :likely THEN 'likely' ELSE 'possible' END, given.reasons,
      :now
    FROM json_to_recordset(CAST(:pairs AS json)) AS given (l uuid, r uuid, score numeric, reasons jsonb)
    JOIN membership a ON a.person_id = given.l AND a.valid_until IS NULL
    JOIN membership b ON b.person_id = given.r AND b.valid_until IS NULL
    JOIN household ga ON ga.id = a.household_id
    JOIN household gb ON gb.id = b.household_id
    ORDER BY 2, 3
    ON CONFLICT (kind, left_id, right_id) DO UPDATE
    SET score = excluded.score, reasons = excluded.reasons, version = known.version + 1,
        band = CASE WHEN known.band = 'exact' THEN known.band ELSE excluded.band END
    WHERE known.state = 'open' AND known.source_id IS DISTINCT FROM excluded.source_id
      AND (known.score, known.reasons) IS DISTINCT FROM (excluded.score, excluded.reasons)
    """).bindparams(bindparam("pairs", type_=JSON))
# Households that share two or more likely people are candidates themselves: merging them merges all at once.
_ADD_HOUSEHOLDS: Final = text("""
    WITH shared AS (
      SELECT least(a.household_id, b.household_id) AS one, greatest(a.household_id, b.household_id) AS other,
        count(*) AS people, max(c.score) AS score
      FROM duplicate_candidate c
      JOIN membership a ON a.person_id = c.left_id AND a.valid_until IS NULL
      JOIN membership b ON b.person_id = c.right_id AND b.valid_until IS NULL
      WHERE c.kind = 'person' AND c.band IN ('likely', 'exact') AND c.state = 'open'
        AND a.household_id <> b.household_id
      GROUP BY 1, 2 HAVING count(*) >= 2)
    INSERT INTO duplicate_candidate (kind, left_id, right_id, left_village, right_village, source, source_id, score,
      band, reasons, found_at)
    SELECT 'household', s.one, s.other, g.village_code, h.village_code, 'run', :run_id, s.score, 'likely',
      jsonb_build_array(jsonb_build_object('field', 'members', 'level', 'alike', 'count', s.people)), :now
    FROM shared s JOIN household g ON g.id = s.one JOIN household h ON h.id = s.other
    ON CONFLICT (kind, left_id, right_id) DO NOTHING""")


async def add_pairs(
    session: AsyncSession, run_id: UUID, pairs: Sequence[dict[str, Any]], likely: float, now: datetime
) -> int:
    """List pairs `{l, r, score, reasons}` for a decision; decided ones stay. Returns how many are new or changed."""
    values = {"run_id": run_id, "pairs": list(pairs), "likely": likely, "now": now}
    result: Any = await session.execute(_ADD_PAIRS, values)
    return int(result.rowcount)


async def add_household_pairs(session: AsyncSession, run_id: UUID, now: datetime) -> int:
    """List households that share people. Returns how many are new."""
    result: Any = await session.execute(_ADD_HOUSEHOLDS, {"run_id": run_id, "now": now})
    return int(result.rowcount)


# --- for officers --------------------------------------------------------------------------------------------------

_LIST: Final = text("""
    SELECT c.id, c.kind, c.left_id, c.right_id, c.left_village, c.right_village, c.source, c.source_id, c.score, c.band,
      c.reasons, c.state, c.decided_by, c.decided_at, c.merge_id, c.version, c.found_at
    FROM duplicate_candidate c
    WHERE (CAST(:state AS text) IS NULL AND c.state IN ('open', 'unsure') OR c.state = :state)
      AND (CAST(:kind AS text) IS NULL OR c.kind = :kind)
      AND (CAST(:band AS text) IS NULL OR c.band = :band)
      AND (CAST(:source_id AS uuid) IS NULL OR c.source_id = :source_id)
      AND (CAST(:place AS text) IS NULL OR starts_with(c.left_village, :place) OR starts_with(c.right_village, :place))
      AND (CAST(:after_score AS numeric) IS NULL OR (-c.score, c.id) > (-CAST(:after_score AS numeric), :after_id))
      AND EXISTS (SELECT FROM unnest(CAST(:areas AS text[])) area WHERE area = '*' OR starts_with(c.left_village, area))
      AND EXISTS (
        SELECT FROM unnest(CAST(:areas AS text[])) area WHERE area = '*' OR starts_with(c.right_village, area))
    ORDER BY c.score DESC, c.id LIMIT :limit""")
_FIND: Final = text("""
    SELECT * FROM duplicate_candidate c WHERE c.id = :id
      AND EXISTS (SELECT FROM unnest(CAST(:areas AS text[])) area WHERE area = '*' OR starts_with(c.left_village, area))
      AND EXISTS (
        SELECT FROM unnest(CAST(:areas AS text[])) area WHERE area = '*' OR starts_with(c.right_village, area))
    FOR UPDATE OF c""")
_DECIDE: Final = text("""
    UPDATE duplicate_candidate SET state = :state, decided_by = :by, decided_at = :now, merge_id = :merge_id,
      version = version + 1 WHERE id = :id RETURNING version""")
_SIDES: Final = text("""
    SELECT p.id, p.name_km, p.name_en, p.sex, p.birth_date, p.birth_date_precision, p.alive, p.merged_into,
      m.household_id, m.person_ref, m.relationship, m.valid_from AS member_since, g.reference, g.village_code,
      g.household_ref, g.poverty_level,
      EXISTS (SELECT FROM identifier i WHERE i.owner_id = p.id AND i.type = 'national_id' AND i.withdrawn_at IS NULL)
        AS has_national_id
    FROM person p
    LEFT JOIN membership m ON m.person_id = p.id AND m.valid_until IS NULL
    LEFT JOIN household g ON g.id = m.household_id
    WHERE p.id = ANY (CAST(:people AS uuid[])) OR m.household_id = ANY (CAST(:households AS uuid[]))
    ORDER BY m.household_id, m.relationship <> 'head', m.person_ref""")


async def list_candidates(
    session: AsyncSession, principal: Principal, *, after: tuple[Any, UUID] | None, limit: int, **filters: Any
) -> Sequence[Row[Any]]:
    """Pairs both sides of which lie in the caller's area, best first. Without `state`: those that wait."""
    values = {"areas": list(principal.areas), "limit": limit, **filters}
    values |= {"after_score": after[0] if after else None, "after_id": after[1] if after else None}
    return (await session.execute(_LIST, values)).all()


async def find_candidate(session: AsyncSession, principal: Principal, candidate_id: UUID) -> Row[Any] | None:
    """A pair of the caller's area, locked."""
    values = {"id": candidate_id, "areas": list(principal.areas)}
    return (await session.execute(_FIND, values)).one_or_none()


async def decide(
    session: AsyncSession, candidate_id: UUID, state: str, by: str, now: datetime, merge_id: UUID | None
) -> int:
    """Record a decision. Returns the version."""
    values = {"id": candidate_id, "state": state, "by": by, "now": now, "merge_id": merge_id}
    return int((await session.execute(_DECIDE, values)).scalar_one())


async def read_sides(session: AsyncSession, kind: str, ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """The people of a pair: the two, or the members of two households."""
    values = {"people": list(ids) if kind == "person" else [], "households": list(ids) if kind == "household" else []}
    return (await session.execute(_SIDES, values)).all()
