"""`/registry/v1/households`: register, list, read and change households."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import AwareDatetime

from services.registry.history.read_history import list_changes, read_as_of
from services.registry.history.schemas import ChangeView, HouseholdAsOf
from services.registry.households import repository
from services.registry.households.correct_household import correct_household
from services.registry.households.errors import (
    BadHousehold,
    HouseholdExists,
    HouseholdNotFound,
    IdentifierRegistered,
)
from services.registry.households.read_household import read_household
from services.registry.households.register_household import register_household
from services.registry.households.schemas import (
    HouseholdChange,
    HouseholdCreated,
    HouseholdSummary,
    HouseholdView,
    NewHousehold,
)
from services.registry.permissions import HistoryRead, HouseholdRead, HouseholdWrite
from shared.errors import BadRequest, OutsideArea, PreconditionFailed, PreconditionRequired, responses
from shared.etag import IfMatch, etag
from shared.http import ContextDep, Router, SessionDep
from shared.pagination import Page, Paging

router = Router(prefix="/registry/v1/households", tags=["households"])
Reason = Annotated[str, Query(max_length=200, description="Why you look: kept with your name for each person shown.")]


@router.post("", status_code=201, responses=responses(OutsideArea, HouseholdExists, BadHousehold))
async def register(
    new: NewHousehold, response: Response, session: SessionDep, context: ContextDep, principal: HouseholdWrite
) -> HouseholdCreated:
    """Register a household with its members."""
    created = await register_household(session, context, principal, new)
    response.headers["ETag"] = etag(created.version)
    response.headers["Location"] = f"/registry/v1/households/{created.id}"
    return created


@router.get("")
async def list_households(
    session: SessionDep,
    principal: HouseholdRead,
    paging: Paging,
    place: Annotated[str | None, Query(pattern=r"^([0-9]{2}){1,4}$", description="Of this place and below.")] = None,
    reference: Annotated[str | None, Query(max_length=20, description="The short reference, e.g. HH-....")] = None,
) -> Page[HouseholdSummary]:
    """Households of your area, without names."""
    after = paging.after()
    rows = await repository.list_households(
        session,
        principal,
        place=place,
        reference=reference.strip().upper() if reference else None,
        after=_id_of(after) if after else None,
        limit=paging.fetch,
    )
    kept, cursor = paging.cut(rows, key=lambda row: {"id": str(row.id)})
    items = [HouseholdSummary.model_validate(dict(row._mapping)) for row in kept]
    return Page[HouseholdSummary](items=items, next_cursor=cursor)


def _id_of(key: dict[str, object]) -> UUID:
    try:
        return UUID(str(key.get("id")))
    except ValueError:
        raise BadRequest("Use the next_cursor of the page before, as it is.") from None


@router.get("/{household_id}", responses=responses(HouseholdNotFound, OutsideArea))
async def read(
    household_id: UUID,
    response: Response,
    session: SessionDep,
    context: ContextDep,
    principal: HouseholdRead,
    as_of: Annotated[date | None, Query(description="As it was on this day.")] = None,
    known_at: Annotated[
        AwareDatetime | None, Query(description="By what was recorded until then; default: by all that is known now.")
    ] = None,
    reason: Reason = "",
) -> HouseholdView | HouseholdAsOf:
    """One household with its members; names for those whose work needs them, each look being recorded."""
    if as_of is not None or known_at is not None:
        day = as_of or context.clock.today()
        return await read_as_of(session, principal, household_id, day, known_at, reason)
    view = await read_household(session, context.resources.sealer, principal, household_id, reason)
    response.headers["ETag"] = etag(view.version)
    return view


@router.get("/{household_id}/history", responses=responses(HouseholdNotFound, OutsideArea))
async def history(
    household_id: UUID, session: SessionDep, principal: HistoryRead, paging: Paging, reason: Reason = ""
) -> Page[ChangeView]:
    """Every change of the household and its people, latest first: who, when, why, and the value before."""
    after = paging.after()
    before = after.get("seq") if after else None
    if before is not None and not isinstance(before, int):
        raise BadRequest("Use the next_cursor of the page before, as it is.")
    rows = await list_changes(session, principal, household_id, before, paging.fetch, reason)
    return paging.page(rows, key=lambda row: {"seq": row.seq})


@router.patch(
    "/{household_id}",
    responses=responses(
        HouseholdNotFound, OutsideArea, BadHousehold, IdentifierRegistered, PreconditionFailed, PreconditionRequired
    ),
)
async def change(
    household_id: UUID,
    body: HouseholdChange,
    version: IfMatch,
    response: Response,
    session: SessionDep,
    context: ContextDep,
    principal: HouseholdWrite,
) -> HouseholdCreated:
    """Change what is known of a household or of its members: facts, who joins, who leaves, who moves in."""
    applied = await correct_household(session, context, principal, household_id, version, body)
    found = await repository.find_household(session, household_id)
    assert found is not None
    response.headers["ETag"] = etag(applied.version)
    return HouseholdCreated(id=household_id, reference=found.reference, version=applied.version)
