"""Ask for a cycle's payment list: refuse at once what can be refused, queue the rest."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.emergency_stops.check import ensure_not_stopped
from services.payments.entitlements.repository import count_entitlements, cycle_by_id
from services.payments.errors import (
    CycleNotClosed,
    EntitlementsIncomplete,
    FundAmbiguous,
    FundNotFound,
    ListExists,
    NoFund,
)
from services.payments.funds.repository import fund_by_code, funds_for
from services.payments.ledger.repository import open_programme_accounts
from services.payments.lists import repository
from services.payments.lists.model import Action
from shared import audit
from shared.auth import Principal, ensure_area
from shared.errors import FieldError
from shared.ids import uuid7
from shared.jobs import enqueue

JOB = "build_payment_list"


async def start_list(
    session: AsyncSession, principal: Principal, cycle_id: UUID, fund_codes: Sequence[str]
) -> tuple[UUID, UUID]:
    """Open the list and queue its building.

    Returns:
        (job id, list id).

    Raises:
        CycleNotClosed, EntitlementsIncomplete: the events have not all arrived; try again shortly.
        NoFund, FundAmbiguous, FundNotFound, ListExists (fault 10), OutsideArea, EmergencyStopped.
    """
    ensure_area(principal, None)
    cycle = await cycle_by_id(session, cycle_id)
    if cycle is None:
        raise CycleNotClosed("Close the cycle first, or wait until its closing has arrived.")
    existing = await repository.list_of_cycle(session, cycle_id)
    if existing is not None:
        raise ListExists("Use that list, or reject it first.", payment_list_id=str(existing.id))
    received = await count_entitlements(session, cycle_id)
    if received < cycle.count:
        raise EntitlementsIncomplete(
            "They are on their way: try again in a few seconds.",
            headers={"Retry-After": "2"},
            announced=cycle.count,
            received=received,
        )
    await ensure_not_stopped(session, programme_code=cycle.programme_code)
    funds = await _choose_funds(session, cycle.funding_line, cycle.currency, fund_codes)
    list_id = uuid7()
    row = await repository.add_list(session, list_id, cycle_id, funds, principal.subject)
    if row is None:
        raise ListExists("Somebody else has just asked for it.")
    for fund in funds:
        await open_programme_accounts(session, fund, row.programme_code, row.currency)
    await repository.add_step(session, list_id, Action.BUILD, principal.subject, content_hash=None)
    detail = {"cycle_id": str(cycle_id), "funds": funds}
    await audit.record(session, principal, "payment_list.build", "payment_list", str(list_id), detail)
    return await enqueue(session, JOB, {"payment_list_id": str(list_id)}, key=str(list_id)), list_id


async def _choose_funds(session: AsyncSession, funding_line: str, currency: str, wanted: Sequence[str]) -> list[str]:
    """The funds named, in the order named; else all that serve the line, in the order of their priority."""
    for code in wanted:
        fund = await fund_by_code(session, code)
        if fund is None:
            raise FundNotFound("Look at the code again.")
        if funding_line not in fund.programme_lines or fund.currency != currency:
            raise NoFund(
                f"Fund {code} does not serve {funding_line} in {currency}.",
                errors=[FieldError("fund_code", "wrong_fund", "Name a fund of this line and currency.")],
            )
    if wanted:
        return list(dict.fromkeys(wanted))
    serving = await funds_for(session, funding_line, currency)
    if not serving:
        raise NoFund(f"Open a fund for {funding_line} in {currency} first.")
    codes = [fund.code for fund in serving]
    if len({fund.priority for fund in serving}) < len(serving):
        raise FundAmbiguous("Name them in fund_codes, in the order in which they pay.", funds=codes)
    return codes
