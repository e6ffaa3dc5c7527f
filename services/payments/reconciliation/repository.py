"""All SQL of documents, their lines and breaks. A file of a hundred thousand lines is a handful of statements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.reconciliation.model import DocumentHead, Line
from shared.db import copy_records

_CLAIM = text(
    """
    INSERT INTO statement_file (source, sha256, received_at, received_by, bytes)
    VALUES (:source, :sha256, :now, :received_by, :bytes)
    ON CONFLICT (sha256) DO UPDATE SET refused = '', received_at = :now, received_by = :received_by
        WHERE statement_file.refused <> ''
    RETURNING id
    """
)
_REFUSED_SINCE = text("SELECT id FROM statement_file WHERE sha256 = :sha256 AND refused <> '' AND received_at > :since")
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
    INSERT INTO statement_file (source, sha256, received_at, received_by, bytes, refused)
    VALUES (:source, :sha256, :now, :received_by, :bytes, :refused)
    ON CONFLICT (sha256) DO UPDATE SET refused = :refused, received_at = :now WHERE statement_file.refused <> ''
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
        number integer, kind text, end_to_end_id text, amount numeric(23, 5), currency text, on_date date, entry text,
        reason_code text, payee_agrees boolean
    ) ON COMMIT DROP
    """
)
_STAGE_COLUMNS = (
    "number",
    "kind",
    "end_to_end_id",
    "amount",
    "currency",
    "on_date",
    "entry",
    "reason_code",
    "payee_agrees",
)
# The order of the tests is the order of what a person wants to know first. A second booking of one payment is told by
# its entry: the same in camt.054 and camt.053, so two different ones are two bookings, in this file or an earlier one.
_MATCH = text(
    """
    WITH paired AS (
        SELECT s.*, a.id AS attempt_id, a.amount AS expected_amount, a.currency AS expected_currency,
            first_value(s.entry) OVER (PARTITION BY s.end_to_end_id, s.kind ORDER BY s.number) AS first_entry
        FROM staged_line s
        LEFT JOIN payment_attempt a ON a.end_to_end_id = s.end_to_end_id AND s.end_to_end_id <> ''
    )
    INSERT INTO statement_line (file_id, number, kind, end_to_end_id, amount, currency, on_date, entry, reason_code,
        attempt_id, verdict)
    SELECT :file_id, p.number, p.kind, p.end_to_end_id, p.amount, p.currency, p.on_date, p.entry, p.reason_code,
        p.attempt_id,
        CASE
            WHEN p.kind IS NULL AND p.attempt_id IS NULL THEN 'ignored'
            WHEN p.end_to_end_id = '' THEN 'orphan'
            WHEN p.attempt_id IS NULL THEN 'unknown_reference'
            WHEN p.kind IS NULL THEN 'ignored'
            WHEN p.currency <> '' AND p.currency <> p.expected_currency THEN 'currency_mismatch'
            WHEN p.amount IS NOT NULL AND p.amount <> p.expected_amount THEN 'amount_mismatch'
            WHEN p.kind IN ('settled', 'returned') AND (p.amount IS NULL OR p.currency = '') THEN 'amount_mismatch'
            WHEN NOT p.payee_agrees THEN 'payee_mismatch'
            WHEN p.kind = 'settled' AND p.entry <> '' AND (p.entry <> p.first_entry OR EXISTS (
                SELECT FROM statement_line e WHERE e.attempt_id = p.attempt_id AND e.kind = 'settled'
                    AND e.verdict = 'matched' AND e.entry <> '' AND e.entry <> p.entry)) THEN 'duplicate'
            ELSE 'matched'
        END
    FROM paired p
    """
)
_BREAK_LINES = text(
    """
    INSERT INTO reconciliation_break (file_id, number, kind, attempt_id, end_to_end_id, offered, present_state,
        offered_amount, offered_currency, expected_amount, expected_currency, created_at)
    SELECT l.file_id, l.number, l.verdict, l.attempt_id, l.end_to_end_id, COALESCE(l.kind, ''), COALESCE(a.state, ''),
        l.amount, l.currency, a.amount, a.currency, :now
    FROM statement_line l LEFT JOIN payment_attempt a ON a.id = l.attempt_id
    WHERE l.file_id = :file_id AND l.verdict NOT IN ('matched', 'ignored')
    ON CONFLICT DO NOTHING
    """
)
_MATCHED = text(
    """
    SELECT attempt_id, number, kind, on_date, reason_code FROM statement_line
    WHERE file_id = :file_id AND verdict = 'matched' AND (attempt_id, number) > (:after_attempt, :after_number)
    ORDER BY attempt_id, number LIMIT :most
    """
)
_CONTRADICT_LINES = text(
    """
    UPDATE statement_line SET verdict = 'contradiction'
    WHERE file_id = :file_id AND number = ANY(CAST(:numbers AS integer[])) AND verdict = 'matched'
    """
)
_CONTRADICT_GROUP = text(
    """
    INSERT INTO reconciliation_break (file_id, number, kind, attempt_id, end_to_end_id, offered, present_state,
        offered_currency, expected_amount, expected_currency, created_at)
    SELECT :file_id, -1, 'contradiction', a.id, a.end_to_end_id, 'failed', a.state, '', a.amount, a.currency, :now
    FROM payment_attempt a WHERE a.id = ANY(:ids)
    ON CONFLICT DO NOTHING
    """
).bindparams(bindparam("ids", type_=ARRAY(PG_UUID)))
_TOUCHED = text(
    """
    SELECT DISTINCT a.batch_id FROM statement_line l JOIN payment_attempt a ON a.id = l.attempt_id
    WHERE l.file_id = :file_id AND l.verdict = 'matched' AND a.batch_id IS NOT NULL
    """
)
_COUNT = text(
    """
    UPDATE statement_file f SET lines = c.lines, matched = c.matched, breaks = c.breaks
    FROM (SELECT (SELECT count(*) FROM statement_line WHERE file_id = :id) AS lines,
                 (SELECT count(*) FROM statement_line WHERE file_id = :id AND verdict = 'matched') AS matched,
                 (SELECT count(*) FROM reconciliation_break WHERE file_id = :id) AS breaks) c
    WHERE f.id = :id RETURNING f.lines, f.matched, f.breaks
    """
)
_BREAKS = text(
    """
    SELECT b.*, f.source, f.kind AS file_kind, f.message_id, a.payment_id
    FROM reconciliation_break b JOIN statement_file f ON f.id = b.file_id
    LEFT JOIN payment_attempt a ON a.id = b.attempt_id
    WHERE (CAST(:kind AS text) IS NULL OR b.kind = :kind) AND (CAST(:after AS uuid) IS NULL OR b.id > :after)
    ORDER BY b.id LIMIT :most
    """
)
_FILES = text(
    """
    SELECT * FROM statement_file WHERE (CAST(:after AS uuid) IS NULL OR id < :after) ORDER BY id DESC LIMIT :most
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


class KnownPayee(NamedTuple):
    """Whom an instruction was to pay, without the number."""

    rail: str
    provider: str
    number_hash: bytes


async def claim(
    session: AsyncSession, *, source: str, sha256: bytes, size: int, received_by: str, now: datetime
) -> UUID | None:
    """Record that this document arrived, once for ever. Nothing when it had been taken in before.

    One that had been refused gets another chance (its reader may have been mended since).
    """
    values = {"source": source, "sha256": sha256, "bytes": size, "received_by": received_by, "now": now}
    return (await session.execute(_CLAIM, values)).scalar_one_or_none()


async def refuse(
    session: AsyncSession, *, source: str, sha256: bytes, size: int, received_by: str, refused: str, now: datetime
) -> None:
    """Record a document that cannot be read, with the code of the problem: seen by people, not read over and over."""
    await session.execute(
        _REFUSE,
        {
            "source": source,
            "sha256": sha256,
            "bytes": size,
            "received_by": received_by,
            "refused": refused,
            "now": now,
        },
    )


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


async def open_stage(session: AsyncSession) -> None:
    """The table that this transaction's lines are copied to."""
    await session.execute(_STAGE)


async def known_payees(session: AsyncSession, references: Sequence[str]) -> dict[str, KnownPayee]:
    """Whom the instructions of these references were to pay: rail, provider and the number's keyed hash."""
    rows = await session.execute(_KNOWN_PAYEES, {"references": list(references)})
    return {row.end_to_end_id: KnownPayee(row.rail, row.provider, bytes(row.number_hash)) for row in rows}


async def stage(session: AsyncSession, lines: Iterable[tuple[Line, bool | None]]) -> None:
    """Copy lines in, each with whether its payee agrees (None: it names none that can be compared)."""
    await copy_records(
        session,
        "staged_line",
        _STAGE_COLUMNS,
        (
            (
                line.number,
                line.kind,
                line.end_to_end_id,
                line.amount,
                line.currency,
                line.on,
                line.entry,
                line.reason_code,
                agrees,
            )
            for line, agrees in lines
        ),
    )


async def match_staged(session: AsyncSession, file_id: UUID, now: datetime) -> None:
    """Match all staged lines against what was sent; keep lines and breaks."""
    await session.execute(_MATCH, {"file_id": file_id})
    await session.execute(_BREAK_LINES, {"file_id": file_id, "now": now})


async def matched(session: AsyncSession, file_id: UUID, after: tuple[UUID, int], most: int) -> Sequence[Any]:
    """Matched lines in the order of their attempts, `most` at a time."""
    values = {"file_id": file_id, "after_attempt": after[0], "after_number": after[1], "most": most}
    return (await session.execute(_MATCHED, values)).all()


async def contradict_lines(session: AsyncSession, file_id: UUID, numbers: Sequence[int], now: datetime) -> None:
    """These matched lines turned out to exclude what is known: breaks."""
    await session.execute(_CONTRADICT_LINES, {"file_id": file_id, "numbers": list(numbers)})
    await session.execute(_BREAK_LINES, {"file_id": file_id, "now": now})


async def contradict_group(session: AsyncSession, file_id: UUID, attempts: Sequence[UUID], now: datetime) -> None:
    """A refusal of a whole batch excludes what is known of these attempts: breaks."""
    await session.execute(_CONTRADICT_GROUP, {"file_id": file_id, "ids": list(attempts), "now": now})


async def touched_batches(session: AsyncSession, file_id: UUID) -> list[UUID]:
    """The batches that this document's matched lines belong to."""
    return list((await session.execute(_TOUCHED, {"file_id": file_id})).scalars())


async def count(session: AsyncSession, file_id: UUID) -> Any:
    """Write the document's counts: lines, matched, breaks."""
    return (await session.execute(_COUNT, {"id": file_id})).one()


async def breaks(session: AsyncSession, *, kind: str | None, after: UUID | None, most: int) -> Sequence[Any]:
    """Breaks, oldest first."""
    return (await session.execute(_BREAKS, {"kind": kind, "after": after, "most": most})).all()


async def files(session: AsyncSession, *, after: UUID | None, most: int) -> Sequence[Any]:
    """Documents, newest first."""
    return (await session.execute(_FILES, {"after": after, "most": most})).all()


async def lines_of(session: AsyncSession, attempt_ids: Sequence[UUID]) -> Sequence[Any]:
    """Every line any rail has sent about these attempts: the bank's side of "why was I not paid?" (law 7)."""
    return (await session.execute(_BANK_LINES, {"ids": list(attempt_ids)})).all()
