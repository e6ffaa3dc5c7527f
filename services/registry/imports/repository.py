"""All SQL of imports: records and reports here, the set-wise checks in `checks`, the chunk's steps in `loading`."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, insert, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.history.begin_change import begin_change
from services.registry.history.model import ChangeKind, ChangeSource, Origin
from services.registry.households.references import mint_households
from services.registry.imports import checks, exact, loading
from services.registry.imports.model import ImportState, household_import, import_rejection
from services.registry.imports.parse_columns import STAGED_COLUMNS, Staged
from services.registry.imports.parse_rows import REJECTION_COLUMNS
from services.registry.imports.rules import MAX_MEMBERS
from shared.db import copy_records, driver_connection

PURGE_ROWS: Final = 50_000


@dataclass(frozen=True)
class Check:
    """What the checks are made with: whose areas, and which day is today."""

    batch_id: UUID
    areas: tuple[str, ...]
    today: date


# --- receiving -----------------------------------------------------------------------------------------------------


async def stage(session: AsyncSession, block: Staged) -> None:
    """COPY parsed lines and their rejections into staging."""
    if block.rows:
        driver = await driver_connection(session)
        columns = list(STAGED_COLUMNS)
        await driver.copy_to_table("import_row", columns=columns, source=io.BytesIO(block.body), format="binary")
    if block.rejections:
        # One cell may break a rule twice: it is reported once.
        await copy_records(session, "import_rejection", REJECTION_COLUMNS, dict.fromkeys(block.rejections))


async def count_staged(session: AsyncSession, batch_id: UUID) -> int:
    """How many lines of this batch are staged."""
    count = await session.scalar(text("SELECT count(*) FROM import_row WHERE batch_id = :batch"), {"batch": batch_id})
    return int(count or 0)


async def add_import(session: AsyncSession, **values: Any) -> None:
    """Record a file that was received whole."""
    await session.execute(insert(household_import).values(state=ImportState.RECEIVED, **values))


_PURGE_ROWS: Final = text("""
    DELETE FROM import_row WHERE batch_id = :batch AND line <= (
      SELECT max(line) FROM (
        SELECT line FROM import_row WHERE batch_id = :batch ORDER BY line LIMIT :rows) AS oldest)""")
_PURGE_HOUSEHOLDS: Final = text("DELETE FROM import_household WHERE batch_id = :batch")
_PURGE_REJECTIONS: Final = text("DELETE FROM import_rejection WHERE batch_id = :batch")
_ABANDONED: Final = text("""
    SELECT r.batch_id FROM (SELECT DISTINCT batch_id FROM import_row) AS r
    WHERE NOT EXISTS (SELECT FROM household_import i WHERE i.id = r.batch_id)
      AND uuid_extract_timestamp(r.batch_id) < :before""")


async def purge_rows(session: AsyncSession, batch_id: UUID) -> bool:
    """Delete up to PURGE_ROWS staged lines. Returns whether there may be more."""
    result: Any = await session.execute(_PURGE_ROWS, {"batch": batch_id, "rows": PURGE_ROWS})
    return bool(result.rowcount == PURGE_ROWS)


async def purge_households(session: AsyncSession, batch_id: UUID) -> None:
    """Delete the staged households of a batch."""
    await session.execute(_PURGE_HOUSEHOLDS, {"batch": batch_id})


async def purge_rejections(session: AsyncSession, batch_id: UUID) -> None:
    """Delete the rejections of a batch that never became an import."""
    await session.execute(_PURGE_REJECTIONS, {"batch": batch_id})


async def abandoned_batches(session: AsyncSession, before: datetime) -> list[UUID]:
    """Batches begun before this instant whose upload never came to its end."""
    return list(await session.scalars(_ABANDONED, {"before": before}))


# --- checking ------------------------------------------------------------------------------------------------------

PLACE_CHECKS: Final = (checks.RESOLVE_PLACES, checks.RESOLVE_PARTS, checks.PLACE_CHECK, checks.JOIN_APART)
"""Where each line belongs: before the lines are grouped."""
HOUSEHOLD_CHECKS: Final = (*checks.FILE_CHECKS, *checks.REGISTER_CHECKS, checks.NEIGHBOUR_CHECK, checks.MARK_REFUSED)
"""What is wrong with the households: after it."""
CHECKS: Final = (*PLACE_CHECKS, checks.GROUP_HOUSEHOLDS, *HOUSEHOLD_CHECKS)
"""Statements in order; each may be run in a transaction of its own, and again."""
HOLD_NEWCOMERS: Final = exact.HOLD_NEWCOMERS
FORESEE: Final = checks.FORESEE
GROUP_HOUSEHOLDS: Final = checks.GROUP_HOUSEHOLDS
RECHECKS: Final = (*checks.REGISTER_CHECKS, checks.MARK_REFUSED)
"""Those that another import may have changed the answer of."""
LAST: Final = (1 << 63) - 1


async def bulk(session: AsyncSession) -> None:
    """Settings of this transaction for statements over many rows: memory to hash and sort in."""
    await session.execute(_BULK)


# Not plan_cache_mode = force_custom_plan: it would plan the check of every foreign key anew for every row.
_BULK: Final = text("SELECT set_config('work_mem', '64MB', true)")


async def run_check(session: AsyncSession, statement: str, check: Check, first: int = 0, last: int = LAST) -> None:
    """Run one statement of CHECKS; of RECHECKS, for these households alone if they are given."""
    values: dict[str, Any] = {
        "batch": check.batch_id,
        "areas": list(check.areas),
        "today": check.today,
        "max_members": MAX_MEMBERS,
        "first": first,
        "last": last,
    }
    await _execute(session, statement, values)


async def last_seq(session: AsyncSession, batch_id: UUID) -> int:
    """The number of the last household of a file."""
    return int(await session.scalar(_LAST_SEQ, {"batch": batch_id}) or 0)


_LAST_SEQ: Final = text("SELECT max(seq) FROM import_row WHERE batch_id = :batch")


async def analyze(session: AsyncSession) -> None:
    """Let the planner know what lines a large file brought into staging."""
    await session.execute(text("ANALYZE import_row (batch_id, line, seq, village_code, national_id_hash)"))


async def analyze_households(session: AsyncSession) -> None:
    """The same for the households that those lines are of."""
    await session.execute(text("ANALYZE import_household (batch_id, seq, village_code, household_ref, card_hash)"))


async def analyze_register(session: AsyncSession) -> None:
    """The same for the register's tables, which a first load makes grow faster than the database notices."""
    await session.execute(
        text(
            "ANALYZE household (id, village_code, household_ref), membership (household_id, person_id), person (id), "
            "identifier (type, hash, owner_id)"
        )
    )


