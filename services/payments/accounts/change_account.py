"""Give an account a new number: the next version, the old ones kept."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.accounts import repository
from services.payments.accounts.add_account import ensure_valid
from services.payments.accounts.model import seal
from services.payments.accounts.schemas import AccountChange
from services.payments.errors import AccountNotFound
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
) -> Any:
    """Lock, authorise, compare versions, seal, store, audit.

    A payment that was approved for the version before is not redirected: disbursing stops it and gives the money
    back (reason `account_changed`), and it can be re-issued to the new number.

    Raises:
        AccountNotFound, PreconditionFailed, Invalid.
    """
    row = await repository.account_by_id(session, account_id, lock=True)
    if row is None or not principal.covers(row.village_code):
        raise AccountNotFound("Look at the id again, or ask an officer of that area.")
    check_version(version, row.version)
    ensure_valid(body, row.purpose)
    sealed = seal(
        resources.cipher, resources.number_hash, body.rail, body.provider, body.account_number, body.holder_name
    )
    values = {"rail": body.rail, "provider": body.provider}
    changed = await repository.change_account(session, account_id, values, sealed, principal.subject, body.reason)
    detail = {"version": changed.version, "rail": body.rail, "reason": body.reason}
    await audit.record(session, principal, "account.change", "account", str(account_id), detail)
    return changed
