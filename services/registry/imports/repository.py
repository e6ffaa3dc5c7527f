"""All SQL of imports: records and reports here, the set-wise checks in `checks`, the chunk's steps in `loading`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, insert, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.households.references import mint_households
from services.registry.imports import checks, loading
from services.registry.imports.model import ImportState, household_import, import_rejection
from services.registry.imports.parse_rows import REJECTION_COLUMNS, STAGING_COLUMNS, Block
from services.registry.imports.rules import MAX_MEMBERS
from shared.db import copy_records

PURGE_ROWS: Final = 50_000
ANALYZED_CHUNK: Final = 200


@dataclass(frozen=True)
class Check:
    """What the checks are made with: whose areas, and which day is today."""

    batch_id: UUID
    areas: tuple[str, ...]
    today: date


# --- receiving -----------------------------------------------------------------------------------------------------


async def stage(session: AsyncSession, block: Block) -> None:
    """COPY parsed lines and their rejections into staging."""
    if block.rows:
        await copy_records(session, "import_row", STAGING_COLUMNS, block.rows)
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
    DELETE FROM import_row WHERE batch_id = :batch AND line IN (
      SELECT line FROM import_row WHERE batch_id = :batch ORDER BY line LIMIT :rows)""")
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

CHECKS: Final = (
    *checks.PLACE_CHECKS,
    checks.GROUP_HOUSEHOLDS,
    *checks.FILE_CHECKS,
    *checks.REGISTER_CHECKS,
    checks.NEIGHBOUR_CHECK,
    checks.MARK_REFUSED,
)
"""Statements in order; each may be run in a transaction of its own, and again."""


def _parameters(check: Check, seqs: Sequence[int] | None) -> dict[str, Any]:
    return {
        "batch": check.batch_id,
        "areas": list(check.areas),
        "today": check.today,
        "max_members": MAX_MEMBERS,
        "seqs": list(seqs) if seqs is not None else None,
    }


async def run_check(session: AsyncSession, statement: str, check: Check, seqs: Sequence[int] | None = None) -> None:
    """Run one statement of CHECKS."""
    clause = text(statement)
    wanted = {name: value for name, value in _parameters(check, seqs).items() if name in clause._bindparams}
    await session.execute(clause, wanted)


async def analyze(session: AsyncSession) -> None:
    """Let the planner know what a large file brought into staging."""
    await session.execute(text("ANALYZE import_row, import_household, import_rejection"))


async def analyze_register(session: AsyncSession) -> None:
    """The same for the register's tables, which a first load makes grow faster than the database notices."""
    await session.execute(text("ANALYZE household, membership, person, identifier"))


# --- loading -------------------------------------------------------------------------------------------------------

_NEXT: Final = text("""
    SELECT seq FROM import_household
    WHERE batch_id = :batch AND seq > :after AND NOT refused AND outcome IS NULL ORDER BY seq LIMIT :households""")


async def next_chunk(session: AsyncSession, batch_id: UUID, after: int, households: int) -> list[int]:
    """The next good households that are not loaded yet."""
    values = {"batch": batch_id, "after": after, "households": households}
    return list(await session.scalars(_NEXT, values))


async def load_chunk(session: AsyncSession, check: Check, seqs: Sequence[int], now: datetime) -> list[UUID]:
    """Load these staged households: everything about them in the session's transaction.

    The checks against the register are made again, since another import may have written since.

    Returns:
        Ids of the households registered or updated: to be published.
    """
    for statement in (*checks.REGISTER_CHECKS, checks.MARK_REFUSED):
        await run_check(session, statement, check, seqs)
    chunk: dict[str, Any] = {"batch": check.batch_id, "seqs": list(seqs), "today": check.today, "now": now}
    await _execute(session, loading.LOCK_KNOWN, chunk)
    outcomes = (await _execute(session, loading.CLASSIFY, chunk)).all()
    new = sorted(seq for seq, outcome in outcomes if outcome == "registering")
    if new:
        minted = await mint_households(session, len(new))
        named = {"ids": [identifier for identifier, _ in minted], "references": [name for _, name in minted]}
        await session.execute(text(loading.NAME_NEW), {"batch": check.batch_id, "seqs": new, **named})
    known = any(outcome == "updating" for _, outcome in outcomes)
    if new or known:
        await _execute(session, loading.MATCH_MEMBERS, chunk)
        await session.execute(
            text("ANALYZE import_member")
        )  # emptied and filled again: old figures mislead the planner
        updates = loading.UPDATE_STEPS if known else ()
        for statement in (*loading.REGISTER_STEPS, *updates, *loading.COMMON_STEPS):
            await _execute(session, statement, chunk)
    changed = list((await _execute(session, loading.CHANGED_HOUSEHOLDS, chunk)).scalars())
    await _execute(session, loading.FINISH, chunk)
    await _execute(session, loading.CLEAR_MEMBERS, chunk)
    return changed


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