# --- loading -------------------------------------------------------------------------------------------------------

_NEXT: Final = text("""
    SELECT seq FROM import_household
    WHERE batch_id = :batch AND seq > :after AND NOT refused AND outcome IS NULL ORDER BY seq LIMIT :households""")


async def next_chunk(session: AsyncSession, batch_id: UUID, after: int, households: int) -> list[int]:
    """The next good households that are not loaded yet."""
    values = {"batch": batch_id, "after": after, "households": households}
    return list(await session.scalars(_NEXT, values))


@dataclass(frozen=True)
class Loaded:
    """What became of a chunk's households, with the change each part belongs to (None: there is no such part)."""

    registered: list[UUID]
    updated: list[UUID]
    registration: UUID | None = None
    life_change: UUID | None = None


async def load_households(
    session: AsyncSession, check: Check, seqs: Sequence[int], now: datetime, by: str | None = None
) -> Loaded:
    """Load these staged households, neighbours in `seq`: everything about them in the session's transaction.

    What is new is a registration; what a file says otherwise than the register is a change in life from today on.

    Args:
        by: subject of the officer who sent the file; None: the caller has begun the change that stands over it.

    Raises:
        IntegrityError: somebody registered one of them, or one of their numbers, since the checks.
    """
    chunk: dict[str, Any] = {
        "batch": check.batch_id,
        "first": seqs[0],
        "last": seqs[-1],
        "today": check.today,
        "now": now,
    }
    outcomes = {
        row.seq: (row.id, row.reference, "unchanged" if row.same else "updated")
        for row in await _execute(session, loading.LOCK_KNOWN, chunk)
    }
    updated = [identifier for identifier, _, outcome in outcomes.values() if outcome == "updated"]
    new = [seq for seq in seqs if seq not in outcomes]
    minted = await mint_households(session, len(new)) if new else []
    outcomes |= {seq: (*names, "registered") for seq, names in zip(new, minted, strict=True)}
    loaded = await _begin(session, check, Loaded([identifier for identifier, _ in minted], updated), now, by)
    chunk["change_id"] = loaded.registration or loaded.life_change
    await _execute(session, loading.SET_OUTCOMES, chunk | _columns(outcomes))
    steps = (loading.MATCH_MEMBERS, *loading.UPDATE_STEPS) if updated else ()
    for statement in (*steps, loading.REGISTER) if new or updated else ():
        await _execute(session, statement, chunk)
    return loaded


