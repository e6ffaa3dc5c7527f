"""Nothing is promised beyond what a fund has available."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.errors import FundInsufficient, FundNotFound
from services.payments.fields import plain
from services.payments.funds import repository
from services.payments.ledger.repository import available_in_fund


async def ensure_available(session: AsyncSession, fund_code: str, amount: Decimal) -> None:
    """Lock the fund and check that it can spare `amount`: two officers at once cannot both take the last riel.

    Raises:
        FundNotFound: no such fund.
        FundInsufficient: with `available` and `needed` in the problem.
    """
    fund = await repository.fund_by_code(session, fund_code, lock=True)
    if fund is None:
        raise FundNotFound(f"There is no fund {fund_code}.")
    available = await available_in_fund(session, fund_code)
    if available < amount:
        raise FundInsufficient(
            "Ask the finance ministry for an allotment, or pay a smaller list.",
            fund_code=fund_code,
            currency=fund.currency,
            available=plain(available),
            needed=plain(amount),
        )
