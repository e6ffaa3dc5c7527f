"""Accounts over HTTP."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.accounts import import_repository, repository
from services.payments.accounts.add_account import add_account
from services.payments.accounts.change_account import (
    change_account,
    close_account,
    confirm_account,
    locked,
    prefer_account,
)
from services.payments.accounts.import_accounts import import_accounts
from services.payments.accounts.model import NUMBER_CONTEXT, masked
from services.payments.accounts.schemas import (
    AccountChange,
    AccountIn,
    AccountOut,
    Confirmation,
    FindingOut,
    ImportAccepted,
    ImportOut,
    PreferenceIn,
    VersionOut,
)
from services.payments.accounts.validation import JOB as VALIDATE
from services.payments.errors import (
    AccountExists,
    AccountNotFound,
    AccountState,
    ImportNotFound,
    ProofNeeded,
    SamePerson,
    UnknownBeneficiary,
)
from services.payments.lists.schemas import JobAccepted
from services.payments.resources import Resources
from shared import audit
from shared.auth import Principal, requires
from shared.errors import BadRequest, Invalid, PayloadTooLarge, PreconditionFailed, responses
from shared.etag import IfMatch, etag
from shared.http import ContextDep, Router, SessionDep
from shared.jobs import enqueue
from shared.pagination import Page, Paging

AccountWrite = Annotated[Principal, requires("payment_officer")]
AccountConfirm = Annotated[Principal, requires("payment_officer", "payment_approver")]
AccountRead = Annotated[Principal, requires("payment_officer", "auditor")]
router = Router(prefix="/payments/v1", tags=["accounts"])

CSV_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post("/accounts:import", status_code=202, openapi_extra=CSV_BODY, responses=responses(Invalid, PayloadTooLarge))
async def import_account_file(
    request: Request, principal: AccountWrite, session: SessionDep, context: ContextDep
) -> ImportAccepted:
    """Send a CSV of accounts: beneficiary_id,rail,provider,account_number,holder_name,purpose.

    Good lines are applied by the job, bad ones reported by line; sending the file again changes nothing.
    """
    request.state.body_was_streamed = True
    job_id, import_id = await import_accounts(
        session, principal, context.resources, request.stream(), context.settings.account_import_max_bytes
    )
    return ImportAccepted(job_id=job_id, import_id=import_id)


@router.get("/account-imports/{import_id}", responses=responses(ImportNotFound))
async def read_import(import_id: UUID, principal: AccountRead, session: SessionDep) -> ImportOut:
    """How an import went."""
    return ImportOut.model_validate(await _own_import(session, import_id, principal), from_attributes=True)


@router.get("/account-imports/{import_id}/rejections", responses=responses(ImportNotFound))
async def list_rejections(
    import_id: UUID, principal: AccountRead, session: SessionDep, paging: Paging
) -> Page[FindingOut]:
    """The lines that were refused or flagged, with field, code and message."""
    await _own_import(session, import_id, principal)
    rows = await import_repository.findings_of(session, import_id, _after_finding(paging.after()), paging.fetch)
    kept, cursor = paging.cut(rows, lambda row: {"line": row.line, "field": row.field, "code": row.code})
    return Page(items=[FindingOut.model_validate(row, from_attributes=True) for row in kept], next_cursor=cursor)


@router.post("/accounts", status_code=201, responses=responses(AccountExists, ProofNeeded, UnknownBeneficiary))
async def create_account(
    body: AccountIn, principal: AccountWrite, session: SessionDep, context: ContextDep, response: Response
) -> AccountOut:
    """Add an account for a beneficiary in your area; a further one with proof, and paid to after a cooling-off."""
    cooling = context.settings.account_cooling_off_hours
    row = await add_account(session, principal, context.resources, body, context.clock.now(), cooling)
    response.headers["ETag"] = etag(row.version)
    response.headers["Location"] = f"/payments/v1/accounts/{row.id}"
    return await _shown(session, context.resources, row)


@router.get("/accounts/{account_id}", responses=responses(AccountNotFound))
async def read_account(
    account_id: UUID, principal: AccountRead, session: SessionDep, context: ContextDep, response: Response
) -> AccountOut:
    """An account in your area. The look is recorded."""
    row = await repository.account_by_id(session, account_id)
    if row is None or not principal.covers(row.village_code):
        raise AccountNotFound("Look at the id again, or ask an officer of that area.")
    await audit.record(session, principal, "account.read", "account", str(account_id))
    response.headers["ETag"] = etag(row.version)
    return await _shown(session, context.resources, row)


@router.put("/accounts/{account_id}", responses=responses(AccountNotFound, PreconditionFailed, Invalid))
async def replace_account(
    account_id: UUID,
    body: AccountChange,
    version: IfMatch,
    principal: AccountWrite,
    session: SessionDep,
    context: ContextDep,
    response: Response,
) -> AccountOut:
    """Give an account a new number, with proof; it is paid to after a cooling-off, or once another person confirms it.

    Payments already approved are not redirected: they are stopped and returned.
    """
    cooling, now = context.settings.account_cooling_off_hours, context.clock.now()
    row = await change_account(session, principal, context.resources, account_id, body, version, now, cooling)
    response.headers["ETag"] = etag(row.version)
    return await _shown(session, context.resources, row)


_CHANGE_PROBLEMS = responses(AccountNotFound, AccountState, PreconditionFailed, Invalid)


@router.post("/accounts/{account_id}:confirm", responses=responses(AccountNotFound, SamePerson, PreconditionFailed))
async def confirm(
    account_id: UUID,
    body: Confirmation,
    version: IfMatch,
    principal: AccountConfirm,
    session: SessionDep,
    context: ContextDep,
    response: Response,
) -> AccountOut:
    """End the cooling-off of a change, having looked at its proof. Not by who made the change."""
    row = await confirm_account(session, principal, account_id, body.reason, version)
    response.headers["ETag"] = etag(row.version)
    return await _shown(session, context.resources, row)


@router.post("/accounts/{account_id}:prefer", responses=_CHANGE_PROBLEMS)
async def prefer(
    account_id: UUID,
    body: PreferenceIn,
    version: IfMatch,
    principal: AccountWrite,
    session: SessionDep,
    context: ContextDep,
    response: Response,
) -> AccountOut:
    """Give an account another place among those of its purpose, with proof; it cools off like a new number."""
    cooling, now = context.settings.account_cooling_off_hours, context.clock.now()
    row = await prefer_account(session, principal, context.resources, account_id, body, version, now, cooling)
    response.headers["ETag"] = etag(row.version)
    return await _shown(session, context.resources, row)


@router.post("/accounts/{account_id}:close", responses=_CHANGE_PROBLEMS)
async def close(
    account_id: UUID,
    body: Confirmation,
    version: IfMatch,
    principal: AccountWrite,
    session: SessionDep,
    context: ContextDep,
    response: Response,
) -> AccountOut:
    """Close an account. It stays on record; nothing is paid to it any more."""
    row = await close_account(session, principal, account_id, body.reason, version)
    response.headers["ETag"] = etag(row.version)
    return await _shown(session, context.resources, row)


@router.post("/accounts/{account_id}:validate", status_code=202, responses=responses(AccountNotFound, AccountState))
async def validate(account_id: UUID, version: IfMatch, principal: AccountWrite, session: SessionDep) -> JobAccepted:
    """Have the provider say whether number and name belong together; a job notes the answer on the account."""
    await locked(session, principal, account_id, version)
    await audit.record(session, principal, "account.ask_provider", "account", str(account_id))
    return JobAccepted(job_id=await enqueue(session, VALIDATE, {"account_id": str(account_id)}, key=str(account_id)))


@router.get("/accounts/{account_id}/history", responses=responses(AccountNotFound))
async def read_history(
    account_id: UUID, principal: AccountRead, session: SessionDep, context: ContextDep
) -> list[VersionOut]:
    """Every version of an account, masked, with who changed it and on what proof. The look is recorded."""
    row = await repository.account_by_id(session, account_id)
    if row is None or not principal.covers(row.village_code):
        raise AccountNotFound("Look at the id again, or ask an officer of that area.")
    await audit.record(session, principal, "account.read_history", "account", str(account_id))
    versions = await repository.history_of(session, account_id)
    return [_version(context.resources, version) for version in versions]


@router.get("/beneficiaries/{beneficiary_id}/accounts", responses=responses(AccountNotFound))
async def list_accounts(
    beneficiary_id: UUID, principal: AccountRead, session: SessionDep, context: ContextDep
) -> list[AccountOut]:
    """A beneficiary's accounts in your area, in the order in which they are paid to, closed ones too."""
    rows = [row for row in await repository.accounts_of(session, beneficiary_id) if principal.covers(row.village_code)]
    await audit.record(session, principal, "account.list", "beneficiary", str(beneficiary_id))
    return [await _shown(session, context.resources, row) for row in rows]


