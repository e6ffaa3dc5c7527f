"""All SQL of documents and their lines. A file of a hundred thousand lines is a handful of statements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.instructions.outcome_staging import open_stage
from services.payments.rails.port import Document
from services.payments.reconciliation.model import REASONS, DocumentHead, Line
from services.payments.reconciliation.rules import KnownPayee
from services.payments.statistics import expect_chunk
from shared.db import copy_records

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
_KNOWN_PAYEES = text(
    """
    SELECT a.end_to_end_id, h.rail, h.provider, h.number_hash
    FROM payment_attempt a
    JOIN account_history h ON h.account_id = a.account_id AND h.version = a.account_version
    WHERE a.end_to_end_id = ANY(CAST(:references AS varchar[]))
    """
)
_STAGE = text(
    """
    CREATE TEMP TABLE IF NOT EXISTS staged_line (
        number integer, kind text, end_to_end_id text, written text, currency text, on_date date, entry text,
        reason_code text, payee_agrees boolean, direction text, problem text
    ) ON COMMIT DROP
    """
)
_UNSTAGE = text("TRUNCATE staged_line")
_STAGE_COLUMNS = (
    "number",
    "kind",
    "end_to_end_id",
    "written",
    "currency",
    "on_date",
    "entry",
    "reason_code",
    "payee_agrees",
    "direction",
    "problem",
)
# The order of the tests is the order of what a person wants to know first. A second booking of one payment is told by
# its entry: the same in camt.054 and camt.053, so two different ones are two bookings, in this file or an earlier one.
# Each reference is looked up by the index, whatever the planner believes of a table that has just grown (LIMIT 1).
# `repeat`: the same booking was a break before (an unknown debit stands in camt.054 and again in camt.053): one break.
_MATCH = text(
    """
    WITH paired AS (
        SELECT s.*, CAST(s.written AS numeric(23, 5)) AS amount,
            a.id AS attempt_id, a.amount AS expected_amount, a.currency AS expected_currency, a.batch_id,
            first_value(s.entry) OVER (PARTITION BY s.end_to_end_id, s.kind ORDER BY s.number) AS first_entry,
            row_number() OVER (PARTITION BY s.end_to_end_id, s.kind ORDER BY s.number) AS nth
        FROM staged_line s
        LEFT JOIN LATERAL (SELECT * FROM payment_attempt t
            WHERE t.end_to_end_id = s.end_to_end_id AND s.end_to_end_id <> '' LIMIT 1) a ON true
    ), judged AS MATERIALIZED (
        SELECT p.*, CASE
            WHEN p.problem <> '' THEN 'unreadable'
            WHEN p.kind IS NULL AND p.direction = 'credit' THEN 'unknown_credit'
            WHEN p.kind IS NULL AND p.attempt_id IS NULL THEN 'ignored'
            WHEN p.end_to_end_id = '' THEN 'orphan'
            WHEN p.attempt_id IS NULL THEN 'unknown_reference'
            WHEN p.kind IS NULL THEN 'ignored'
            WHEN p.currency <> '' AND p.currency <> p.expected_currency THEN 'currency_mismatch'
            WHEN p.amount IS NOT NULL AND p.amount <> p.expected_amount THEN 'amount_mismatch'
            WHEN p.kind IN ('settled', 'returned') AND (p.amount IS NULL OR p.currency = '') THEN 'amount_mismatch'
            WHEN NOT p.payee_agrees THEN 'payee_mismatch'
            WHEN p.kind = 'settled' AND p.entry <> '' AND ((p.nth > 1 AND p.entry <> p.first_entry) OR EXISTS (
                SELECT FROM statement_line e WHERE e.attempt_id = p.attempt_id AND e.kind = 'settled'
                    AND e.verdict = 'matched' AND e.entry <> '' AND e.entry <> p.entry)) THEN 'duplicate'
            ELSE 'matched'
        END AS judgement
        FROM paired p
    ), kept AS (
    INSERT INTO statement_line (file_id, number, kind, end_to_end_id, amount, currency, on_date, entry, reason_code,
        attempt_id, direction, problem, verdict)
    SELECT :file_id, j.number, j.kind, j.end_to_end_id, j.amount, j.currency, j.on_date, j.entry, j.reason_code,
        j.attempt_id, j.direction, j.problem,
        CASE WHEN j.direction <> '' AND j.entry <> ''
                AND j.judgement IN ('unknown_credit', 'orphan', 'unknown_reference', 'duplicate')
                AND EXISTS (SELECT FROM statement_line e WHERE e.entry = j.entry AND e.direction = j.direction
                    AND e.verdict IN ('unknown_credit', 'orphan', 'unknown_reference', 'duplicate')
                    AND e.file_id <> :file_id AND e.end_to_end_id = j.end_to_end_id)
            THEN 'repeat' ELSE j.judgement END
    FROM judged j
    RETURNING number, attempt_id, kind, on_date, reason_code, verdict
    ), offered AS (
        INSERT INTO offered_outcome (position, attempt_id, kind, on_date, source, source_reference, reason_code, reason)
        SELECT k.number, k.attempt_id, k.kind, k.on_date, :source, :message_id || '#' || k.number, k.reason_code,
            CASE WHEN k.kind NOT IN ('failed', 'returned') THEN ''
                 WHEN r.words IS NOT NULL THEN r.words
                 WHEN k.reason_code = '' THEN 'Refused; no reason was given.'
                 ELSE 'Refused by the rail with reason ' || k.reason_code || '.' END
        FROM kept k
        LEFT JOIN unnest(CAST(:codes AS text[]), CAST(:words AS text[])) AS r(code, words) ON r.code = k.reason_code
        WHERE k.verdict = 'matched'
    ), touched AS (
        INSERT INTO statement_batch (file_id, batch_id)
        SELECT DISTINCT CAST(:file_id AS uuid), j.batch_id FROM judged j
        WHERE j.judgement = 'matched' AND j.batch_id IS NOT NULL
        ON CONFLICT DO NOTHING
    )
    SELECT count(*) FILTER (WHERE verdict = 'matched') AS matched,
        array_agg(number) FILTER (WHERE verdict NOT IN ('matched', 'ignored', 'repeat')) AS broken
    FROM kept
    """
)
_TOUCHED = text("SELECT batch_id FROM statement_batch WHERE file_id = :file_id ORDER BY batch_id")
_CONTRADICT_LINES = text(
    """
    UPDATE statement_line SET verdict = 'contradiction'
    WHERE file_id = :file_id AND number = ANY(CAST(:numbers AS integer[])) AND verdict = 'matched'
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
_BANK_LINES = text(
    """
    SELECT l.attempt_id, f.source, f.kind AS document, f.message_id, l.number, l.kind, l.amount, l.currency, l.on_date,
        l.entry, l.reason_code, l.verdict, f.received_at
    FROM statement_line l JOIN statement_file f ON f.id = l.file_id
    WHERE l.attempt_id = ANY(:ids) ORDER BY f.received_at, f.id, l.number
    """
).bindparams(bindparam("ids", type_=ARRAY(PG_UUID)))


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


