"""Claim an over-payment back: proposed by one person, confirmed by another; then kept back, paid back or waived."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.errors import ClaimExists, ClaimNotFound, ClaimState, PaymentNotFound, SamePerson
from services.payments.fields import plain
from services.payments.funds.change_fund import checked
from services.payments.instructions import repository as payments
from services.payments.ledger.model import MovementKind
from services.payments.metadata import Record
from services.payments.recoveries import repository
from services.payments.recoveries.deductions import open_next_claims, spoken_for
from shared import audit
from shared.auth import Principal
from shared.etag import check_version


async def propose_claim(
    session: AsyncSession, principal: Principal, payment_id: UUID, amount: Decimal, cap_percent: int, reason: str
) -> Record:
    """Say that a settled payment was too much.

    Raises:
        PaymentNotFound, Invalid.
        ClaimState: it has not settled, or more would be claimed than was paid.
        ClaimExists: the beneficiary has a claim that is not over.
    """
    paid = await payments.payment_by_id(session, payment_id, lock=True)
    if paid is None or not principal.covers(paid.village_code):
        raise PaymentNotFound("Look at the id again, or ask an officer of that area.")
    exact = checked(amount, paid.currency, "amount")
    left = paid.amount - await repository.claimed_of(session, payment_id)
    if paid.status != "settled" or exact > left:
        raise ClaimState(
            f"Only what was paid is claimed back: the payment is {paid.status}, {plain(left)} is left of it."
        )
    last = (await payments.attempts_of(session, payment_id))[-1]
    names = ("beneficiary_id", "village_code", "programme_code", "fund_code", "currency")
    values: dict[str, Any] = {name: getattr(paid, name) for name in names}
    values |= {"payment_id": payment_id, "amount": exact, "rail": last.rail, "reason": reason}
    values |= {"monthly_cap_percent": cap_percent, "created_by": principal.subject}
    row = await repository.add_claim(session, values)
    if row is None:
        raise ClaimExists("Settle or waive the beneficiary's present claim first.")
    detail = {"payment_id": str(payment_id), "amount": plain(exact), "cap_percent": cap_percent}
    await audit.record(session, principal, "claim.propose", "claim", str(row.id), detail)
    return row


async def confirm_claim(
    session: AsyncSession, principal: Principal, claim_id: UUID, version: int, today: date
) -> Record:
    """Open a proposed claim; from here on it is kept back from the beneficiary's benefits.

    Raises:
        ClaimNotFound, PreconditionFailed, ClaimState, SamePerson.
    """
    row = await _locked(session, principal, claim_id, version, "proposed")
    if row.created_by == principal.subject:
        raise SamePerson("You proposed this claim: somebody else must confirm it.")
    await repository.move_claim(session, claim_id, MovementKind.CLAIM, claim_id, row.amount, today)
    changed = await repository.change_claim(session, claim_id, status="open", confirmed_by=principal.subject)
    await audit.record(session, principal, "claim.confirm", "claim", str(claim_id), {"amount": plain(row.amount)})
    return changed


async def receive_repayment(
    session: AsyncSession, principal: Principal, claim_id: UUID, version: int, amount: Decimal, document: str, today:
    date
) -> Record:  # fmt: skip
    """Money paid back by hand: into the fund, under a receipt.

    Raises:
        ClaimNotFound, PreconditionFailed, Invalid. ClaimState: not open, or more than is outstanding.
    """
    row = await _locked(session, principal, claim_id, version, "open")
    exact = checked(amount, row.currency, "amount")
    outstanding = row.amount - row.recovered - row.waived
    kept = await spoken_for(session, claim_id)
    if exact > outstanding - kept:
        raise ClaimState(
            f"{plain(outstanding)} is outstanding, of which {plain(kept)} is kept back of payments under way."
        )
    receipt = await repository.add_receipt(session, claim_id, exact, document, principal.subject)
    await repository.move_claim(session, claim_id, MovementKind.RECOVER, receipt.id, exact, today)
    status = "closed" if exact == outstanding else "open"
    changed = await repository.change_claim(session, claim_id, recovered=row.recovered + exact, status=status)
    await open_next_claims(session)
    detail = {"receipt": str(receipt.id), "amount": plain(exact), "document": document}
    await audit.record(session, principal, "claim.repay", "claim", str(claim_id), detail)
    return changed


async def waive_claim(
    session: AsyncSession, principal: Principal, claim_id: UUID, version: int, reason: str, today: date
) -> Record:
    """Give up what is outstanding (hardship, or the payment was right after all). Not by who proposed it.

    What is kept back of payments under way still counts towards the claim when they settle.

    Raises:
        ClaimNotFound, PreconditionFailed, SamePerson.
        ClaimState: not open, or all that is outstanding is kept back of payments under way.
    """
    row = await _locked(session, principal, claim_id, version, "open")
    if row.created_by == principal.subject:
        raise SamePerson("You proposed this claim: somebody else must waive it.")
    left = row.amount - row.recovered - row.waived - await spoken_for(session, claim_id)
    if left <= 0:
        raise ClaimState("All that is outstanding is kept back of payments under way: wait for their outcome.")
    await repository.move_claim(session, claim_id, MovementKind.WAIVE, claim_id, left, today)
    changed = await repository.change_claim(session, claim_id, waived=row.waived + left, status="waived")
    await open_next_claims(session)
    await audit.record(
        session, principal, "claim.waive", "claim", str(claim_id), {"waived": plain(left), "reason": reason}
    )
    return changed


async def _locked(session: AsyncSession, principal: Principal, claim_id: UUID, version: int, status: str) -> Record:
    row = await repository.claim_by_id(session, claim_id, lock=True)
    if row is None or not principal.covers(row.village_code):
        raise ClaimNotFound("Look at the id again, or ask an officer of that area.")
    check_version(version, row.version)
    if row.status != status:
        raise ClaimState(f"For this it must be {status}; it is {row.status}.")
    return row
