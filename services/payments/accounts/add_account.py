"""Add one account."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.accounts import repository
from services.payments.accounts.model import find_faults, seal
from services.payments.accounts.schemas import AccountChange, AccountIn
from services.payments.entitlements.repository import village_of
from services.payments.errors import AccountExists, UnknownBeneficiary
from services.payments.resources import Resources
from shared import audit
from shared.auth import Principal, ensure_area
from shared.errors import FieldError, Invalid


async def add_account(session: AsyncSession, principal: Principal, resources: Resources, body: AccountIn) -> Any:
    """Authorise by the beneficiary's village, validate, seal, store, audit.

    Raises:
        UnknownBeneficiary, OutsideArea, Invalid, AccountExists.
    """
    village = await village_of(session, body.beneficiary_id)
    if village is None:
        raise UnknownBeneficiary(
            "Enrol the beneficiary first.",
            errors=[FieldError("beneficiary_id", "unknown_beneficiary", "No enrolment or entitlement is known.")],
        )
    ensure_area(principal, village)
    ensure_valid(body, body.purpose)
    sealed = seal(
        resources.cipher, resources.number_hash, body.rail, body.provider, body.account_number, body.holder_name
    )
    values = {
        "beneficiary_id": body.beneficiary_id,
        "rail": body.rail,
        "provider": body.provider,
        "purpose": body.purpose,
        "village_code": village,
    }
    row = await repository.add_account(session, values, sealed, principal.subject)
    if row is None:
        raise AccountExists("Change that account instead: PUT /payments/v1/accounts/{id}.")
    await audit.record(session, principal, "account.add", "account", str(row.id), {"rail": body.rail})
    return row


def ensure_valid(body: AccountIn | AccountChange, purpose: str) -> None:
    """Raise Invalid, naming each field that is wrong."""
    faults = find_faults(body.rail, body.provider, body.account_number, body.holder_name, purpose)
    if faults:
        errors = [FieldError(fault.field, fault.code, fault.message) for fault in faults]
        raise Invalid("Correct the fields named in errors.", errors=errors)
