"""An agent's statement: every line compared with what was redeemed, and what it leaves out. It moves no money.

    on,payment_reference,amount,currency,agent_reference

A payment is settled by its redemption with the code, never because an agent says so afterwards: a line that names a
collection nobody redeemed is a difference for a person.
"""

from __future__ import annotations

import csv
import hashlib
import io
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.metadata import Record
from services.payments.rails.cash import agents_repository as repository
from services.payments.rails.cash.errors import StatementLineNotFound, StatementSeen
from services.payments.rails.cash.model import StatementVerdict
from shared import audit
from shared.auth import Principal
from shared.errors import FieldError, Invalid
from shared.ids import uuid7
from shared.money import MoneyError, check_amount
from shared.service import Context

HEADER: Final = ["on", "payment_reference", "amount", "currency", "agent_reference"]
MAX_BYTES: Final = 16 * 1024 * 1024
_TEXT: Final = 64


async def take_statement(
    session: AsyncSession, context: Context, principal: Principal, agent: Record, body: bytes
) -> Record:
    """Take a statement in: one bad line never holds up the others (fault 3).

    Returns:
        The statement with its counts.

    Raises:
        Invalid: not UTF-8, another heading, or no line that can be read.
        StatementSeen: the same file again.
    """
    statement_id = uuid7()
    rows = _read(statement_id, body)
    days = [row[2] for row in rows if row[2] is not None]
    if not days:
        raise Invalid("No line of it can be read.", errors=[FieldError("body", "no_lines", "Send at least one line.")])
    values = {
        "id": statement_id,
        "agent": agent.code,
        "sha256": hashlib.sha256(agent.code.encode() + b"\n" + body).digest(),
        "from_date": min(days),
        "until_date": max(days),
        "actor": principal.subject,
        "now": context.clock.now(),
    }
    if not await repository.add_statement(session, values):
        raise StatementSeen("It was taken in before: its differences are where they were.")
    await repository.stage(session, rows)
    row = await repository.judge(session, statement_id, agent.code, min(days), max(days), len(rows))
    detail = {"agent": agent.code, "lines": row.lines, "matched": row.matched, "missing": row.missing}
    await audit.record(session, principal, "cash_statement.take", "cash_statement", str(statement_id), detail)
    return row


def _read(statement_id: UUID, body: bytes) -> list[tuple[Any, ...]]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid("The file is not UTF-8.", errors=[FieldError("body", "encoding", "Send UTF-8.")]) from None
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        heading = next(reader, [])
        if [name.strip().lower() for name in heading] != HEADER:
            problem = FieldError("body", "bad_heading", f"The first line is {','.join(HEADER)}.")
            raise Invalid("The heading is not the one expected.", errors=[problem])
        lines = [line for line in reader if line]
    except csv.Error:
        raise Invalid("The file is no CSV.", errors=[FieldError("body", "bad_csv", "Send CSV.")]) from None
    return [_row(statement_id, number, line) for number, line in enumerate(lines, start=1)]


def _row(statement_id: UUID, number: int, line: list[str]) -> tuple[Any, ...]:
    """A line as it is stored; one that cannot be read keeps its number and nothing of its text."""
    try:
        on, payment, amount, currency, own = (value.strip() for value in line)
        day, exact = date.fromisoformat(on), check_amount(Decimal(amount), currency)
        if not payment or len(payment) > _TEXT or len(own) > _TEXT or "\x00" in payment + own:
            raise ValueError("a reference is missing or too long")
    except (ValueError, InvalidOperation, MoneyError):
        return statement_id, number, None, "", "", None, "", StatementVerdict.UNREADABLE.value
    return statement_id, number, day, payment, own, exact, currency, ""


async def resolve_line(
    session: AsyncSession, context: Context, principal: Principal, statement_id: UUID, line: int, resolution: str
) -> Record:
    """A person says what a difference was.

    Raises:
        StatementLineNotFound: no such open line.
    """
    now = context.clock.now()
    row = await repository.resolve(session, statement_id, line, resolution, principal.subject, now)
    if row is None:
        raise StatementLineNotFound("It agrees, or somebody resolved it.")
    detail = {"line": line, "verdict": row.verdict, "resolution": resolution}
    await audit.record(session, principal, "cash_statement.resolve", "cash_statement", str(statement_id), detail)
    return row
