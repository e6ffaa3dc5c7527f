"""Pay again what failed, came back or was not collected: attempt n + 1, to the account as it is now."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.accounts.repository import current_account
from services.payments.collections import refund_repository as refunds
from services.payments.days import local_day
from services.payments.emergency_stops.check import ensure_not_stopped, ensure_person_not_stopped
from services.payments.entitlements.repository import is_held
from services.payments.errors import (
    AccountCooling,
    AccountUnchanged,
    NoAccount,
    NotReissuable,
    PaymentHeld,
    PaymentNotFound,
    SamePerson,
)
from services.payments.funds.reserve import ensure_available
from services.payments.identities.repository import paid_as_another
from services.payments.instructions import repository
from services.payments.instructions.disburse import queue_attempt
from services.payments.instructions.model import REISSUABLE, attempt_id
from services.payments.ledger.repository import movements, open_programme_accounts, post
from services.payments.metadata import Record
from services.payments.rails.form_batches import FORM
from services.payments.remedies.answer_remedies import answer_waiting
from shared import audit
from shared.auth import Principal
from shared.jobs import enqueue

_RESERVE = movements(
    """
    SELECT CAST(:attempt AS uuid) AS subject_id, 'reserve' AS kind, 0 AS number, CAST(:on AS date) AS effective_on,
           p.fund_code, p.programme_code, '' AS rail, '' AS party, p.amount, p.currency
    FROM payment p WHERE p.id = :payment
    """
)


async def reissue_payment(
    session: AsyncSession, principal: Principal, payment_id: UUID, *, same_account: bool, reason: str, now: datetime
) -> Record:
    """Lock the payment, check that its money is back, reserve it again, queue the next attempt.

    Args:
        same_account: pay to the account that was tried last, on purpose (the bank corrected its side).

    Raises:
        PaymentNotFound, NotReissuable, PaymentHeld, NoAccount, AccountUnchanged, AccountCooling, FundInsufficient,
        EmergencyStopped.
        SamePerson: she changed the account herself, and nobody else has looked at the change; or the case that asks for
            it is her own.
    """
    payment = await repository.payment_by_id(session, payment_id, lock=True)
    if payment is None or not principal.covers(payment.village_code):
        raise PaymentNotFound("Look at the id again, or ask an officer of that area.")
    if payment.status not in REISSUABLE:
        raise NotReissuable(
            f"It is {payment.status}: only failed, returned and expired payments are paid again.",
            payment_status=payment.status,
        )
    await _ensure_free(session, payment, now)
    twin = await paid_as_another(session, payment)
    if twin is not None:
        raise NotReissuable(
            "The same benefit is paid, or on its way, under another record of this beneficiary.", payment_id=str(twin)
        )
    unexplained = await repository.unexplained_money(session, payment_id)
    if unexplained is not None:
        raise NotReissuable(
            "The rail booked money for it that nobody has explained: resolve that break first.",
            break_id=str(unexplained),
        )
    account = await _choose_account(session, principal, payment, same_account=same_account, now=now)
    for asked_by in await repository.remedies_asked_by(session, payment_id):
        if asked_by == principal.subject:
            raise SamePerson("You asked for it yourself in a case: somebody else must pay it again.")
    _, changed = await instruct_again(session, payment, account, local_day(now))
    await answer_waiting(session, payment_id)
    await enqueue(session, FORM, {}, key=FORM)
    detail = {"attempt": changed.attempt, "reason": reason, "same_account": same_account}
    await audit.record(session, principal, "payment.reissue", "payment", str(payment_id), detail)
    return changed


async def instruct_again(session: AsyncSession, payment: Record, account: Any, today: date) -> tuple[UUID, Record]:
    """Reserve and instruct a locked payment whose money is back in the fund, as its next attempt, queued.

    Args:
        account: where to: id, version, token, rail, provider.

    Returns:
        The attempt's id, and the payment.

    Raises:
        FundInsufficient, NotReissuable: it is a refund that was given up.
    """
    await ensure_available(session, payment.fund_code, payment.amount)
    await open_programme_accounts(session, payment.fund_code, payment.programme_code, payment.currency, [account.rail])
    new_id = attempt_id(payment.id, payment.attempt + 1)
    changed = await repository.add_attempt(session, payment, new_id, account)
    if payment.programme_code == refunds.PROGRAMME and not await refunds.sent_again(session, payment.id):
        raise NotReissuable("The refund was given up: propose another.", payment_status="cancelled")
    await post(session, _RESERVE, {"attempt": new_id, "payment": payment.id, "on": today})
    await queue_attempt(session, new_id, today)
    return new_id, changed


async def _ensure_free(session: AsyncSession, payment: Record, now: datetime) -> None:
    if await is_held(session, payment.id, local_day(now)):
        raise PaymentHeld("Release the hold first.")
    await ensure_not_stopped(session, programme_code=payment.programme_code, fund_codes=[payment.fund_code])
    await ensure_person_not_stopped(session, payment.beneficiary_id)


async def _choose_account(
    session: AsyncSession, principal: Principal, payment: Record, *, same_account: bool, now: datetime
) -> Record:
    """The account it is paid to: not the one that failed, and not one that the same officer has just redirected."""
    account = await current_account(session, payment.beneficiary_id, payment.programme_code)
    if account is None:
        raise NoAccount("Add an account first.")
    last = (await repository.attempts_of(session, payment.id))[-1]
    unchanged = (account.id, account.version) == (last.account_id, last.account_version)
    if unchanged and not same_account:
        raise AccountUnchanged("Correct the account first, or say same_account: true.")
    if account.confirmed_by is None and not unchanged:
        if account.changed_by == principal.subject:
            raise SamePerson("You changed the account: somebody else must confirm the change, or pay it again.")
        if account.usable_from is not None and account.usable_from > now:
            raise AccountCooling(
                "Have another person confirm the change, or wait.", usable_from=str(account.usable_from)
            )
    await ensure_not_stopped(session, rail=account.rail)
    return account
