"""HTTP of receipts: `/grievance/v1/receipts/{code}`, for public clients acting for people without an account."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Response

from services.grievance.permissions import ReceiptRead
from services.grievance.receipts.errors import ReceiptUnknown
from services.grievance.receipts.schemas import ReceiptState
from services.grievance.receipts.show_receipt import show_receipt
from services.grievance.resources import DeskDep
from shared.errors import responses
from shared.http import Router, SessionDep

router = Router(prefix="/grievance/v1/receipts", tags=["receipts"])


@router.get("/{code}", responses=responses(ReceiptUnknown))
async def get_receipt(
    code: Annotated[str, Path(max_length=64)],
    response: Response,
    session: SessionDep,
    desk: DeskDep,
    _principal: ReceiptRead,
) -> ReceiptState:
    """How far the case of this receipt code has come."""
    response.headers["Cache-Control"] = "no-store"
    return await show_receipt(session, desk, code)
