"""All SQL of civil-registration feeds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

_ADD_BATCH: Final = text("""
    INSERT INTO feed_batch (id, feed, received_by, areas, received_at)
    VALUES (:id, :feed, :by, CAST(:areas AS text[]), :now)""")
_SET_JOB: Final = text("UPDATE feed_batch SET job_id = :job WHERE id = :id")
_FIND_BATCH: Final = text("SELECT * FROM feed_batch WHERE id = :id")
# A line sent again: applied stays applied; refused is tried again; another content under a known id is refused.
_STAGE: Final = text("""
    INSERT INTO feed_line AS l (feed, feed_id, batch_id, line, content_hash, content_cipher, state, code, field)
    SELECT :feed, feed_id, :batch, line, hash, cipher, CASE code WHEN '' THEN 'waiting' ELSE 'refused' END, code, field
    FROM unnest(CAST(:feed_ids AS text[]), CAST(:lines AS int[]), CAST(:hashes AS bytea[]), CAST(:ciphers AS bytea[]),
      CAST(:codes AS text[]), CAST(:fields AS text[])) AS given (feed_id, line, hash, cipher, code, field)
    ON CONFLICT (feed, feed_id) DO UPDATE SET batch_id = excluded.batch_id, line = excluded.line,
      state = CASE WHEN l.content_hash <> excluded.content_hash AND l.state = 'applied' THEN 'refused'
        WHEN l.state = 'applied' THEN l.state ELSE excluded.state END,
      code = CASE WHEN l.content_hash <> excluded.content_hash AND l.state = 'applied' THEN 'feed_id_reused'
        WHEN l.state = 'applied' THEN l.code ELSE excluded.code END,
      field = CASE WHEN l.state = 'applied' THEN l.field ELSE excluded.field END,
      content_hash = CASE WHEN l.state = 'applied' THEN l.content_hash ELSE excluded.content_hash END,
      content_cipher = CASE WHEN l.state = 'applied' THEN NULL ELSE excluded.content_cipher END""")
_NEXT: Final = text("""
    SELECT feed_id, line, content_cipher FROM feed_line
    WHERE batch_id = :batch AND state = 'waiting' ORDER BY line LIMIT :lines""")
_OWNERS: Final = text("""
    SELECT i.type, i.hash, i.owner_id
    FROM unnest(CAST(:types AS text[]), CAST(:hashes AS bytea[])) AS given (type, hash)
    JOIN identifier i ON i.type = given.type AND i.hash = given.hash AND i.withdrawn_at IS NULL""")
_SET: Final = text("""
    UPDATE feed_line AS l SET state = given.state, code = given.code, field = given.field, life_event_id = given.event,
      content_cipher = NULL
    FROM unnest(CAST(:feed_ids AS text[]), CAST(:states AS text[]), CAST(:codes AS text[]), CAST(:fields AS text[]),
      CAST(:events AS uuid[])) AS given (feed_id, state, code, field, event)
    WHERE l.feed = :feed AND l.feed_id = given.feed_id""")
_LINES: Final = text("""
    SELECT line, feed_id, state, field, code, life_event_id FROM feed_line
    WHERE batch_id = :batch AND line > :after ORDER BY line LIMIT :limit""")
_COUNTS: Final = text("SELECT state, count(*) FROM feed_line WHERE batch_id = :batch GROUP BY state")


async def add_batch(
    session: AsyncSession, batch_id: UUID, feed: str, by: str, areas: Sequence[str], now: datetime
) -> None:
    """Record that a batch came."""
    values = {"id": batch_id, "feed": feed, "by": by, "areas": list(areas), "now": now}
    await session.execute(_ADD_BATCH, values)


async def set_job(session: AsyncSession, batch_id: UUID, job_id: UUID) -> None:
    """The job that applies the batch."""
    await session.execute(_SET_JOB, {"id": batch_id, "job": job_id})


async def find_batch(session: AsyncSession, batch_id: UUID) -> Row[Any] | None:
    """A batch."""
    return (await session.execute(_FIND_BATCH, {"id": batch_id})).one_or_none()


async def stage_lines(session: AsyncSession, feed: str, batch_id: UUID, columns: dict[str, list[Any]]) -> None:
    """Stage lines, sealed. `columns`: feed_ids, lines, hashes, ciphers, codes, fields; ids distinct."""
    await session.execute(_STAGE, {"feed": feed, "batch": batch_id, **columns})


async def next_lines(session: AsyncSession, batch_id: UUID, lines: int) -> Sequence[Row[Any]]:
    """The next lines that wait."""
    return (await session.execute(_NEXT, {"batch": batch_id, "lines": lines})).all()


async def owners(session: AsyncSession, numbers: Sequence[tuple[str, bytes]]) -> dict[tuple[str, bytes], UUID]:
    """Whose these numbers are, by (type, hash): one look for all of them."""
    values = {"types": [item[0] for item in numbers], "hashes": [item[1] for item in numbers]}
    return {(row.type, bytes(row.hash)): row.owner_id for row in await session.execute(_OWNERS, values)}


async def set_outcomes(
    session: AsyncSession, feed: str, rows: Sequence[tuple[str, str, str, str, UUID | None]]
) -> None:
    """What became of lines: (feed_id, state, code, field, life event). Their content is forgotten."""
    names = ("feed_ids", "states", "codes", "fields", "events")
    columns = dict(zip(names, (list(column) for column in zip(*rows, strict=True)), strict=True))
    await session.execute(_SET, {"feed": feed, **columns})


async def lines_of(session: AsyncSession, batch_id: UUID, after: int, limit: int) -> Sequence[Row[Any]]:
    """Lines of a batch in order."""
    return (await session.execute(_LINES, {"batch": batch_id, "after": after, "limit": limit})).all()


async def counts(session: AsyncSession, batch_id: UUID) -> dict[str, int]:
    """Lines by state."""
    return {row[0]: row[1] for row in await session.execute(_COUNTS, {"batch": batch_id})}
