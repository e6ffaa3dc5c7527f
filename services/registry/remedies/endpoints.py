"""`/registry/v1/remedies`: corrections that wait for an officer of the registry."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, Field

from services.registry.households.changes import Body, Change, Code
from services.registry.households.errors import BadHousehold, IdentifierRegistered
from services.registry.permissions import RemedyDecide
from services.registry.remedies import repository
from services.registry.remedies.decide_remedy import RemedyNotFound, RemedySettled, decide_remedy
from shared.errors import BadRequest, OutsideArea, PreconditionFailed, responses
from shared.etag import IfMatch, etag
from shared.http import ContextDep, Router, SessionDep
from shared.pagination import Page, Paging

router = Router(prefix="/registry/v1/remedies", tags=["remedies"])


class RemedyView(BaseModel):
    """A correction that a grievance asks for."""

    remedy_id: UUID
    case_id: UUID
    household_id: UUID | None
    state: str
    reason_code: str
    corrections: list[dict[str, Any]]
    requested_by: str
    received_at: datetime
    version: int


class RemedyDecision(Body):
    """Done as decided (by these changes), or refused for a reason."""

    outcome: Literal["done", "refused"]
    changes: list[Change] = Field(default=[], max_length=60)
    reason_code: Code | None = None


@router.get("")
async def list_waiting(session: SessionDep, principal: RemedyDecide, paging: Paging) -> Page[RemedyView]:
    """Corrections of your area that wait for an officer."""
    after = paging.after()
    try:
        last = UUID(str(after["id"])) if after else None
    except (KeyError, ValueError):
        raise BadRequest("Use the next_cursor of the page before, as it is.") from None
    rows = await repository.waiting(session, principal, last, paging.fetch)
    kept, cursor = paging.cut(rows, key=lambda row: {"id": str(row.remedy_id)})
    return Page[RemedyView](items=[RemedyView.model_validate(row._asdict()) for row in kept], next_cursor=cursor)


@router.post(
    "/{remedy_id}/decision",
    responses=responses(
        RemedyNotFound, OutsideArea, PreconditionFailed, RemedySettled, BadHousehold, IdentifierRegistered
    ),
)
async def decide(
    remedy_id: UUID,
    body: RemedyDecision,
    version: IfMatch,
    response: Response,
    session: SessionDep,
    context: ContextDep,
    principal: RemedyDecide,
) -> RemedyView:
    """Put it right by these changes, or refuse: grievance hears of it either way."""
    changes = [(f"changes[{index}]", change) for index, change in enumerate(body.changes)]
    new = await decide_remedy(
        session, context, principal, remedy_id, version, body.outcome, changes, body.reason_code or ""
    )
    response.headers["ETag"] = etag(new)
    found = await repository.find(session, remedy_id)
    assert found is not None
    return RemedyView.model_validate(found._asdict())
