"""Use-case: the complainant asks how far her case has come."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases import repository
from services.grievance.receipts.codes import canonical
from services.grievance.receipts.errors import ReceiptUnknown
from services.grievance.receipts.schemas import ReceiptState
from services.grievance.resources import Desk


async def show_receipt(session: AsyncSession, desk: Desk, code: str) -> ReceiptState:
    """The state of the case that this receipt code belongs to.

    Raises:
        ReceiptUnknown: no case has it, or it cannot be a code.
    """
    text = canonical(code)
    case = None if text is None else await repository.find_by_receipt(session, desk.receipts.digest(text, "receipt"))
    if case is None:
        raise ReceiptUnknown("Compare it with the receipt: twenty letters and digits.")
    return ReceiptState.model_validate(
        {
            "reference": case.reference,
            "state": case.state,
            "due_on": case.due_on,
            "outcome": case.outcome,
            "changed_at": case.changed_at,
        }
    )
