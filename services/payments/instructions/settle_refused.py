"""A payment that a rail refused, and paid all the same: on two persons' word it is paid, and is not paid again.

The refused attempt stays what it was. The money that went back to the fund is reserved and instructed anew, as for a
re-issue; only that this attempt is never sent, for the rail has carried it already, and settles at once.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from types import SimpleNamespace

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.errors import NotReissuable
from services.payments.instructions import repository
from services.payments.instructions.model import REISSUABLE, Outcome
from services.payments.instructions.outcomes import apply_outcomes
from services.payments.instructions.reissue_payment import instruct_again

_REFUSED = text("SELECT * FROM payment_attempt WHERE id = :id")
_CARRIED = text("UPDATE payment_attempt SET state = 'sent', updated_at = now() WHERE id = :id AND state = 'queued'")


async def settle_refused(session: AsyncSession, told: Outcome, today: date) -> None:
    """Settle the payment of a refused attempt.

    Arguments:
        told: what the rail booked, of the attempt that it had refused.

    Raises:
        NotReissuable: the payment was issued again since, so that it would be paid twice.
        FundInsufficient: its money was spent otherwise.
    """
    refused = (await session.execute(_REFUSED, {"id": told.attempt_id})).one()
    payment = await repository.payment_by_id(session, refused.payment_id, lock=True)
    if payment is None or payment.status not in REISSUABLE or payment.attempt != refused.attempt:
        raise NotReissuable("It was issued again since: what was booked for the refused attempt is another payment.")
    account = SimpleNamespace(
        id=refused.account_id,
        version=refused.account_version,
        token=refused.account_token,
        rail=refused.rail,
        provider=refused.provider,
    )
    new_id, _ = await instruct_again(session, payment, account, today)
    await session.execute(_CARRIED, {"id": new_id})
    applied = await apply_outcomes(session, [replace(told, attempt_id=new_id)])
    assert applied.applied == 1, "an attempt that was just made settles"
