"""Give an employer back what she paid too much: proposed by one person, approved by another, sent by a rail.

The approval makes a payment of its own: reserved in the fund, instructed, in transit, like any other; it can fail, come
back and be issued again (`/payments/{id}:reissue`). What the employer has in her favour is smaller from the proposal
on, and booked as given back when the rail has paid it.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.accounts import repository as accounts
from services.payments.accounts.add_account import ensure_valid
from services.payments.accounts.model import seal
from services.payments.accounts.schemas import AccountIn
from services.payments.collections import refund_repository, repository
from services.payments.collections.refund_repository import PROGRAMME
from services.payments.days import local_day
from services.payments.emergency_stops.check import ensure_not_stopped, ensure_person_not_stopped
from services.payments.errors import CollectionState, EmployerNotFound, NoAccount, SamePerson
from services.payments.fields import plain
from services.payments.funds.change_fund import checked, locked
from services.payments.funds.reserve import ensure_available
from services.payments.instructions.disburse import queue_attempt
from services.payments.instructions.model import attempt_id
from services.payments.ledger.repository import open_programme_accounts
from services.payments.metadata import Record
from services.payments.rails.wiring import FORM
from services.payments.resources import Resources
from shared import audit
from shared.auth import Principal, ensure_area
from shared.ids import deterministic_uuid
from shared.jobs import enqueue


async def propose_refund(
    session: AsyncSession,
    principal: Principal,
    resources: Resources,
    fund_code: str,
    employer: UUID,
    amount: Decimal,
    reference: str,
    account: AccountIn | None,
    place_code: str,
    now: datetime,
) -> Record:
    """Propose to give an over-payment back, to the account given or the one that is known.

    Raises:
        OutsideArea, FundNotFound, Invalid. CollectionState: more than is over, or the reference was used.
        NoAccount: none is known and none is given.
    """
    fund = await locked(session, principal, fund_code)
    exact = checked(amount, fund.currency, "amount")
    await repository.lock_employer(session, fund_code, employer)
    over = await repository.in_favour(session, fund_code, employer)
    if exact > over:
        raise CollectionState(f"Only {plain(over)} is over.", over=plain(over))
    paid_to = await _account(session, principal, resources, employer, account, place_code)
    values = {"fund": fund_code, "employer": employer, "kind": "refund", "amount": exact, "status": "proposed"}
    values |= {"currency": fund.currency, "on": local_day(now), "reference": reference, "by": principal.subject}
    refund = await repository.add_receipt(session, values | {"account": paid_to})
    if refund is None:
        raise CollectionState("This reference was used before.")
    detail = {"employer": str(employer), "amount": plain(exact), "account_id": str(paid_to)}
    await audit.record(session, principal, "contribution.propose_refund", "refund", str(refund.id), detail)
    return refund


async def _account(
    session: AsyncSession,
    principal: Principal,
    resources: Resources,
    employer: UUID,
    given: AccountIn | None,
    place_code: str,
) -> UUID:
    """The employer's account for refunds; another one replaces the one before, which is closed and kept."""
    known = await accounts.current_account(session, employer, PROGRAMME)
    if given is None:
        if known is None:
            raise NoAccount("Give the employer's account with the refund.")
        found: UUID = known.id
        return found
    ensure_valid(given, PROGRAMME)
    sealed = seal(resources.cipher, resources.number_hash, given.rail, given.provider, given.account_number,
                  given.holder_name)  # fmt: skip
    if known is not None:
        row = await accounts.account_by_id(session, known.id, lock=True)
        if row is not None and bytes(row.number_hash) == sealed.number_hash:
            kept: UUID = row.id
            return kept
        await accounts.change_account(session, known.id, {"status": "closed"}, principal.subject, "replaced", None)
    values = {"beneficiary_id": employer, "rail": given.rail, "provider": given.provider, "purpose": PROGRAMME,
              "preference": 1, "village_code": place_code}  # fmt: skip
    row = await accounts.add_account(session, values, sealed, principal.subject, None)
    if row is None:
        raise CollectionState("Somebody else has just given another account: look at it and try again.")
    await audit.record(session, principal, "account.add", "account", str(row.id), {"rail": given.rail})
    made: UUID = row.id
    return made


async def approve_refund(session: AsyncSession, principal: Principal, refund_id: UUID, now: datetime) -> Record:
    """Send it: the money is reserved and instructed at once. Not by who proposed it, with the account she gave.

    Raises:
        OutsideArea, EmployerNotFound, CollectionState, SamePerson, FundInsufficient, EmergencyStopped, NoAccount.
    """
    refund = await _refund(session, principal, refund_id, {"proposed"})
    if refund.created_by == principal.subject:
        raise SamePerson("You proposed this refund: somebody else must approve it.")
    account = await accounts.account_by_id(session, refund.account_id) if refund.account_id else None
    if account is None or account.status != "active":
        raise NoAccount("Its account was replaced or closed: cancel the refund and propose it again.")
    if account.changed_by == principal.subject:
        raise SamePerson("You gave the account: somebody else must approve the refund.")
    fund = await locked(session, principal, refund.fund_code)
    await ensure_not_stopped(session, programme_code=PROGRAMME, fund_codes=[fund.code], rail=account.rail)
    await ensure_person_not_stopped(session, refund.employer_id)
    await ensure_available(session, fund.code, refund.amount)
    await open_programme_accounts(session, fund.code, PROGRAMME, fund.currency, [account.rail])
    payment = deterministic_uuid("refund", str(refund_id))
    attempt = attempt_id(payment, 1)
    await refund_repository.add_payment(session, refund_id, payment, attempt, account.id, local_day(now))
    await queue_attempt(session, attempt, local_day(now))
    await enqueue(session, FORM, {}, key=FORM)
    sent = await repository.approve_refund(session, refund_id, principal.subject, payment)
    detail = {"employer": str(refund.employer_id), "amount": plain(refund.amount), "payment_id": str(payment)}
    await audit.record(session, principal, "contribution.approve_refund", "refund", str(refund_id), detail)
    return sent


async def cancel_refund(session: AsyncSession, principal: Principal, refund_id: UUID, reason: str) -> Record:
    """Give up a refund that was not sent, or that failed: what is over is the employer's again.

    Raises:
        OutsideArea, EmployerNotFound. CollectionState: it is on its way, paid or given up.
    """
    refund = await _refund(session, principal, refund_id, {"proposed", "failed"})
    cancelled = await repository.cancel_refund(session, refund_id)
    detail = {"employer": str(refund.employer_id), "reason": reason}
    await audit.record(session, principal, "contribution.cancel_refund", "refund", str(refund_id), detail)
    return cancelled


async def _refund(session: AsyncSession, principal: Principal, refund_id: UUID, states: set[str]) -> Any:
    ensure_area(principal, None)
    refund = await repository.refund_by_id(session, refund_id)
    if refund is None:
        raise EmployerNotFound("There is no such refund.")
    if refund.status not in states:
        raise CollectionState(f"It is {refund.status}.", refund_status=refund.status)
    return refund
