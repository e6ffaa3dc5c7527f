"""Change an account: a new number, another preference, closed, confirmed. Every version is kept, none is deleted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.accounts import repository
from services.payments.accounts.add_account import ensure_valid, sealing
from services.payments.accounts.model import AccountStatus, Validation, seal
from services.payments.accounts.schemas import AccountChange, PreferenceIn
from services.payments.errors import AccountExists, AccountNotFound, AccountState, SamePerson
from services.payments.resources import Resources
from shared import audit
from shared.auth import Principal
from shared.etag import check_version


async def change_account(
    session: AsyncSession,
    principal: Principal,
    resources: Resources,
    account_id: UUID,
    body: AccountChange,
    version: int,
    now: datetime,
    cooling_hours: int,
) -> Any:
    """Lock, authorise, compare versions, seal, store, audit.

    The new number is not paid to before the cooling-off is over, unless a second person confirms the change. A payment
    that was approved for the version before is not redirected: disbursing stops it and gives the money back (reason
    `account_changed`), and it can be re-issued to the new number.

    Raises:
        AccountNotFound, AccountState, PreconditionFailed, Invalid.
    """
    row = await locked(session, principal, account_id, version)
    ensure_valid(body, row.purpose)
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
        "rail": body.rail,
        "provider": body.provider,
        **repository.sealed_values(sealed),
        "verified_at": None,
        "validation": Validation.UNKNOWN.value,
        "usable_from": now + timedelta(hours=cooling_hours),
    }
    proof = sealing(resources, body.proof)
    changed = await repository.change_account(session, account_id, values, principal.subject, body.reason, proof)
    detail = {"version": changed.version, "rail": body.rail, "reason": body.reason, "proof": body.proof.kind}
    await audit.record(session, principal, "account.change", "account", str(account_id), detail)
    return changed


async def prefer_account(
    session: AsyncSession,
    principal: Principal,
    resources: Resources,
    account_id: UUID,
    body: PreferenceIn,
    version: int,
    now: datetime,
    cooling_hours: int,
) -> Any:
    """Give an account another place among those of its purpose. It redirects money as a new number does: it cools off.

    Raises:
        AccountNotFound, AccountState, PreconditionFailed. AccountExists: another account has that place.
    """
    await locked(session, principal, account_id, version)
    values = {"preference": body.preference, "usable_from": now + timedelta(hours=cooling_hours)}
    proof = sealing(resources, body.proof)
    try:
        async with session.begin_nested():
            changed = await repository.change_account(
                session, account_id, values, principal.subject, "preference changed", proof
            )
    except IntegrityError:
        raise AccountExists("Another account of this purpose has that preference: move that one first.") from None
    detail = {"version": changed.version, "preference": body.preference, "proof": body.proof.kind}
    await audit.record(session, principal, "account.prefer", "account", str(account_id), detail)
    return changed


async def close_account(
    session: AsyncSession, principal: Principal, account_id: UUID, reason: str, version: int
) -> Any:
    """Close an account: it is kept, and never paid to again. Payments approved for it are stopped.

    Raises:
        AccountNotFound, AccountState, PreconditionFailed.
    """
    await locked(session, principal, account_id, version)
    values = {"status": AccountStatus.CLOSED.value}
    changed = await repository.change_account(session, account_id, values, principal.subject, reason, None)
    detail = {"version": changed.version, "reason": reason}
    await audit.record(session, principal, "account.close", "account", str(account_id), detail)
    return changed


async def confirm_account(
    session: AsyncSession, principal: Principal, account_id: UUID, reason: str, version: int
) -> Any:
    """A second person looked at the proof: the cooling-off is over.

    Raises:
        AccountNotFound, AccountState, PreconditionFailed.
        SamePerson: she made the change herself.
    """
    row = await locked(session, principal, account_id, version)
    if row.changed_by == principal.subject:
        raise SamePerson("You made this change: somebody else must look at its proof.")
    noted = await repository.note(session, account_id, confirmed_by=principal.subject)
    detail = {"version": row.version, "reason": reason}
    await audit.record(session, principal, "account.confirm", "account", str(account_id), detail)
    return noted


async def locked(session: AsyncSession, principal: Principal, account_id: UUID, version: int) -> Any:
    """An active account in the caller's area, of the version she saw, locked.

    Raises:
        AccountNotFound, PreconditionFailed, AccountState.
    """
    row = await repository.account_by_id(session, account_id, lock=True)
    if row is None or not principal.covers(row.village_code):
        raise AccountNotFound("Look at the id again, or ask an officer of that area.")
    check_version(version, row.version)
    if row.status != AccountStatus.ACTIVE:
        raise AccountState("It is closed: add another account.")
    return row
