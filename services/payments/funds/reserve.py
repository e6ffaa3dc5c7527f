"""Nothing is promised beyond what the funds have available."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.errors import FundInsufficient, FundNotFound
from services.payments.fields import plain
from services.payments.funds import repository
from services.payments.ledger.reading_repository import available_in_fund


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
        raise _insufficient(fund_code, fund.currency, available, amount)


async def lock_available(session: AsyncSession, fund_codes: Sequence[str]) -> dict[str, Decimal]:
    """Lock several funds, in the order of their codes, and tell what each can spare; the order given is kept."""
    await repository.lock_funds(session, fund_codes)
    return {code: Decimal(await available_in_fund(session, code)) for code in fund_codes}


def refuse_shortage(currency: str, available: dict[str, Decimal], needed: Decimal) -> None:
    """Raise FundInsufficient when all these funds together cannot spare `needed`."""
    together = sum(available.values(), Decimal(0))
    if together < needed:
        raise _insufficient(", ".join(available), currency, together, needed, available)


def _insufficient(
    code: str, currency: str, available: Any, needed: Decimal, funds: dict[str, Decimal] | None = None
) -> FundInsufficient:
    return FundInsufficient(
        "Ask the finance ministry for an allotment or a release, or pay a smaller list.",
        fund_code=code,
        currency=currency,
        available=plain(available),
        needed=plain(needed),
        funds=[{"fund_code": one, "available": plain(money)} for one, money in (funds or {code: available}).items()],
    )
