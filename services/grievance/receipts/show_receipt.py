"""Use-case: the complainant asks how far her case has come."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases import repository
from services.grievance.cases.model import Case
from services.grievance.cases.schemas import Visibility
from services.grievance.cases.work import note_context
from services.grievance.receipts.codes import canonical
from services.grievance.receipts.errors import ReceiptUnknown
from services.grievance.receipts.schemas import PublicNote, ReceiptState
from services.grievance.resources import Desk
from services.grievance.sealing import open_seal

MAX_HOPS = 10
"""Cases merged into cases merged into cases: followed so far."""


async def find_by_code(session: AsyncSession, desk: Desk, code: str, *, lock: bool = False) -> Case:
    """The case of a receipt code. A code that cannot be one is looked up like any other, and costs the same.

    The holder of the code sees her own case also when it is sealed: the seal is opened for this transaction.

    Raises:
        ReceiptUnknown: no case has it, or it cannot be a code.
    """
    text = canonical(code)
    digest = desk.receipts.digest(text or "cannot be a code", "receipt" if text else "no-receipt")
    await open_seal(session)
    case = await repository.find_by_receipt(session, digest)
    if case is not None and lock:
        case = await repository.lock(session, case.id)
    if case is None:
        raise ReceiptUnknown("Compare it with the receipt: twenty letters and digits.")
    return case


async def show_receipt(session: AsyncSession, desk: Desk, code: str) -> ReceiptState:
    """The state of the case that this receipt code belongs to; of a merged one, of the case that it was merged into.

    Raises:
        ReceiptUnknown: see `find_by_code`.
    """
    case = await find_by_code(session, desk, code)
    shown = case
    for _ in range(MAX_HOPS):
        if shown.merged_into is None:
            break
        shown = await repository.find(session, shown.merged_into) or shown
    return ReceiptState.model_validate(
        {
            "reference": case.reference,
            "state": shown.state,
            "level": shown.level,
            "due_on": shown.due_on,
            "outcome": shown.outcome,
            "changed_at": shown.changed_at,
            "rating": case.rating,
            "notes": await _public_notes(session, desk, case),
        }
    )


async def _public_notes(session: AsyncSession, desk: Desk, case: Case) -> list[PublicNote]:
    """Of her own case only, and none of a sealed one: whoever finds the paper reads nothing."""
    if case.sealed:
        return []
    return [
        PublicNote(at=note.at, text=desk.cipher.decrypt(note.text_encrypted, note_context(case.id)))
        for note in await repository.notes(session, case.id)
        if note.visibility == Visibility.PUBLIC
    ]
