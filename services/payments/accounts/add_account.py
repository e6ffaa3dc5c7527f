"""Add one account."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.accounts import repository
from services.payments.accounts.model import PROOF_CONTEXT, Sealing, find_faults, seal
from services.payments.accounts.schemas import AccountChange, AccountIn, Proof
from services.payments.entitlements.repository import village_of
from services.payments.errors import AccountExists, ProofNeeded, UnknownBeneficiary
from services.payments.resources import Resources
from shared import audit
from shared.auth import Principal, ensure_area
from shared.errors import FieldError, Invalid


async def add_account(
    session: AsyncSession, principal: Principal, resources: Resources, body: AccountIn, now: datetime, cooling_hours:
    int
) -> Any:  # fmt: skip
    """Authorise by the beneficiary's village, validate, seal, store, audit.

    The first account may be paid to at once. A further one needs proof and cools off, since it may redirect the
    money of
    somebody who is paid elsewhere.

    Raises:
        UnknownBeneficiary, OutsideArea, Invalid, ProofNeeded, AccountExists.
    """
    village = await village_of(session, body.beneficiary_id)
    if village is None:
        raise UnknownBeneficiary(
            "Enrol the beneficiary first.",
            errors=[FieldError("beneficiary_id", "unknown_beneficiary", "No enrolment or entitlement is known.")],
        )
    ensure_area(principal, village)
    ensure_valid(body, body.purpose)
    further = await repository.has_account(session, body.beneficiary_id)
    if further and body.proof is None:
        message = "The beneficiary has an account already: say what shows that she wants another."
        raise ProofNeeded("Add proof.", errors=[FieldError("proof", "proof_needed", message)])
    sealed = seal(
        resources.cipher,
        resources.number_hash,
        body.rail,
        body.provider,
        body.account_number,
        body.holder_name,
        str(body.holder_birth_date or ""),
    )
    values = {
        "beneficiary_id": body.beneficiary_id,
        "rail": body.rail,
        "provider": body.provider,
        "purpose": body.purpose,
        "preference": body.preference,
        "village_code": village,
        "usable_from": now + timedelta(hours=cooling_hours) if further else None,
    }
    row = await repository.add_account(session, values, sealed, principal.subject, sealing(resources, body.proof))
    if row is None:
        raise AccountExists("Change that account (PUT /payments/v1/accounts/{id}), or give another preference.")
    detail = {"rail": body.rail, "preference": body.preference, "proof": body.proof.kind if body.proof else None}
    await audit.record(session, principal, "account.add", "account", str(row.id), detail)
    return row


def sealing(resources: Resources, proof: Proof | None) -> Sealing | None:
    """A proof as it is stored."""
    return None if proof is None else Sealing(proof.kind, resources.cipher.encrypt(proof.reference, PROOF_CONTEXT))


def ensure_valid(body: AccountIn | AccountChange, purpose: str) -> None:
    """Raise Invalid, naming each field that is wrong."""
    faults = find_faults(body.rail, body.provider, body.account_number, body.holder_name, purpose)
    if faults:
        errors = [FieldError(fault.field, fault.code, fault.message) for fault in faults]
        raise Invalid("Correct the fields named in errors.", errors=errors)
