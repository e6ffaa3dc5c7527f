"""All SQL of documents: recorded once, kept in parts, taken in by lanes. Their lines are in `lines_repository.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.rails.port import Document
from services.payments.reconciliation.model import DocumentHead

_CLAIM = text(
    """
    WITH file AS (
        INSERT INTO statement_file (source, sha256, received_at, received_by, bytes, media, name, state)
        VALUES (:source, :sha256, :now, :received_by, :bytes, :media, :name, 'applying')
        ON CONFLICT (sha256) DO UPDATE SET refused = '', state = 'applying',
            received_at = CASE WHEN statement_file.state = 'refused' THEN :now ELSE statement_file.received_at END
            WHERE statement_file.state <> 'done'
        RETURNING id, kind <> '' AS named
    ), lane AS (
        INSERT INTO statement_lane (file_id, lane, lanes)
        SELECT f.id, n, :lanes FROM file f CROSS JOIN generate_series(0, CAST(:lanes AS integer) - 1) AS n
        WHERE NOT EXISTS (SELECT FROM statement_lane l WHERE l.file_id = f.id)
        ON CONFLICT DO NOTHING
    )
    SELECT f.id, f.named, COALESCE(
        (SELECT array_agg(l.position ORDER BY l.lane) FROM statement_lane l WHERE l.file_id = f.id),
        array_fill(0, ARRAY[CAST(:lanes AS integer)])) AS positions
    FROM file f
    """
)
_STORE = text(
    """
    INSERT INTO statement_file (source, sha256, received_at, received_by, bytes, media, name, state)
    VALUES (:source, :sha256, :now, :received_by, :bytes, :media, :name, 'stored')
    ON CONFLICT (sha256) DO UPDATE SET refused = '', state = 'stored', received_at = :now, received_by = :received_by
        WHERE statement_file.state = 'refused'
    RETURNING id
    """
)
_KEEP_PART = text("INSERT INTO statement_part (file_id, number, body_encrypted) VALUES (:file_id, :number, :body)")
_PARTS = text("SELECT body_encrypted FROM statement_part WHERE file_id = :file_id AND number = :number")
_DROP_PARTS = text("DELETE FROM statement_part WHERE file_id = :file_id")
_FILE = text("SELECT * FROM statement_file WHERE id = :id")
_LOCK_POSITION = text(
    """
    SELECT l.position FROM statement_lane l JOIN statement_file f ON f.id = l.file_id
    WHERE l.file_id = :id AND l.lane = :lane AND l.lanes = :lanes AND f.state = 'applying' FOR UPDATE OF l
    """
)
_ADVANCE = text(
    """
    UPDATE statement_lane SET position = :position, lines = lines + :lines, matched = matched + :matched,
        breaks = breaks + :breaks
    WHERE file_id = :id AND lane = :lane
    """
)
_DONE = text(
    """
    WITH lane AS (DELETE FROM statement_lane WHERE file_id = :id RETURNING lines, matched)
    UPDATE statement_file f SET state = 'done', lines = COALESCE(l.lines, 0), matched = COALESCE(l.matched, 0),
        breaks = (SELECT count(*) FROM reconciliation_break b WHERE b.file_id = f.id)
    FROM (SELECT sum(lines) AS lines, sum(matched) AS matched FROM lane) AS l
    WHERE f.id = :id RETURNING f.lines, f.matched, f.breaks
    """
)
_SEEN = text("SELECT state FROM statement_file WHERE sha256 = :sha256")
_REFUSED_SINCE = text(
    "SELECT id FROM statement_file WHERE sha256 = :sha256 AND state = 'refused' AND received_at > :since"
)
_SAME_ID = text(
    """
    SELECT id FROM statement_file
    WHERE source = :source AND kind = :kind AND message_id = :message_id AND id <> :id
    """
)
_NAME = text(
    """
    UPDATE statement_file SET kind = :kind, message_id = :message_id, original_message_id = :original WHERE id = :id
    """
)
_REFUSE = text(
    """
    INSERT INTO statement_file (source, sha256, received_at, received_by, bytes, refused, state, media, name)
    VALUES (:source, :sha256, :now, :received_by, :bytes, :refused, 'refused', :media, :name)
    ON CONFLICT (sha256) DO UPDATE SET refused = :refused, received_at = :now, state = 'refused'
        WHERE statement_file.state IN ('refused', 'stored') OR NOT EXISTS (
            SELECT FROM statement_lane l WHERE l.file_id = statement_file.id AND l.position > 0)
    """
)
# While a document is being taken in, its counts are those of its lanes.
_FILES = text(
    """
    SELECT f.id, f.source, f.kind, f.message_id, f.original_message_id, f.refused, f.state, f.name, f.received_at,
        f.received_by, f.lines + COALESCE(l.lines, 0) AS lines, f.matched + COALESCE(l.matched, 0) AS matched,
        f.breaks + COALESCE(l.breaks, 0) AS breaks
    FROM statement_file f
    LEFT JOIN LATERAL (SELECT sum(lines) AS lines, sum(matched) AS matched, sum(breaks) AS breaks
        FROM statement_lane WHERE file_id = f.id) l ON true
    WHERE (CAST(:after AS uuid) IS NULL OR f.id < :after) ORDER BY f.id DESC LIMIT :most
    """
)


@dataclass(frozen=True)
class Claimed:
    """A document that is being taken in.

    `positions`: of each lane, the number of the line it goes on with; `named`: its head is stored.
    """

    id: UUID
    positions: tuple[int, ...]
    named: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of some lines."""

    lines: int
    matched: int
    breaks: int