def _version(resources: Resources, row: Any) -> VersionOut:
    number = resources.cipher.decrypt(bytes(row.number_encrypted), NUMBER_CONTEXT)
    shown = {name: getattr(row, name) for name in VersionOut.model_fields if name != "account_number"}
    return VersionOut(**shown, account_number=masked(number))


async def _own_import(session: AsyncSession, import_id: UUID, principal: Principal) -> Any:
    row = await import_repository.import_by_id(session, import_id)
    if row is None or (row.created_by != principal.subject and not principal.has("auditor")):
        raise ImportNotFound("Look at the id again: only who sent a file sees it.")
    return row


async def _shown(session: AsyncSession, resources: Resources, row: Any) -> AccountOut:
    fields = {name: getattr(row, name) for name in AccountOut.model_fields if hasattr(row, name)}
    number = resources.cipher.decrypt(bytes(row.number_encrypted), NUMBER_CONTEXT)
    sharing = await repository.count_sharing(session, bytes(row.number_hash))
    return AccountOut(**fields, account_number=masked(number), shared_by=sharing)


def _after_finding(key: dict[str, Any] | None) -> tuple[int, str, str] | None:
    if key is None:
        return None
    try:
        return int(key["line"]), str(key["field"]), str(key["code"])
    except (KeyError, ValueError, TypeError):
        raise BadRequest("Use the next_cursor of the page before, as it is.") from None
