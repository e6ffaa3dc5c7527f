"""All SQL on remedies. Answers are taken set-wise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.remedies.model import Remedy
from services.grievance.sealing import close_seal, open_seal

_ANSWER: Final = text(
    """
    WITH incoming AS MATERIALIZED (
      SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r(remedy_id uuid, version bigint, kinds text[],
        outcome text, reason_code text, reason text, result_id uuid)
    ), answered AS (
      UPDATE remedy r SET state = i.outcome, answer_version = i.version, reason_code = i.reason_code,
        reason = i.reason, result_id = i.result_id, answered_at = :at
      FROM incoming i
      WHERE r.id = i.remedy_id AND r.kind = ANY(i.kinds) AND r.answer_version < i.version
        AND r.state IN ('requested', 'waiting')
      RETURNING r.id, r.case_id, r.kind, r.state, r.reason_code
    ), numbered AS (
      SELECT a.*, row_number() OVER (PARTITION BY case_id ORDER BY id) AS place,
        count(*) OVER (PARTITION BY case_id) AS places
      FROM answered a
    ), moved AS (
      UPDATE grievance_case c SET version = c.version + n.places, changed_at = :at
      FROM (SELECT DISTINCT case_id, places FROM numbered) n WHERE c.id = n.case_id
      RETURNING c.id, c.version, c.state, c.level, c.due_on, c.contact_kind, c.sealed, n.places
    ), told AS (
      INSERT INTO notification (id, case_id, step, level, due_on, state, queued_at, due_at)
      SELECT uuidv7(), m.id, 'remedy_done', m.level, m.due_on, 'queued', :at, :at FROM moved m
      WHERE m.contact_kind IS NOT NULL AND NOT m.sealed
        AND EXISTS (SELECT FROM answered a WHERE a.case_id = m.id AND a.state = 'done')
    )
    INSERT INTO case_step (case_id, version, action, state, actor, at, detail)
    SELECT m.id, m.version - m.places + n.place, 'remedy_' || n.state, m.state, 'system:remedies', :at,
      jsonb_build_object('remedy', n.id, 'kind', n.kind, 'reason_code', n.reason_code)
    FROM numbered n JOIN moved m ON m.id = n.case_id
    """
)


async def add(session: AsyncSession, remedy: Remedy) -> None:
    """Write a remedy."""
    session.add(remedy)
    await session.flush()


async def of_case(session: AsyncSession, case_id: UUID) -> Sequence[Remedy]:
    """Remedies of a case, oldest first; at most 100."""
    statement = select(Remedy).where(Remedy.case_id == case_id).order_by(Remedy.requested_at, Remedy.id).limit(100)
    return (await session.scalars(statement)).all()


async def pending(session: AsyncSession, case_id: UUID, kind: str) -> bool:
    """Whether a case waits for the answer to such a remedy."""
    statement = select(Remedy.id).where(
        Remedy.case_id == case_id, Remedy.kind == kind, Remedy.state.in_(["requested", "waiting"])
    )
    return (await session.scalar(statement)) is not None


async def answer(session: AsyncSession, rows: Sequence[Mapping[str, Any]], at: datetime) -> None:
    """Take answers: the remedy's state, a step of its case, a message to its complainant.

    Also for a case that was sealed after it asked: the seal is opened for this statement, and nobody is told.

    Args:
        rows: one per remedy: remedy_id, version, kinds (that the answering service owns), outcome, reason_code, reason,
            result_id. Older versions, and answers to what is done or refused already, change nothing.
    """
    await open_seal(session)
    await session.execute(_ANSWER, {"rows": orjson.dumps(list(rows), default=str).decode(), "at": at})
    await close_seal(session)
