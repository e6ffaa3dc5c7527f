"""HTTP of receipts: `/grievance/v1/receipts/{code}`, for public clients acting for people without an account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Path, Request, Response

from services.grievance.cases.errors import CaseStateConflict
from services.grievance.permissions import ReceiptRead
from services.grievance.receipts.answer_back import rate_case, reopen_by_receipt
from services.grievance.receipts.errors import NotAnswered, ReceiptUnknown
from services.grievance.receipts.limits import TooManyGuesses, attempt, count_failure, ensure_allowed
from services.grievance.receipts.schemas import RateCase, ReceiptState, ReopenByReceipt
from services.grievance.receipts.show_receipt import show_receipt
from services.grievance.resources import Desk, DeskDep
from shared.auth import Principal
from shared.errors import responses
from shared.http import ClockDep, ContextDep, Router, SessionDep
from shared.service import Context

router = Router(prefix="/grievance/v1/receipts", tags=["receipts"])
Code = Annotated[str, Path(max_length=64)]
_PROBLEMS = (ReceiptUnknown, TooManyGuesses)


@router.get("/{code}", responses=responses(*_PROBLEMS))
async def get_receipt(
    code: Code,
    request: Request,
    response: Response,
    session: SessionDep,
    desk: DeskDep,
    context: ContextDep,
    principal: ReceiptRead,
) -> ReceiptState:
    """How far the case of this receipt code has come."""
    response.headers["Cache-Control"] = "no-store"
    async with _guarded(context, desk, principal, request, code):
        return await show_receipt(session, desk, code)


@router.post("/{code}:rate", responses=responses(*_PROBLEMS, NotAnswered))
async def post_rating(
    code: Code,
    body: RateCase,
    request: Request,
    response: Response,
    session: SessionDep,
    desk: DeskDep,
    context: ContextDep,
    clock: ClockDep,
    principal: ReceiptRead,
) -> ReceiptState:
    """Say how content you are with the answer."""
    response.headers["Cache-Control"] = "no-store"
    async with _guarded(context, desk, principal, request, code):
        await rate_case(session, desk, clock, code, body.rating)
        return await show_receipt(session, desk, code)


@router.post("/{code}:reopen", responses=responses(*_PROBLEMS, CaseStateConflict))
async def post_reopen(
    code: Code,
    body: ReopenByReceipt,
    request: Request,
    response: Response,
    session: SessionDep,
    desk: DeskDep,
    context: ContextDep,
    clock: ClockDep,
    principal: ReceiptRead,
) -> ReceiptState:
    """Have an answered case taken up again."""
    response.headers["Cache-Control"] = "no-store"
    async with _guarded(context, desk, principal, request, code):
        await reopen_by_receipt(session, desk, clock, code, body.reason)
        return await show_receipt(session, desk, code)


@asynccontextmanager
async def _guarded(
    context: Context, desk: Desk, principal: Principal, request: Request, code: str
) -> AsyncIterator[None]:
    """Refuse who guessed too often, whatever the code; count a wrong one."""
    tried = attempt(desk, principal, request, code)
    await ensure_allowed(context, tried)
    try:
        yield
    except ReceiptUnknown:
        await count_failure(context, tried)
        raise
