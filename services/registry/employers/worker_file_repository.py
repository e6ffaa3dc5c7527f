"""All SQL of employers' files: each statement is over the whole file, or over a chunk of its lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db import copy_records

_ADD: Final = text("""
    INSERT INTO worker_file (id, employer_id, job_id, insured_from, submitted_by, rows, received_at)
    VALUES (:id, :employer_id, :job_id, :insured_from, :submitted_by, :rows, :received_at)""")
_FIND: Final = text("SELECT * FROM worker_file WHERE id = :id")
_FORGET: Final = text("DELETE FROM worker_row WHERE file_id = :file")

# A person who is registered is not entered again: what the file says of her beyond her number is not looked at.
_KNOWN: Final = """
    SELECT w.line, i.owner_id, p.alive FROM worker_row w
    JOIN identifier i ON i.type = 'national_id' AND i.hash = w.national_id_hash AND i.withdrawn_at IS NULL
    JOIN person p ON p.id = i.owner_id
    WHERE w.file_id = :file AND w.state = 'waiting'"""
PREPARE: Final = (
    text(f"""
    DELETE FROM import_rejection x USING ({_KNOWN}) AS known
    WHERE x.batch_id = :file AND x.line = known.line AND x.field NOT IN ('national_id', 'consent_means')"""),  # noqa: S608
    text(f"DELETE FROM import_row r USING ({_KNOWN}) AS known WHERE r.batch_id = :file AND r.line = known.line"),  # noqa: S608
    text(f"""
    INSERT INTO import_rejection (batch_id, line, field, code)
    SELECT :file, line, 'national_id', 'person_dead' FROM ({_KNOWN}) AS known WHERE NOT alive
    ON CONFLICT DO NOTHING"""),  # noqa: S608
    text("""
    INSERT INTO import_rejection (batch_id, line, field, code)
    SELECT :file, line, 'national_id', 'duplicate_national_id' FROM (
      SELECT line, count(*) OVER (PARTITION BY national_id_hash) AS times FROM worker_row
      WHERE file_id = :file AND national_id_hash IS NOT NULL) AS counted WHERE times > 1
    ON CONFLICT DO NOTHING"""),
    text(f"""
    INSERT INTO import_rejection (batch_id, line, field, code)
    SELECT :file, w.line, 'village_code', 'required' FROM worker_row w
    WHERE w.file_id = :file AND w.state = 'waiting' AND w.national_id_hash IS NOT NULL
      AND NOT EXISTS (SELECT FROM import_row r WHERE r.batch_id = :file AND r.line = w.line)
      AND NOT EXISTS (SELECT FROM ({_KNOWN}) AS known WHERE known.line = w.line)
    ON CONFLICT DO NOTHING"""),  # noqa: S608
    text(f"""
    INSERT INTO import_rejection (batch_id, line, field, code)
    SELECT :file, w.line, 'consent_means', 'consent_missing' FROM worker_row w
    LEFT JOIN ({_KNOWN}) AS known ON known.line = w.line
    WHERE w.file_id = :file AND w.state = 'waiting' AND w.consent_means IS NULL AND CAST(:consent AS boolean)
      AND NOT EXISTS (SELECT FROM consent c WHERE c.person_id = known.owner_id AND c.purpose = :purpose
        AND c.scope IN (:scope, 'all') AND c.withdrawn_on IS NULL)
    ON CONFLICT DO NOTHING"""),  # noqa: S608
)
"""Who is known, and what is wrong with the lines; run again, they say the same."""
_REJECT: Final = text("""
    UPDATE worker_row AS w SET state = 'rejected' FROM import_rejection x
    WHERE w.file_id = :file AND w.state = 'waiting' AND x.batch_id = :file AND x.line = w.line""")

_NEWCOMERS: Final = text("""
    SELECT w.line, r.person_id, w.consent_means FROM import_household h
    JOIN import_row r ON r.batch_id = h.batch_id AND r.seq = h.seq
    JOIN worker_row w ON w.file_id = h.batch_id AND w.line = r.line
    WHERE h.batch_id = :file AND h.seq BETWEEN :first AND :last AND h.outcome = 'registered' ORDER BY w.line""")
_NEXT: Final = text("""
    SELECT w.line, i.owner_id AS person_id, w.consent_means, m.household_id
    FROM worker_row w
    JOIN identifier i ON i.type = 'national_id' AND i.hash = w.national_id_hash AND i.withdrawn_at IS NULL
    LEFT JOIN membership m ON m.person_id = i.owner_id AND m.valid_until IS NULL
    WHERE w.file_id = :file AND w.state = 'waiting' ORDER BY w.line LIMIT :workers""")
_SET: Final = text("""
    UPDATE worker_row AS w SET state = given.state
    FROM unnest(CAST(:lines AS int[]), CAST(:states AS text[])) AS given (line, state)
    WHERE w.file_id = :file AND w.line = given.line""")
_FINISH: Final = text("""
    UPDATE worker_file AS f SET finished_at = :now, linked = counted.linked, entered = counted.entered,
      unchanged = counted.unchanged, rejected = counted.rejected
    FROM (
      SELECT count(*) FILTER (WHERE state = 'linked') AS linked, count(*) FILTER (WHERE state = 'entered') AS entered,
        count(*) FILTER (WHERE state = 'unchanged') AS unchanged, count(*) FILTER (WHERE state = 'rejected') AS rejected
      FROM worker_row WHERE file_id = :file) AS counted
    WHERE f.id = :file""")


async def stage_workers(
    session: AsyncSession, file_id: UUID, rows: Sequence[tuple[int, bytes | None, str | None]]
) -> None:
    """COPY lines into staging: line, hash of the number, how she consented."""
    columns = ("file_id", "line", "national_id_hash", "consent_means")
    await copy_records(session, "worker_row", columns, [(file_id, *row) for row in rows])


async def add_file(session: AsyncSession, **values: Any) -> None:
    """Record a file that was received whole."""
    await session.execute(_ADD, values)


async def find_file(session: AsyncSession, file_id: UUID) -> Row[Any] | None:
    """A file's record."""
    return (await session.execute(_FIND, {"id": file_id})).one_or_none()


