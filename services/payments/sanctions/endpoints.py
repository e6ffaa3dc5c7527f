"""The sanctions list over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import BaseModel
from sqlalchemy import text

from services.payments.sanctions.load_list import MAX_BYTES, load_list
from shared.auth import Principal, ensure_area, requires
from shared.errors import Invalid, PayloadTooLarge, responses
from shared.http import ContextDep, Router, SessionDep

SanctionsWrite = Annotated[Principal, requires("payment_approver", "admin")]
SanctionsRead = Annotated[Principal, requires("payment_approver", "payment_officer", "auditor", "admin")]
CSV_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}},
    }
}
router = Router(prefix="/payments/v1/sanctions", tags=["sanctions"])
_LISTS = text("SELECT number, source, names, loaded_by, loaded_at FROM sanction_list ORDER BY number DESC LIMIT 50")


class ListLoaded(BaseModel):
    """The list in force now."""

    number: int
    names: int


class SanctionListOut(BaseModel):
    """A list that was loaded; the newest is in force."""

    number: int
    source: str
    names: int
    loaded_by: str
    loaded_at: datetime


@router.put("/list", openapi_extra=CSV_BODY, responses=responses(Invalid, PayloadTooLarge))
async def replace_list(
    request: Request,
    principal: SanctionsWrite,
    session: SessionDep,
    context: ContextDep,
    source: Annotated[str, Query(min_length=3, max_length=200, description="Who published it, and when.")],
) -> ListLoaded:
    """Replace the sanctions list by a CSV of name,reference. Names are kept as keyed hashes only. National."""
    request.state.body_was_streamed = True
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BYTES:
            raise PayloadTooLarge(f"A list has at most {MAX_BYTES // 2**20} MiB.")
    return ListLoaded(**await load_list(session, principal, context.resources, bytes(body), source))


@router.get("/lists")
async def read_lists(principal: SanctionsRead, session: SessionDep) -> list[SanctionListOut]:
    """The lists loaded so far, newest first."""
    ensure_area(principal, None)
    return [SanctionListOut.model_validate(row, from_attributes=True) for row in await session.execute(_LISTS)]
