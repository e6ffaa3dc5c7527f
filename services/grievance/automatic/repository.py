"""All SQL of automatic cases: one statement for any number of payments, with steps, events and messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.automatic.plan import KnownCase


@dataclass(frozen=True)
class Opening:
    """What all cases opened in one batch have in common."""

    category: str
    route: str
    priority: str
    level: str
    due_on: date
    at: datetime


_KNOWN: Final = text(
    """
    SELECT id, subject_id AS payment_id, auto_payment_id IS NOT NULL AS automatic, answered, payment_version
    FROM grievance_case WHERE subject_id = ANY(CAST(:payments AS uuid[])) AND subject_type = 'payment'
    ORDER BY id FOR UPDATE
    """
)
_OPEN: Final = text(
    # Answers with the payments for which none was opened: mostly none, so nothing is fetched for the others.
    """
    WITH incoming AS MATERIALIZED (
      SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r(payment_id uuid, version bigint, case_id uuid,
        reference text, status text, attempt int, reason_code text, beneficiary_id uuid, village_code text)
    ), opened AS (
      INSERT INTO grievance_case (id, reference, version, category, route, priority, subject_type, subject_id,
        beneficiary_id, channel, language, place_code, state, level, opened_at, due_on, changed_at, sealed,
        auto_payment_id, payment_version)
      SELECT case_id, reference, 1, :category, :route, :priority, 'payment', payment_id, beneficiary_id, 'platform',
        'km', village_code, 'opened', :level, :at, :due_on, :at, false, payment_id, version
      FROM incoming
      ON CONFLICT DO NOTHING
      RETURNING id
    ), fresh AS MATERIALIZED (
      SELECT i.* FROM incoming i JOIN opened o ON o.id = i.case_id
    ), step AS (
      INSERT INTO case_step (case_id, version, action, state, actor, at, detail)
      SELECT case_id, 1, 'open', 'opened', 'system:payments', :at,
        jsonb_build_object('channel', 'platform', 'status', status, 'attempt', attempt, 'reason_code', reason_code)
      FROM fresh
    ), told AS (
      INSERT INTO outbox (topic, key, type, data)
      SELECT 'grievance.cases', case_id::text, 'samaki.grievance.case.opened.v1', row_to_json(event)
      FROM (SELECT 1 AS version, case_id, reference, CAST(:category AS text) AS category, 'payment' AS subject_type,
        payment_id AS subject_id, village_code AS place_code, 'platform' AS channel, CAST(:due_on AS date) AS due_on
        FROM fresh) event
    )
    SELECT payment_id FROM incoming WHERE case_id NOT IN (SELECT id FROM opened)
    """
)
_NOTE: Final = text(
    """
    WITH incoming AS MATERIALIZED (
      SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r(case_id uuid, version bigint, status text, attempt int,
        reason_code text)
    ), noted AS (
      UPDATE grievance_case c SET version = c.version + 1, changed_at = :at, payment_version = i.version
      FROM incoming i WHERE c.id = i.case_id
      RETURNING c.id, c.version, c.state, c.level, c.due_on, c.contact_kind, i.status, i.attempt, i.reason_code
    ), told AS (
      INSERT INTO notification (id, case_id, step, level, due_on, state, queued_at, due_at)
      SELECT uuidv7(), id, CAST(:message AS text), level, due_on, 'queued', :at, :at FROM noted
      WHERE CAST(:message AS text) IS NOT NULL AND contact_kind IS NOT NULL
    )
    INSERT INTO case_step (case_id, version, action, state, actor, at, detail)
    SELECT id, version, :action, state, 'system:payments', :at,
      jsonb_build_object('status', status, 'attempt', attempt, 'reason_code', reason_code)
    FROM noted
    """
)
_REOPEN: Final = text(
    """
    WITH incoming AS MATERIALIZED (
      SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r(case_id uuid, version bigint, status text, attempt int,
        reason_code text)
    ), moved AS (
      UPDATE grievance_case c SET state = 'reopened', outcome = NULL, merged_into = NULL, due_on = :due_on,
        version = c.version + 1, changed_at = :at, payment_version = i.version
      FROM incoming i WHERE c.id = i.case_id
      RETURNING c.id, c.version, c.reference, c.category, c.subject_id, c.place_code, i.status, i.attempt, i.reason_code
    ), step AS (
      INSERT INTO case_step (case_id, version, action, state, actor, at, detail)
      SELECT id, version, 'reopen', 'reopened', 'system:payments', :at,
        jsonb_build_object('status', status, 'attempt', attempt, 'reason_code', reason_code,
          'due_on', CAST(:due_on AS date))
      FROM moved
    )
    INSERT INTO outbox (topic, key, type, data)
    SELECT 'grievance.cases', id::text, 'samaki.grievance.case.reopened.v1', json_build_object(
      'version', version, 'case_id', id, 'reference', reference, 'category', category, 'subject_type', 'payment',
      'subject_id', subject_id, 'place_code', place_code, 'due_on', CAST(:due_on AS date))
    FROM moved ORDER BY id
    """
)
_SETTLE: Final = text(
    """
    WITH incoming AS MATERIALIZED (
      SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r(case_id uuid, version bigint)
    ), moved AS (
      UPDATE grievance_case c SET state = 'closed', outcome = 'upheld', version = c.version + 2, changed_at = :at,
        payment_version = i.version
      FROM incoming i WHERE c.id = i.case_id
      RETURNING c.id, c.version, c.reference, c.category, c.subject_id, c.place_code
    ), returned AS (
      UPDATE case_referral r SET answer = 'recalled', returned_at = :at FROM moved
      WHERE r.case_id = moved.id AND r.returned_at IS NULL
    ), step AS (
      INSERT INTO case_step (case_id, version, action, state, actor, at, detail)
      SELECT id, version - 1, 'resolve', 'resolved', 'system:payments', CAST(:at AS timestamptz),
        '{"outcome": "upheld"}'::jsonb FROM moved
      UNION ALL
      SELECT id, version, 'close', 'closed', 'system:payments', CAST(:at AS timestamptz), '{"cause": "paid"}'::jsonb
      FROM moved
    )
    INSERT INTO outbox (topic, key, type, data)
    SELECT 'grievance.cases', m.id::text, told.type, json_build_object(
      'version', m.version + told.step, 'case_id', m.id, 'reference', m.reference, 'category', m.category,
      'subject_type', 'payment', 'subject_id', m.subject_id, 'place_code', m.place_code, told.name, told.value)
    FROM moved m CROSS JOIN (VALUES
      (-1, 'samaki.grievance.case.resolved.v1', 'outcome', 'upheld'),
      (0, 'samaki.grievance.case.closed.v1', 'cause', 'paid')) AS told(step, type, name, value)
    ORDER BY m.id, told.step
    """
)


async def lock_cases_of(session: AsyncSession, payments: Sequence[UUID]) -> list[KnownCase]:
    """Every case about these payments, locked; sealed ones are not seen."""
    rows = await session.execute(_KNOWN, {"payments": list(payments)})
    return [KnownCase(row.id, row.payment_id, row.automatic, row.answered, row.payment_version) for row in rows]


async def open_cases(session: AsyncSession, opening: Opening, rows: Sequence[Mapping[str, Any]]) -> set[UUID]:
    """Open cases with their first step and `case.opened`; the payments for which none was opened.

    Those have an automatic case, or their new case's reference is taken.

    Args:
        rows: in the order of their case ids, so that two consumers cannot deadlock.
    """
    missing = await session.execute(_OPEN, {"rows": _json(rows), **asdict(opening)})
    return set(missing.scalars())


async def note(
    session: AsyncSession,
    cases: Sequence[tuple[UUID, Mapping[str, Any]]],
    action: str,
    message: str | None,
    at: datetime,
) -> None:
    """Write down on these cases what happened to their payments; `message`: the step that complainants are told of."""
    if cases:
        await session.execute(_NOTE, {"rows": _of_cases(cases), "action": action, "message": message, "at": at})


async def reopen(
    session: AsyncSession, cases: Sequence[tuple[UUID, Mapping[str, Any]]], due_on: date, at: datetime
) -> None:
    """Take automatic cases up again, with `case.reopened`."""
    if cases:
        await session.execute(_REOPEN, {"rows": _of_cases(cases), "due_on": due_on, "at": at})


async def settle(session: AsyncSession, cases: Sequence[tuple[UUID, Mapping[str, Any]]], at: datetime) -> None:
    """Resolve and close automatic cases whose payment arrived, with both events."""
    if cases:
        await session.execute(_SETTLE, {"rows": _of_cases(cases), "at": at})


def _of_cases(cases: Sequence[tuple[UUID, Mapping[str, Any]]]) -> str:
    names = ("version", "status", "attempt", "reason_code")
    return _json([{"case_id": case_id, **{name: row[name] for name in names}} for case_id, row in cases])


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return orjson.dumps(list(rows), default=str).decode()  # asyncpg gives ids as a UUID of its own kind
