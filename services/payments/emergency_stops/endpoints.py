"""Emergency stops over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from services.payments.emergency_stops.place_stop import lift_stop, place_stop
from services.payments.emergency_stops.tables import emergency_stop
from services.payments.errors import SamePerson, StopExists, StopNotFound, UnknownBeneficiary
from services.payments.fields import after_id
from shared.auth import Principal, ensure_area, requires
from shared.errors import responses
from shared.http import Router, SessionDep
from shared.pagination import Page, Paging

StopWrite = Annotated[
    Principal, requires("payment_officer", "payment_approver", "finance_officer", "operations_officer", "admin")
]
StopLift = Annotated[Principal, requires("payment_approver", "finance_officer", "admin")]
StopRead = Annotated[
    Principal,
    requires("payment_officer", "payment_approver", "finance_officer", "operations_officer", "admin", "auditor"),
]
router = Router(prefix="/payments/v1/emergency-stops", tags=["emergency stops"])


class StopIn(BaseModel):
    """What to stop: a programme's code, a rail's name, a fund's code or a beneficiary's id."""

    model_config = ConfigDict(extra="forbid")
    scope: Literal["programme", "rail", "fund", "person"]
    target: str = Field(min_length=1, max_length=60)
    reason: str = Field(min_length=3, max_length=500)


class LiftIn(BaseModel):
    """Why it is lifted."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=3, max_length=500)


class StopOut(BaseModel):
    """A stop, in force until `released_at`."""

    id: UUID
    scope: str
    target: str
    reason: str
    placed_by: str
    placed_at: datetime
    released_by: str | None
    released_at: datetime | None
    release_reason: str | None


@router.post("", status_code=201, responses=responses(StopExists, UnknownBeneficiary))
async def place(body: StopIn, principal: StopWrite, session: SessionDep) -> StopOut:
    """Stop at once: nothing more of it is approved, disbursed or handed to a rail. One person is enough."""
    row = await place_stop(session, principal, body.scope, body.target, body.reason)
    return StopOut.model_validate(row, from_attributes=True)


@router.post("/{stop_id}:lift", responses=responses(StopNotFound, SamePerson))
async def lift(stop_id: UUID, body: LiftIn, principal: StopLift, session: SessionDep) -> StopOut:
    """Lift a stop. Not by who placed it."""
    return StopOut.model_validate(await lift_stop(session, principal, stop_id, body.reason), from_attributes=True)


@router.get("")
async def list_stops(
    principal: StopRead, session: SessionDep, paging: Paging, in_force: Annotated[bool, Query()] = True
) -> Page[StopOut]:
    """Stops, those in force unless asked otherwise. National."""
    ensure_area(principal, None)
    statement = select(emergency_stop).order_by(emergency_stop.c.id).limit(paging.fetch)
    if in_force:
        statement = statement.where(emergency_stop.c.released_at.is_(None))
    after = after_id(paging)
    if after is not None:
        statement = statement.where(emergency_stop.c.id > after)
    rows = (await session.execute(statement)).all()
    kept, cursor = paging.cut(rows, lambda row: {"id": str(row.id)})
    return Page(items=[StopOut.model_validate(row, from_attributes=True) for row in kept], next_cursor=cursor)
