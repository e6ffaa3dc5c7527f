"""Schedule: cases whose deadline passed go one level up, a few thousand a statement.

It survives whatever happens to it. Killed: a chunk is one transaction. Run twice, or by two workers: the move and its
record `case_escalation(case, level)` commit together, and the key lets a case arrive at a level once in its life. Clock
jumped: the new deadline is counted from the day on which the miss was noticed, so that no level is leapt over; clock
set back: nothing is due, nothing is undone.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases.progress import arrival_deadline
from services.grievance.resources import Desk
from services.grievance.sealing import open_seal
from shared import audit
from shared.service import Context
from shared.telemetry import get_logger

EVERY: Final = timedelta(minutes=10)
CHUNK: Final = 2_000
log = get_logger(__name__)

_ESCALATE: Final = text(
    """
    WITH late AS MATERIALIZED (
      SELECT c.id, c.due_on, r.next_level, r.next_due
      FROM grievance_case c
      JOIN json_to_recordset(CAST(:rungs AS json)) AS r(level text, next_level text, next_due date)
        ON r.level = CASE WHEN c.level = ANY(CAST(:levels AS text[])) THEN c.level ELSE '' END
      WHERE NOT c.answered AND c.due_on < :today
        AND NOT EXISTS (SELECT FROM case_escalation e WHERE e.case_id = c.id AND e.level = r.next_level)
      ORDER BY c.due_on, c.id LIMIT :chunk FOR UPDATE OF c SKIP LOCKED
    ), once AS (
      INSERT INTO case_escalation (case_id, level, missed, due_on, at)
      SELECT id, next_level, due_on, next_due, :now FROM late ON CONFLICT DO NOTHING RETURNING case_id
    ), moved AS (
      UPDATE grievance_case c SET level = l.next_level, due_on = l.next_due, version = c.version + 1, changed_at = :now,
        state = CASE WHEN c.state = 'referred' THEN 'referred' ELSE 'opened' END,
        assigned_to = CASE WHEN c.state = 'referred' THEN c.assigned_to END
      FROM late l JOIN once o ON o.case_id = l.id WHERE c.id = l.id
      RETURNING c.*, l.due_on AS missed
    ), step AS (
      INSERT INTO case_step (case_id, version, action, state, actor, at, detail)
      SELECT id, version, 'escalate', state, 'system:scheduler', :now,
        jsonb_build_object('level', level, 'missed', missed, 'due_on', due_on)
      FROM moved
    ), told AS (
      INSERT INTO outbox (topic, key, type, data)
      SELECT 'grievance.cases', id::text, 'samaki.grievance.case.escalated.v1', json_build_object(
        'version', version, 'case_id', id, 'reference', reference, 'category', category,
        'subject_type', subject_type, 'subject_id', subject_id, 'place_code', place_code, 'level', level,
        'due_on', due_on)
      FROM moved WHERE NOT sealed ORDER BY id
    ), message AS (
      INSERT INTO notification (id, case_id, step, level, due_on, state, queued_at, due_at)
      SELECT uuidv7(), id, 'escalated', level, due_on, 'queued', :now, :now FROM moved
      WHERE contact_kind IS NOT NULL AND NOT sealed
    )
    SELECT count(*) AS moved, count(*) FILTER (WHERE NOT sealed) AS told FROM moved
    """
)


async def escalate_cases(context: Context) -> None:
    """Escalate every case whose last local day is over, sealed ones too: those without event, message, log."""
    desk: Desk = context.resources
    moved = CHUNK
    while moved == CHUNK:
        now = context.clock.now()
        async with context.database.session() as session:
            moved = await _escalate(session, desk, desk.calendar.local_date(now), now)


async def _escalate(session: AsyncSession, desk: Desk, today: date, now: datetime) -> int:
    await open_seal(session)
    levels = [level.code for level in desk.categories.levels]
    values = {"rungs": _rungs(desk, now), "levels": levels, "today": today, "now": now, "chunk": CHUNK}
    row = (await session.execute(_ESCALATE, values)).one()
    if row.told:
        await audit.record(session, "scheduler", "case.escalate", "case", "batch", {"count": row.told})
        log.info("cases_escalated", count=row.told)
    return int(row.moved)


def _rungs(desk: Desk, now: datetime) -> str:
    """Per level the next one up, with the deadline of a case that arrives there now.

    From a level that is no longer in the file (written here as empty) a case goes to the top: nobody answers for it.
    """
    ladder = desk.categories.ladder
    top = ladder.rungs[-1]
    due = arrival_deadline(top, now, desk.calendar)
    rows = [{"level": "", "next_level": top.code, "next_due": due.isoformat()}]
    for rung in ladder.rungs:
        above = ladder.above(rung.code)
        if above is not None:
            due = arrival_deadline(above, now, desk.calendar)
            rows.append({"level": rung.code, "next_level": above.code, "next_due": due.isoformat()})
    return orjson.dumps(rows).decode()
