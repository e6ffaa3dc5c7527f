"""All SQL of agents, their settlements, proxies, and agents' statements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.metadata import Record
from shared.db import copy_records

_ADD = text(
    """
    INSERT INTO cash_agent (code, provider, subject, name, currency, credit_limit, created_by)
    VALUES (:code, :provider, :subject, :name, :currency, :credit_limit, :actor) ON CONFLICT DO NOTHING RETURNING *
    """
)
_CHANGE = text(
    """
    UPDATE cash_agent SET name = :name, credit_limit = :credit_limit, active = :active, version = version + 1
    WHERE code = :code RETURNING *
    """
)
_BY_CODE = text("SELECT * FROM cash_agent WHERE code = :code")
_LOCK = text("SELECT * FROM cash_agent WHERE code = :code FOR UPDATE")
_BY_SUBJECT = text("SELECT * FROM cash_agent WHERE subject = :subject AND active")
_LIST = text("SELECT * FROM cash_agent WHERE code > :after ORDER BY code LIMIT :most")
_WRONG = text(
    """
    UPDATE cash_agent SET wrong_codes = CASE WHEN wrong_on = :today THEN wrong_codes ELSE 0 END + 1, wrong_on = :today
    WHERE code = :code
    """
)
_PAID = text("UPDATE cash_agent SET paid = paid + :amount WHERE code = :code")
_SETTLE = text(
    """
    WITH added AS (
        INSERT INTO cash_settlement (id, agent_code, reference, amount, currency, on_date, recorded_by)
        VALUES (:id, :code, :reference, :amount, :currency, :on_date, :actor)
        ON CONFLICT (reference) DO NOTHING RETURNING agent_code, amount
    )
    UPDATE cash_agent a SET settled = settled + added.amount FROM added WHERE a.code = added.agent_code RETURNING a.*
    """
)
_ADD_PROXY = text(
    """
    INSERT INTO cash_proxy (id, beneficiary_id, village_code, name_encrypted, id_number_hash, reason, valid_from,
        valid_until, requested_by)
    VALUES (:id, :beneficiary, :village, :name, :id_hash, :reason, :valid_from, :valid_until, :actor) RETURNING *
    """
)
_LOCK_PROXY = text("SELECT * FROM cash_proxy WHERE id = :id FOR UPDATE")
_DECIDE = text(
    """
    UPDATE cash_proxy SET state = :state, decided_by = :actor, decision_reason = :reason, decided_at = :now,
        version = version + 1
    WHERE id = :id RETURNING *
    """
)
_APPROVED = text(
    """
    SELECT id, id_number_hash FROM cash_proxy
    WHERE beneficiary_id IN (
        SELECT CAST(:beneficiary AS uuid) UNION ALL
        SELECT o.id FROM identity_member m JOIN identity_member o ON o.canonical_id = m.canonical_id
        WHERE m.id = :beneficiary)
      AND state = 'approved' AND :today BETWEEN valid_from AND valid_until
    ORDER BY id LIMIT 20
    """
)
_STATEMENT = text(
    """
    INSERT INTO cash_statement (id, agent_code, sha256, from_date, until_date, lines, matched, missing, received_by,
        received_at)
    VALUES (:id, :agent, :sha256, :from_date, :until_date, 0, 0, 0, :actor, :now)
    ON CONFLICT (sha256) DO NOTHING RETURNING id
    """
)
_LINE_COLUMNS = (
    "statement_id", "line", "on_date", "payment_reference", "agent_reference", "amount", "currency", "verdict",
)  # fmt: skip
_JUDGE = text(
    """
    UPDATE cash_statement_line l SET verdict = j.verdict
    FROM (SELECT s.line, CASE
              WHEN c.attempt_id IS NULL THEN 'unknown_reference'
              WHEN c.state <> 'collected' THEN 'not_collected'
              WHEN c.agent_code <> :agent THEN 'other_agent'
              WHEN s.currency <> c.currency THEN 'currency_mismatch'
              WHEN s.amount IS DISTINCT FROM c.amount THEN 'amount_mismatch'
              WHEN row_number() OVER (PARTITION BY s.payment_reference ORDER BY s.line) > 1 OR EXISTS (
                  SELECT FROM cash_statement_line o WHERE o.payment_reference = s.payment_reference
                    AND o.statement_id <> s.statement_id AND o.verdict = 'matched') THEN 'duplicate'
              ELSE 'matched' END AS verdict
          FROM cash_statement_line s LEFT JOIN cash_collection c ON c.end_to_end_id = s.payment_reference
          WHERE s.statement_id = :id AND s.verdict = '') AS j
    WHERE l.statement_id = :id AND l.line = j.line
    """
)
_MISSING = text(
    """
    INSERT INTO cash_statement_line (statement_id, line, on_date, payment_reference, agent_reference, amount, currency,
        verdict)
    SELECT :id, :lines + row_number() OVER (ORDER BY c.end_to_end_id), CAST(c.ended_at AS date), c.end_to_end_id,
           c.agent_reference, c.amount, c.currency, 'missing'
    FROM cash_collection c
    WHERE c.agent_code = :agent AND c.state = 'collected'
      AND c.ended_at >= CAST(:from_date AS date) AND c.ended_at < CAST(:until_date AS date) + 1
      AND NOT EXISTS (SELECT FROM cash_statement_line l WHERE l.payment_reference = c.end_to_end_id
                      AND l.verdict = 'matched')
    """
)
_FINISH = text(
    """
    UPDATE cash_statement s SET lines = :lines,
        matched = (SELECT count(*) FROM cash_statement_line WHERE statement_id = s.id AND verdict = 'matched'),
        missing = (SELECT count(*) FROM cash_statement_line WHERE statement_id = s.id AND verdict = 'missing')
    WHERE s.id = :id RETURNING *
    """
)
_OPEN_LINES = text(
    """
    SELECT l.*, s.agent_code, s.received_at FROM cash_statement_line l JOIN cash_statement s ON s.id = l.statement_id
    WHERE l.verdict <> 'matched' AND l.resolved_at IS NULL AND (l.statement_id, l.line) > (:after_id, :after_line)
    ORDER BY l.statement_id, l.line LIMIT :most
    """
)
_RESOLVE = text(
    """
    UPDATE cash_statement_line SET resolution = :resolution, resolved_by = :actor, resolved_at = :now,
        version = version + 1
    WHERE statement_id = :id AND line = :line AND verdict <> 'matched' AND resolved_at IS NULL RETURNING *
    """
)


async def add(session: AsyncSession, values: dict[str, Any]) -> Record | None:
    """Store an agent; None when the code or the subject is taken."""
    return (await session.execute(_ADD, values)).one_or_none()


async def change(session: AsyncSession, values: dict[str, Any]) -> Record:
    """Store an agent's next version. The caller holds the lock."""
    return (await session.execute(_CHANGE, values)).one()