async def forget_rows(session: AsyncSession, file_id: UUID) -> None:
    """Delete the staged lines."""
    await session.execute(_FORGET, {"file": file_id})


async def prepare(session: AsyncSession, file_id: UUID, *, consent: bool, purpose: str, scope: str) -> None:
    """Make the checks of PREPARE. `consent`: whether the purpose asks for it."""
    values = {"file": file_id, "consent": consent, "purpose": purpose, "scope": scope}
    for statement in PREPARE:
        await session.execute(statement, {name: values[name] for name in statement._bindparams})


async def reject(session: AsyncSession, file_id: UUID) -> None:
    """Lines of which something was reported are not taken."""
    await session.execute(_REJECT, {"file": file_id})


async def newcomers(session: AsyncSession, file_id: UUID, first: int, last: int) -> Sequence[Row[Any]]:
    """The persons whom these staged households brought."""
    return (await session.execute(_NEWCOMERS, {"file": file_id, "first": first, "last": last})).all()


async def next_known(session: AsyncSession, file_id: UUID, workers: int) -> Sequence[Row[Any]]:
    """The next registered workers who wait to be linked, each with her household."""
    return (await session.execute(_NEXT, {"file": file_id, "workers": workers})).all()


async def set_states(session: AsyncSession, file_id: UUID, states: Sequence[tuple[int, str]]) -> None:
    """What became of lines."""
    lines, names = zip(*states, strict=True)
    await session.execute(_SET, {"file": file_id, "lines": list(lines), "states": list(names)})


async def finish(session: AsyncSession, file_id: UUID, now: datetime) -> None:
    """Record what became of the file."""
    await session.execute(_FINISH, {"file": file_id, "now": now})
