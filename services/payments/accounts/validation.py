"""Ask an account's provider whether number and name belong together. The provider's clients are the rails' (a port
here).

A rail that can answer has `check_account(provider, number, name)`; one that cannot leaves the account `unsupported`.
The call
is made outside any transaction, with the rail's own time-out; what it says is noted on the version that was asked
about.
"""

from __future__ import annotations

from typing import Any, Protocol
from uuid import UUID

from services.payments.accounts import repository
from services.payments.accounts.model import NAME_CONTEXT, NUMBER_CONTEXT, Validation
from shared import audit
from shared.jobs import JobFailed, JobKind, JobRun

JOB = "validate_account"


class NameChecker(Protocol):
    """Something that knows accounts: `rails.port.ChecksAccounts` fits it."""

    async def check_account(self, provider: str, number: str, holder_name: str) -> Any:
        """`exists`, `payable` and `name_agrees` (None: not said); None where the provider could not be asked."""
        ...


def verdict_of(answer: Any) -> Validation:
    """What a provider's answer means for us."""
    if answer is None:
        return Validation.UNKNOWN
    if not answer.exists:
        return Validation.NOT_FOUND
    if not answer.payable or answer.name_agrees is False:
        return Validation.MISMATCHED
    return Validation.MATCHED if answer.name_agrees else Validation.PARTIAL


async def validate_account(run: JobRun) -> dict[str, Any]:
    """The job: ask, and note the answer unless the account changed meanwhile.

    Returns:
        account_id and validation.

    Raises:
        JobFailed: account_not_found.
    """
    account_id = UUID(run.payload["account_id"])
    resources, database = run.context.resources, run.context.database
    async with database.session() as session:
        row = await repository.account_by_id(session, account_id)
    if row is None:
        raise JobFailed("account_not_found", "The account is not there.")
    checker: NameChecker | None = resources.rails.account_checker(row.rail)
    verdict = Validation.UNSUPPORTED
    if checker is not None:
        number = resources.cipher.decrypt(bytes(row.number_encrypted), NUMBER_CONTEXT)
        name = resources.cipher.decrypt(bytes(row.holder_name_encrypted), NAME_CONTEXT)
        verdict = verdict_of(await checker.check_account(row.provider, number, name))
    async with database.session() as session:
        await run.still_mine(session)
        current = await repository.account_by_id(session, account_id, lock=True)
        if current is not None and current.version == row.version:
            verified = run.context.clock.now() if verdict is Validation.MATCHED else None
            await repository.note(session, account_id, validation=verdict.value, verified_at=verified)
            detail = {"version": row.version, "validation": verdict.value}
            await audit.record(session, "worker", "account.validate", "account", str(account_id), detail)
    return {"account_id": str(account_id), "validation": verdict.value}


VALIDATE_ACCOUNT = JobKind(JOB, validate_account)