async def claim(
    session: AsyncSession,
    document: Document,
    *,
    sha256: bytes,
    size: int,
    lanes: int,
    received_by: str,
    now: datetime,
) -> Claimed | None:
    """Record that this document arrived, once for ever. Nothing when it had been taken in before.

    One that had been refused gets another chance (its reader may have been mended since); one whose taker died is gone
    on with, in the lanes it was begun with.
    """
    values = _about(document, sha256, size, received_by, now) | {"lanes": lanes}
    row = (await session.execute(_CLAIM, values)).one_or_none()
    return Claimed(row.id, tuple(row.positions), row.named) if row is not None else None


async def store(
    session: AsyncSession, document: Document, *, sha256: bytes, size: int, received_by: str, now: datetime
) -> UUID | None:
    """Record a document whose parts are kept here until a job takes it in. Nothing when it had come before."""
    values = _about(document, sha256, size, received_by, now)
    return (await session.execute(_STORE, values)).scalar_one_or_none()


def _about(document: Document, sha256: bytes, size: int, received_by: str, now: datetime) -> dict[str, Any]:
    return {
        "source": document.source,
        "sha256": sha256,
        "bytes": size,
        "received_by": received_by,
        "now": now,
        "media": document.media,
        "name": document.reference[:200],
    }


async def keep_part(session: AsyncSession, file_id: UUID, number: int, body: bytes) -> None:
    """Keep one encrypted part of a stored document."""
    await session.execute(_KEEP_PART, {"file_id": file_id, "number": number, "body": body})


async def part(session: AsyncSession, file_id: UUID, number: int) -> bytes | None:
    """One encrypted part; nothing after the last."""
    body = (await session.execute(_PARTS, {"file_id": file_id, "number": number})).scalar_one_or_none()
    return bytes(body) if body is not None else None


async def drop_parts(session: AsyncSession, file_id: UUID) -> None:
    """Forget a stored document's content: it was taken in, or refused. Its hash stays."""
    await session.execute(_DROP_PARTS, {"file_id": file_id})


async def file_by_id(session: AsyncSession, file_id: UUID) -> Any | None:
    """One document's row."""
    return (await session.execute(_FILE, {"id": file_id})).one_or_none()


async def seen(session: AsyncSession, sha256: bytes) -> str:
    """The state of the document with this hash; empty: it never came."""
    return str((await session.execute(_SEEN, {"sha256": sha256})).scalar_one_or_none() or "")


async def at_position(session: AsyncSession, claimed: Claimed, lane: int, position: int) -> bool:
    """Lock a lane and tell whether it stands where this taker left it: else another one is at the document."""
    values = {"id": claimed.id, "lane": lane, "lanes": len(claimed.positions)}
    return bool((await session.execute(_LOCK_POSITION, values)).scalar_one_or_none() == position)


async def advance(session: AsyncSession, file_id: UUID, lane: int, position: int, counts: Counts) -> None:
    """A lane has reached this position."""
    values = {"id": file_id, "lane": lane, "position": position}
    values |= {"lines": counts.lines, "matched": counts.matched, "breaks": counts.breaks}
    await session.execute(_ADVANCE, values)


async def done(session: AsyncSession, file_id: UUID) -> Any:
    """The document is taken in: its counts."""
    return (await session.execute(_DONE, {"id": file_id})).one()


async def refuse(
    session: AsyncSession,
    document: Document,
    *,
    sha256: bytes,
    size: int,
    received_by: str,
    refused: str,
    now: datetime,
) -> None:
    """Record a document that cannot be read, with the code of the problem: seen by people, not read over and over."""
    values = _about(document, sha256, size, received_by, now)
    await session.execute(_REFUSE, {**values, "refused": refused})


async def refused_since(session: AsyncSession, sha256: bytes, since: datetime) -> bool:
    """Whether this document was refused lately."""
    return (await session.execute(_REFUSED_SINCE, {"sha256": sha256, "since": since})).first() is not None


async def name_file(session: AsyncSession, file_id: UUID, source: str, head: DocumentHead) -> bool:
    """Store what the document says about itself. False when another document has the same id."""
    values = {"source": source, "kind": head.kind, "message_id": head.message_id, "id": file_id}
    if (await session.execute(_SAME_ID, values)).first() is not None:
        return False
    await session.execute(
        _NAME,
        {"kind": head.kind, "message_id": head.message_id, "original": head.original_message_id, "id": file_id},
    )
    return True


async def files(session: AsyncSession, *, after: UUID | None, most: int) -> Sequence[Any]:
    """Documents, newest first."""
    return (await session.execute(_FILES, {"after": after, "most": most})).all()
