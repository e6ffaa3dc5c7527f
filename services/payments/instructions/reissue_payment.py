"""Pay again what failed, came back or was not collected: attempt n + 1, to the account as it is now."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.accounts.repository import current_account
from services.payments.entitlements.repository import is_held
from services.payments.errors import AccountUnchanged, NoAccount, NotReissuable, PaymentHeld, PaymentNotFound
from services.payments.funds.reserve import ensure_available
from services.payments.instructions import repository
from services.payments.instructions.disburse import queue_attempt
from services.payments.instructions.model import REISSUABLE, attempt_id
from services.payments.ledger.repository import movements, post
from services.payments.metadata import Record
from services.payments.rails.wiring import FORM
from shared import audit
from shared.auth import Principal
from shared.jobs import enqueue

_RESERVE = movements(
    """
    SELECT 'reserve:' || CAST(CAST(:attempt AS uuid) AS text) AS reference, 'reserve' AS kind, p.id AS payment_id,
           CAST(:attempt AS uuid) AS attempt_id, p.payment_list_id, CAST(:on AS date) AS effective_on, p.fund_code,
           p.programme_code, '' AS rail, p.amount, p.currency
    FROM payment p WHERE p.id = :payment
    """
)


async def reissue_payment(
    session: AsyncSession, principal: Principal, payment_id: UUID, *, same_account: bool, reason: str, today: date
) -> Record:
    """Lock the payment, check that its money is back, reserve it again, queue the next attempt.

    Args:
        same_account: pay to the account that was tried last, on purpose (the bank corrected its side).

    Raises:
        PaymentNotFound, NotReissuable, PaymentHeld, NoAccount, AccountUnchanged, FundInsufficient.
    """
    payment = await repository.payment_by_id(session, payment_id, lock=True)
    if payment is None or not principal.covers(payment.village_code):
        raise PaymentNotFound("Look at the id again, or ask an officer of that area.")
    if payment.status not in REISSUABLE:
        raise NotReissuable(
            f"It is {payment.status}: only failed, returned and expired payments are paid again.",
            payment_status=payment.status,
        )
    if await is_held(session, payment_id, today):
        raise PaymentHeld("Release the hold first.")
    account = await current_account(session, payment.beneficiary_id, payment.programme_code)
    if account is None:
        raise NoAccount("Add an account first.")
    last = (await repository.attempts_of(session, payment_id))[-1]
    if (account.id, account.version) == (last.account_id, last.account_version) and not same_account:
        raise AccountUnchanged("Correct the account first, or say same_account: true.")
    await ensure_available(session, payment.fund_code, payment.amount)
    new_id = attempt_id(payment_id, payment.attempt + 1)
    changed = await repository.add_attempt(session, payment, new_id, account)
    await post(session, _RESERVE, {"attempt": new_id, "payment": payment_id, "on": today})
    await queue_attempt(session, new_id, today)
    await enqueue(session, FORM, {}, key=FORM)
    detail = {"attempt": changed.attempt, "reason": reason, "same_account": same_account}
    await audit.record(session, principal, "payment.reissue", "payment", str(payment_id), detail)
    return changed
