"""What an agent holds, or is owed, in the books: one account per fund and agent.

float_out   a transfer to the agent: she holds more of our money (or is owed less)
float_in    she paid out: she holds less (or is owed more)
"""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.ledger.model import AccountType, MovementKind
from services.payments.ledger.repository import movements, open_accounts, post
from services.payments.rails.names import CASH

_FLOAT = movements(
    """
    SELECT CAST(:subject AS uuid) AS subject_id, CAST(:kind AS text) AS kind, 0 AS number,
           CAST(:on AS date) AS effective_on, CAST(:fund AS text) AS fund_code, '' AS programme_code,
           CAST(:rail AS text) AS rail, CAST(:agent AS text) AS party, CAST(:amount AS numeric(18, 2)) AS amount,
           CAST(:currency AS text) AS currency
    """
)


async def book_float(
    session: AsyncSession, kind: MovementKind, subject: UUID, agent: str, fund_code: str, money: Any, on: date
) -> None:
    """Book a transfer to an agent, or what she paid out, once per subject, in this transaction.

    Args:
        subject: the settlement, or the attempt that was paid.
        money: has `amount` and `currency`.
    """
    await open_accounts(session, fund_code, money.currency, [AccountType.CLEARING], rail=CASH)
    await open_accounts(session, fund_code, money.currency, [AccountType.AGENT_FLOAT], rail=CASH, party=agent)
    values = {
        "subject": subject,
        "kind": kind.value,
        "on": on,
        "fund": fund_code,
        "rail": CASH,
        "agent": agent,
        "amount": money.amount,
        "currency": money.currency,
    }
    await post(session, _FLOAT, values)
