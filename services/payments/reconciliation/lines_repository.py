"""All SQL of a document's lines: staged, matched, kept. A hundred thousand of them are a handful of statements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.instructions.outcome_staging import open_stage
from services.payments.reconciliation.model import REASONS, DocumentHead, Line
from services.payments.reconciliation.rules import KnownPayee
from services.payments.statistics import expect_chunk
from shared.db import copy_records

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
# its entry: the same in camt.054 and camt.053, so two different ones are two bookings, in this file or an earlier one;
# where the bank gives entries no name, two in one file are two bookings.
# A rail speaks of its own payments only: an operator's word settles nothing that was sent to a bank.
# Each reference is looked up by the index, whatever the planner believes of a table that has just grown (LIMIT 1).
# `repeat`: the same booking was a break before (an unknown debit stands in camt.054 and again in camt.053): one break.
_MATCH = text(
    """
    WITH paired AS (
        SELECT s.*, a.id AS attempt_id, a.amount AS expected_amount, a.currency AS expected_currency, a.batch_id,
            first_value(s.entry) OVER alike AS first_entry, row_number() OVER alike AS nth
        FROM (SELECT *, CAST(written AS numeric(23, 5)) AS amount FROM staged_line) s
        LEFT JOIN LATERAL (SELECT * FROM payment_attempt t
            WHERE t.end_to_end_id = s.end_to_end_id AND t.rail = :rail AND s.end_to_end_id <> '' LIMIT 1) a ON true
        WINDOW alike AS (PARTITION BY s.end_to_end_id, s.kind, s.amount, s.currency ORDER BY s.number)
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
            WHEN p.kind = 'settled' AND p.entry = '' AND p.direction = 'debit' AND (p.nth > 1 OR EXISTS (
                SELECT FROM statement_line e WHERE e.attempt_id = p.attempt_id AND e.file_id = :file_id
                    AND e.kind = 'settled' AND e.verdict = 'matched' AND e.entry = '')) THEN 'duplicate'
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
_BANK_LINES = text(
    """
    SELECT l.attempt_id, f.source, f.kind AS document, f.message_id, l.number, l.kind, l.amount, l.currency, l.on_date,
        l.entry, l.reason_code, l.verdict, f.received_at
    FROM statement_line l JOIN statement_file f ON f.id = l.file_id
    WHERE l.attempt_id = ANY(:ids) ORDER BY f.received_at, f.id, l.number
    """
).bindparams(bindparam("ids", type_=ARRAY(PG_UUID)))


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


async def match(session: AsyncSession, file_id: UUID, rail: str, head: DocumentHead) -> tuple[int, list[int]]:
    """Match the staged lines against what was sent, keep them, and offer what they say for `apply_staged_outcomes`.

    Arguments:
        rail: whose document it is.

    Returns:
        how many matched, and the numbers of those that are breaks.
    """
    await open_stage(session)
    values = {
        "file_id": file_id,
        "rail": rail,
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


async def lines_of(session: AsyncSession, attempt_ids: Sequence[UUID]) -> Sequence[Any]:
    """Every line any rail has sent about these attempts: the bank's side of "why was I not paid?" (law 7)."""
    return (await session.execute(_BANK_LINES, {"ids": list(attempt_ids)})).all()
