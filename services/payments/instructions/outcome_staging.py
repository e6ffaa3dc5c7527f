"""Outcomes judged in SQL: the transition table of `model.py`, joined with what a statement's lines offer.

An attempt that is told of once in the table (nearly all of them) is judged by a join. One that is told of several
times is
folded in memory, in the order told, like any other: order matters there, and such lines are few.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.instructions.model import Contradiction, Outcome
from services.payments.metadata import Record

_OPEN: Final = (
    text(
        """
        CREATE TEMP TABLE IF NOT EXISTS offered_outcome (
            position integer NOT NULL, attempt_id uuid NOT NULL, kind text NOT NULL, on_date date NOT NULL,
            source text NOT NULL, source_reference text NOT NULL, reason_code text NOT NULL, reason text NOT NULL
        ) ON COMMIT DROP
        """
    ),
    text(
        """
        CREATE TEMP TABLE IF NOT EXISTS outcome_step (
            attempt_id uuid NOT NULL, state text NOT NULL, day date NOT NULL, source text NOT NULL,
            source_reference text NOT NULL, reason_code text NOT NULL, reason text NOT NULL, agent_code text NOT NULL,
            number integer NOT NULL, total integer NOT NULL, last boolean NOT NULL, position integer NOT NULL
        ) ON COMMIT DROP
        """
    ),
    text(
        """
        CREATE TEMP TABLE IF NOT EXISTS outcome_verdict (
            position integer NOT NULL, attempt_id uuid NOT NULL, present text NOT NULL, verdict text NOT NULL
        ) ON COMMIT DROP
        """
    ),
    text("TRUNCATE outcome_step, outcome_verdict"),
    text("ANALYZE offered_outcome (attempt_id)"),
)
_JUDGE: Final = text(
    """
    WITH locked AS MATERIALIZED (
        SELECT a.id, a.state FROM payment_attempt a WHERE a.id IN (SELECT attempt_id FROM offered_outcome)
        ORDER BY a.id FOR NO KEY UPDATE
    ), several AS MATERIALIZED (
        SELECT attempt_id FROM offered_outcome GROUP BY attempt_id HAVING count(*) > 1
    ), rule AS MATERIALIZED (
        SELECT r.state AS present, r.kind, r.verdict, p.state, p.nth, cardinality(r.path) AS total
        FROM outcome_rule r LEFT JOIN LATERAL unnest(r.path) WITH ORDINALITY AS p(state, nth) ON true
    ), judged AS MATERIALIZED (
        SELECT o.*, COALESCE(a.state, 'missing') AS present,
               CASE WHEN s.attempt_id IS NOT NULL THEN 'several' ELSE COALESCE(r.verdict, 'contradiction') END
               AS verdict, r.state, r.nth, r.total
        FROM offered_outcome o LEFT JOIN locked a ON a.id = o.attempt_id
        LEFT JOIN several s ON s.attempt_id = o.attempt_id
        LEFT JOIN rule r ON r.present = a.state AND r.kind = o.kind AND s.attempt_id IS NULL
    ), told AS (
        INSERT INTO outcome_verdict SELECT position, attempt_id, present, verdict FROM judged WHERE verdict <> 'step'
    )
    INSERT INTO outcome_step
    SELECT j.attempt_id, j.state, j.on_date, j.source, j.source_reference, j.reason_code, left(j.reason, 500), '',
           CASE WHEN j.state = 'accepted' THEN 0 ELSE j.nth END, CASE WHEN j.state = 'accepted' THEN 0 ELSE j.total END,
           j.nth = j.total, 2 * j.position + j.nth - 1
    FROM judged j WHERE j.verdict = 'step'
    """
)
"""Steps of attempts told of once, by the table `outcome_rule`; the verdict on all others (`several`: to be folded).
The state judged by is that of the lock: the newest one, whoever changed it while this waited.
"""
_SEVERAL: Final = text(
    """
    SELECT o.*, v.present FROM offered_outcome o JOIN outcome_verdict v ON v.position = o.position
    WHERE v.verdict = 'several' ORDER BY o.position
    """
)
_COUNTS: Final = text(
    """
    SELECT (SELECT count(*) FROM offered_outcome) - count(*) AS applied,
           count(*) FILTER (WHERE verdict = 'known') AS unchanged
    FROM outcome_verdict
    """
)
_REFUSED: Final = text(
    """
    SELECT o.*, v.present FROM offered_outcome o JOIN outcome_verdict v ON v.position = o.position
    WHERE v.verdict = 'contradiction' ORDER BY o.position
    """
)
_SEEN: Final = text("ANALYZE outcome_step (attempt_id, state, last), outcome_verdict (position, verdict)")
_EMPTY: Final = text("TRUNCATE offered_outcome, outcome_step, outcome_verdict")


_ADD: Final = text(
    """
    INSERT INTO outcome_step (attempt_id, state, day, source, source_reference, reason_code, reason, agent_code, number,
        total, last, position)
    SELECT * FROM unnest(CAST(:attempt_id AS uuid[]), CAST(:state AS text[]), CAST(:day AS date[]),
        CAST(:source AS text[]), CAST(:source_reference AS text[]), CAST(:reason_code AS text[]),
        CAST(:reason AS text[]), CAST(:agent_code AS text[]), CAST(:number AS integer[]), CAST(:total AS integer[]),
        CAST(:last AS boolean[]), CAST(:position AS integer[]))
    """
)


@dataclass(frozen=True, slots=True)
class Repeated:
    """Outcomes of attempts that are told of several times, in order, and the states they stand in."""

    outcomes: list[Outcome]
    states: dict[UUID, str]


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of the outcomes of attempts told of once."""

    applied: int
    unchanged: int
    contradictions: list[Contradiction]


async def open_stage(session: AsyncSession) -> None:
    """Make the temporary table that the caller fills; it is gone when the transaction ends."""
    for statement in _OPEN[:-2]:
        await session.execute(statement)


async def lock_and_judge(session: AsyncSession) -> None:
    """Lock the attempts offered, in id order; write the steps of those told of once."""
    for statement in _OPEN:
        await session.execute(statement)
    await session.execute(_JUDGE)
    await session.execute(_SEEN)


async def repeated_outcomes(session: AsyncSession) -> Repeated:
    """Those that must be folded in order."""
    rows = (await session.execute(_SEVERAL)).all()
    states = {row.attempt_id: row.present for row in rows if row.present != "missing"}
    return Repeated([_outcome(row) for row in rows], states)


async def add_steps(session: AsyncSession, arrays: Mapping[str, Any]) -> None:
    """Add folded steps to those judged in SQL."""
    await session.execute(_ADD, dict(arrays))


async def close(session: AsyncSession) -> Judged:
    """Count, collect contradictions, and empty the stage for the next chunk."""
    counts = (await session.execute(_COUNTS)).one()
    refused = (await session.execute(_REFUSED)).all()
    await session.execute(_EMPTY)
    contradictions = [Contradiction(row.attempt_id, row.present, _outcome(row)) for row in refused]
    return Judged(counts.applied, counts.unchanged, contradictions)


def _outcome(row: Record) -> Outcome:
    return Outcome(row.attempt_id, row.kind, row.on_date, row.source, row.source_reference, row.reason_code, row.reason)
