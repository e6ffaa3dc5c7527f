"""Sealed cases: hidden by the database, not by the goodness of each query.

Row-level security on `grievance_case` (and on everything that hangs on a case) hides sealed rows from every statement
of every process, also from counts, joins and later code that never heard of sealing, unless the transaction has opened
the seal. The seal is opened here only, for one transaction. Writes about a sealed case are audited in a table of their
own, which is behind the same seal. Their words are under a key of their own (`Desk.cipher_for`). See docs/adr/0024.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Depends
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases.model import Case
from services.grievance.sealed_audit import sealed_audit_entry
from shared import audit
from shared.auth import CurrentPrincipal, Principal
from shared.http import SessionDep

SEALED_ROLE: Final = "sealed_case_officer"
"""The one role that sees sealed cases."""

_OPEN: Final = text("SELECT set_config('samaki.seal', 'open', true)")
_CLOSE: Final = text("SELECT set_config('samaki.seal', '', true)")


async def open_seal(session: AsyncSession) -> None:
    """Let this transaction see sealed cases, until its end or `close_seal`."""
    await session.execute(_OPEN)


async def close_seal(session: AsyncSession) -> None:
    """Hide sealed cases from the rest of this transaction."""
    await session.execute(_CLOSE)


async def _case_session(session: SessionDep, principal: CurrentPrincipal) -> AsyncSession:
    if principal.has(SEALED_ROLE):
        await open_seal(session)
    return session


CaseSession = Annotated[AsyncSession, Depends(_case_session)]
"""The request's transaction, which sees sealed cases if the caller is a sealed case officer. For one case by its id:
lists and counts use SessionDep, whoever asks."""


async def record_audit(
    session: AsyncSession, principal: Principal | str, action: str, case: Case, detail: dict[str, Any] | None = None
) -> None:
    """Audit a write about a case: of a sealed one behind the seal, else as everywhere."""
    if not case.sealed:
        await audit.record(session, principal, action, "case", str(case.id), detail)
        return
    actor = principal.subject if isinstance(principal, Principal) else f"system:{principal}"
    roles = sorted(principal.roles) if isinstance(principal, Principal) else []
    await session.execute(
        insert(sealed_audit_entry).values(actor=actor, roles=roles, action=action, case_id=case.id, detail=detail or {})
    )
