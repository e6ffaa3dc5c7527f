"""Use-case: write something down about a case."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases import repository
from services.grievance.cases.model import CaseNote
from services.grievance.cases.schemas import AddNote
from services.grievance.cases.work import authorise, write_note
from services.grievance.resources import Desk
from services.grievance.sealing import record_audit
from shared.auth import Principal
from shared.clock import Clock


async def add_note(
    session: AsyncSession, desk: Desk, clock: Clock, principal: Principal, case_id: UUID, body: AddNote
) -> CaseNote:
    """Append a note, in any state of the case.

    Notes are only ever added, so two officers writing at once both succeed: no version is asked for, none is changed.

    Raises:
        what `authorise` raises.
    """
    case = await authorise(session, principal, await repository.find(session, case_id))
    note = await write_note(session, desk, principal.subject, case, body.text, body.visibility, clock.now())
    detail = {"note": str(note.id), "visibility": note.visibility}
    await record_audit(session, principal, "case.note", case, detail)
    return note
