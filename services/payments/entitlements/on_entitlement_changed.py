"""entitlement.granted and .revoked: keep what is owed, under the identity its payment will have."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.entitlements import repository
from services.payments.instructions.model import payment_id
from shared.consumer import Received
from shared.contracts.eligibility import EntitlementGranted, EntitlementRevoked
from shared.money import check_amount
from shared.service import Context


async def on_entitlement_changed(context: Context, session: AsyncSession, events: Sequence[Received[Any]]) -> None:
    """Project grants, then withdrawals: versions decide, so their order in the batch does not matter.

    Raises:
        MoneyError: an amount finer than its currency's unit: the event is parked, not rounded (fault 5).
    """
    granted = [_row(event.payload) for event in events if isinstance(event.payload, EntitlementGranted)]
    withdrawn = [event.payload for event in events if isinstance(event.payload, EntitlementRevoked)]
    newest = {item.entitlement_id: item for item in sorted(withdrawn, key=lambda item: item.version)}
    revoked = [(item.entitlement_id, item.cause, item.version) for item in newest.values()]
    if granted:
        await repository.save_entitlements(session, granted)
    if revoked:
        await repository.revoke_entitlements(session, revoked)


def _row(payload: EntitlementGranted) -> dict[str, Any]:
    amount = check_amount(payload.amount, payload.currency)
    return {
        "id": payload.entitlement_id,
        "payment_id": payment_id(payload.programme_code, payload.cycle_id, payload.beneficiary_id, payload.component),
        "cycle_id": payload.cycle_id,
        "programme_code": payload.programme_code,
        "programme_version": payload.programme_version,
        "period": payload.period,
        "beneficiary_id": payload.beneficiary_id,
        "beneficiary_reference": payload.beneficiary_reference,
        "village_code": payload.village_code,
        "component": payload.component,
        "amount": str(amount),
        "currency": payload.currency,
        "lines": [line.model_dump(mode="json") for line in payload.lines],
        "lines_agree": _owed(payload) == amount,
        "unconfirmed": payload.unconfirmed,
        "decision_id": payload.decision_id,
        "revoked_cause": None,
        "version": payload.version,
    }


def _owed(payload: EntitlementGranted) -> Decimal:
    """Benefit and arrears of the lines, less what is recovered."""
    return sum((-line.amount if line.kind == "recovery" else line.amount for line in payload.lines), Decimal(0))