async def known_payees(session: AsyncSession, references: Sequence[str]) -> dict[str, KnownPayee]:
    """Whom the instructions of these references were to pay: rail, provider and the number's keyed hash."""
    rows = await session.execute(_KNOWN_PAYEES, {"references": list(references)})
    return {row.end_to_end_id: KnownPayee(row.rail, row.provider, bytes(row.number_hash)) for row in rows}


async def stage(session: AsyncSession, lines: Iterable[tuple[Line, bool | None]]) -> None:
    """Copy lines into a table of this transaction, for `match`.

    Arguments:
        lines: each with whether its payee agrees (None: it names none that can be compared).
    """
    await expect_chunk(session)
    await session.execute(_STAGE)
    await session.execute(_UNSTAGE)
    await copy_records(session, "staged_line", _STAGE_COLUMNS, (_record(line, agrees) for line, agrees in lines))


async def match(session: AsyncSession, file_id: UUID, head: DocumentHead) -> tuple[int, list[int]]:
    """Match the staged lines against what was sent, keep them, and offer what they say for `apply_staged_outcomes`.

    Returns:
        how many matched, and the numbers of those that are breaks.
    """
    await open_stage(session)
    values = {
        "file_id": file_id,
        "source": head.kind,
        "message_id": head.message_id,
        "codes": list(REASONS),
        "words": list(REASONS.values()),
    }
    row = (await session.execute(_MATCH, values)).one()
    return row.matched, list(row.broken or ())


def _record(line: Line, agrees: bool | None) -> tuple[Any, ...]:
    """A line as it is staged. Its amount goes as text: the driver takes long over decimals, the server does not."""
    amount = None if line.amount is None else str(line.amount)
    return (*line[:3], amount, *line[4:8], agrees, line.direction, line.problem)


async def contradict_lines(session: AsyncSession, file_id: UUID, numbers: Sequence[int]) -> None:
    """These matched lines turned out to exclude what is known."""
    await session.execute(_CONTRADICT_LINES, {"file_id": file_id, "numbers": list(numbers)})


async def touched_batches(session: AsyncSession, file_id: UUID) -> list[UUID]:
    """The batches that this document's matched lines belong to."""
    return list((await session.execute(_TOUCHED, {"file_id": file_id})).scalars())


async def files(session: AsyncSession, *, after: UUID | None, most: int) -> Sequence[Any]:
    """Documents, newest first."""
    return (await session.execute(_FILES, {"after": after, "most": most})).all()


async def lines_of(session: AsyncSession, attempt_ids: Sequence[UUID]) -> Sequence[Any]:
    """Every line any rail has sent about these attempts: the bank's side of "why was I not paid?" (law 7)."""
    return (await session.execute(_BANK_LINES, {"ids": list(attempt_ids)})).all()