async def by_code(session: AsyncSession, code: str, *, lock: bool = False) -> Record | None:
    """One agent, locked on request."""
    return (await session.execute(_LOCK if lock else _BY_CODE, {"code": code})).one_or_none()


async def by_subject(session: AsyncSession, subject: str) -> Record | None:
    """The active agent that a token's subject is."""
    return (await session.execute(_BY_SUBJECT, {"subject": subject})).one_or_none()


async def listing(session: AsyncSession, after: str, most: int) -> Sequence[Record]:
    """Agents by code, with what each is owed."""
    return (await session.execute(_LIST, {"after": after, "most": most})).all()


async def count_wrong(session: AsyncSession, code: str, today: date) -> None:
    """Count a wrong code or reference of an agent."""
    await session.execute(_WRONG, {"code": code, "today": today})


async def add_paid(session: AsyncSession, code: str, amount: Decimal) -> None:
    """The agent paid out this much more. The caller holds the lock."""
    await session.execute(_PAID, {"code": code, "amount": amount})


async def settle(session: AsyncSession, values: dict[str, Any]) -> Record | None:
    """Record a transfer to an agent; None when its reference is known."""
    return (await session.execute(_SETTLE, values)).one_or_none()


async def add_proxy(session: AsyncSession, values: dict[str, Any]) -> Record:
    """Store a request for a proxy."""
    return (await session.execute(_ADD_PROXY, values)).one()


async def lock_proxy(session: AsyncSession, proxy_id: UUID) -> Record | None:
    """One proxy, locked."""
    return (await session.execute(_LOCK_PROXY, {"id": proxy_id})).one_or_none()


async def decide_proxy(session: AsyncSession, values: dict[str, Any]) -> Record:
    """Store a decision on a locked proxy."""
    return (await session.execute(_DECIDE, values)).one()


async def approved_proxies(session: AsyncSession, beneficiary_id: UUID, today: date) -> Sequence[Record]:
    """(id, id_number_hash) of those who may collect for this payee today."""
    return (await session.execute(_APPROVED, {"beneficiary": beneficiary_id, "today": today})).all()


async def add_statement(session: AsyncSession, values: dict[str, Any]) -> bool:
    """Open a statement; False when the same file was taken in before."""
    return (await session.execute(_STATEMENT, values)).first() is not None


async def stage(session: AsyncSession, rows: Sequence[tuple[Any, ...]]) -> None:
    """Copy its lines in: (statement, line, on, payment reference, agent reference, amount, currency, verdict)."""
    await copy_records(session, "cash_statement_line", _LINE_COLUMNS, rows)


async def judge(
    session: AsyncSession, statement_id: UUID, agent: str, from_date: date, until_date: date, lines: int
) -> Record:
    """Compare every line with the collections, find what the statement leaves out, count: three statements."""
    await session.execute(_JUDGE, {"id": statement_id, "agent": agent})
    values = {"id": statement_id, "agent": agent, "from_date": from_date, "until_date": until_date, "lines": lines}
    await session.execute(_MISSING, values)
    return (await session.execute(_FINISH, {"id": statement_id, "lines": lines})).one()


async def open_lines(session: AsyncSession, after: tuple[UUID, int], most: int) -> Sequence[Record]:
    """Lines that do not agree and that nobody has resolved."""
    values = {"after_id": after[0], "after_line": after[1], "most": most}
    return (await session.execute(_OPEN_LINES, values)).all()


async def resolve(
    session: AsyncSession, statement_id: UUID, line: int, resolution: str, actor: str, now: datetime
) -> Record | None:
    """Resolve a line; None when there is no such open one."""
    values = {"id": statement_id, "line": line, "resolution": resolution, "actor": actor, "now": now}
    return (await session.execute(_RESOLVE, values)).one_or_none()