async def _begin(session: AsyncSession, check: Check, loaded: Loaded, now: datetime, by: str | None) -> Loaded:
    """Begin the changes of a chunk: the one that stays current is that of the updates, if there are any."""
    if by is None:
        return replace(loaded, registration=UUID(await session.scalar(_CURRENT_CHANGE)))
    registration = life_change = None
    if loaded.registered:
        registration = await begin_change(session, _origin(ChangeKind.REGISTRATION, check, by), now)
    if loaded.updated:
        life_change = await begin_change(session, _origin(ChangeKind.LIFE_CHANGE, check, by), now)
    return replace(loaded, registration=registration, life_change=life_change)


def _origin(kind: ChangeKind, check: Check, by: str) -> Origin:
    return Origin(kind, ChangeSource.IMPORT, by, "household file", check.today, check.batch_id)


_CURRENT_CHANGE: Final = text("SELECT current_setting('samaki.change')")
_RETURN_TO: Final = text("SELECT set_config('samaki.change', CAST(:change AS text), true)")


async def return_to(session: AsyncSession, change_id: UUID) -> None:
    """Make a change begun in this transaction the current one again: what is published names the current one."""
    await session.execute(_RETURN_TO, {"change": str(change_id)})


async def load_chunk(session: AsyncSession, check: Check, seqs: Sequence[int], now: datetime) -> list[UUID]:
    """As `load_households`, under a change that the caller has begun. Returns the households to be published."""
    loaded = await load_households(session, check, seqs, now)
    return [*loaded.registered, *loaded.updated]


async def list_candidates(session: AsyncSession, batch_id: UUID, now: datetime) -> int:
    """List, for a decision, people of this file whose exact keys another person has. Returns how many pairs are new."""
    await session.execute(text(exact.NEWCOMERS_TABLE))
    await session.execute(text(exact.NEWCOMERS), {"batch": batch_id})
    await session.execute(text(exact.COUNT_NEWCOMERS))
    result: Any = await _execute(session, exact.LIST_CANDIDATES, {"batch": batch_id, "now": now})
    return int(result.rowcount)


def _columns(outcomes: Mapping[int, tuple[UUID, str, str]]) -> dict[str, list[Any]]:
    ids, references, names = zip(*outcomes.values(), strict=True)
    return {"seqs": list(outcomes), "ids": list(ids), "references": list(references), "outcomes": list(names)}


async def _execute(session: AsyncSession, statement: str, values: dict[str, Any]) -> Any:
    clause = text(statement)
    return await session.execute(clause, {name: values[name] for name in clause._bindparams})


# --- the record ----------------------------------------------------------------------------------------------------

_COUNTERS: Final = text("""
    SELECT count(*) AS households,
           count(*) FILTER (WHERE outcome = 'registered') AS registered,
           count(*) FILTER (WHERE outcome = 'updated') AS updated,
           count(*) FILTER (WHERE outcome = 'unchanged') AS unchanged,
           count(*) FILTER (WHERE refused) AS rejected_households,
           coalesce(sum(rows) FILTER (WHERE NOT refused), 0) AS accepted_rows,
           (SELECT count(*) FROM import_rejection x WHERE x.batch_id = :batch) AS rejections
    FROM import_household WHERE batch_id = :batch""")


async def count_outcomes(session: AsyncSession, batch_id: UUID) -> dict[str, int]:
    """Counters from staging: households by outcome, accepted rows, rejections."""
    row = (await session.execute(_COUNTERS, {"batch": batch_id})).one()
    return {name: int(value) for name, value in row._mapping.items()}


async def record(session: AsyncSession, import_id: UUID, **values: Any) -> None:
    """Change the import's record."""
    await session.execute(update(household_import).where(household_import.c.id == import_id).values(**values))


async def find_import(session: AsyncSession, import_id: UUID, *, lock: bool = False) -> Row[Any] | None:
    """The import's record, if there is one."""
    statement = select(household_import).where(household_import.c.id == import_id)
    if lock:
        statement = statement.with_for_update()
    return (await session.execute(statement)).one_or_none()


async def list_rejections(
    session: AsyncSession, import_id: UUID, after: tuple[int, str, str] | None, limit: int
) -> Sequence[Row[Any]]:
    """Rejections in order of line, field and code, after the given one."""
    key = (import_rejection.c.line, import_rejection.c.field, import_rejection.c.code)
    statement = select(import_rejection).where(import_rejection.c.batch_id == import_id).order_by(*key).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(*key) > after)
    return (await session.execute(statement)).all()
