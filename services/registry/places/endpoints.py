"""`/registry/v1/places`: load the gazetteer, look places up, change a village's location class."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query

from services.registry.permissions import HouseholdWrite, PlaceLoad, PlaceRead
from services.registry.places import code_repository, repository
from services.registry.places.change_codes import change_codes
from services.registry.places.change_location_class import change_location_class
from services.registry.places.errors import (
    BadCodeChange,
    NotAVillage,
    PlaceNotFound,
    PlaceWasSplit,
    UnknownLocationClass,
)
from services.registry.places.load_places import LOAD_PLACES_JOB
from services.registry.places.model import Level
from services.registry.places.resolve_code import follow
from services.registry.places.schemas import (
    ClassChange,
    ClassPeriod,
    CodeChange,
    JobAccepted,
    PlaceDetail,
    PlaceSummary,
    PlaceView,
    UnplacedHousehold,
)
from shared import audit
from shared.errors import OutsideArea, responses
from shared.http import ContextDep, Router, SessionDep
from shared.jobs import enqueue
from shared.pagination import Page, Paging

router = Router(prefix="/registry/v1", tags=["places"])


@router.post("/places:load", status_code=202, responses=responses(OutsideArea))
async def load(session: SessionDep, principal: PlaceLoad) -> JobAccepted:
    """Load provinces to villages from the gazetteer. Loading again changes only what changed."""
    if not principal.national:
        raise OutsideArea("The gazetteer is the whole country's: a national officer loads it.")
    job_id = await enqueue(session, LOAD_PLACES_JOB, {}, key=LOAD_PLACES_JOB)
    await audit.record(session, principal, "place.load", "job", job_id)
    return JobAccepted(job_id=job_id)


@router.get("/places")
async def list_places(
    session: SessionDep,
    _principal: PlaceRead,
    paging: Paging,
    parent: Annotated[str | None, Query(pattern=r"^([0-9]{2}){1,3}$", description="Code of the place above.")] = None,
    level: Level | None = None,
    q: Annotated[
        str | None, Query(min_length=1, max_length=100, description="A code, or how a name begins, Khmer or English.")
    ] = None,
) -> Page[PlaceView]:
    """Places in order of their code."""
    after = paging.after()
    rows = await repository.list_places(
        session,
        parent=parent,
        level=level,
        query=q.strip() if q else None,
        after=str(after["code"]) if after else None,
        limit=paging.fetch,
    )
    kept, cursor = paging.cut(rows, key=lambda row: {"code": row.code})
    return Page[PlaceView](items=[PlaceView.model_validate(row._asdict()) for row in kept], next_cursor=cursor)


@router.get("/places/summary")
async def summarise(session: SessionDep, context: ContextDep, _principal: PlaceRead) -> PlaceSummary:
    """How many places of each level are loaded, and villages by class today."""
    levels = await repository.count_by_level(session)
    classes = await repository.count_by_class(session, context.clock.today())
    return PlaceSummary(villages_by_class=classes, **{level.value: levels.get(level, 0) for level in Level})


@router.get("/places/unplaced-households")
async def list_unplaced(session: SessionDep, principal: HouseholdWrite, paging: Paging) -> Page[UnplacedHousehold]:
    """Households of your area whose village was split: say where each lives now (PATCH), one page after the other."""
    after = paging.after()
    last = UUID(str(after["id"])) if after else None
    rows = await code_repository.list_unplaced(session, principal.areas, last, paging.fetch)
    kept, cursor = paging.cut(rows, key=lambda row: {"id": str(row.id)})
    return Page[UnplacedHousehold](
        items=[UnplacedHousehold.model_validate(row._asdict()) for row in kept], next_cursor=cursor
    )


@router.get("/places/{code}", responses=responses(PlaceNotFound, PlaceWasSplit))
async def read_place(
    code: str,
    session: SessionDep,
    context: ContextDep,
    _principal: PlaceRead,
    on: Annotated[date | None, Query(description="Day whose class is asked for; default today.")] = None,
) -> PlaceDetail:
    """A place, with its location class on a day. Old codes resolve to what took their place."""
    became = [row.code for row in await follow(session, code)]
    found = await repository.find_place(session, code)
    resolved_from = None
    if found is None and len(became) == 1:  # an old code that the gazetteer never had: the place that took its place
        found, resolved_from, code = await repository.find_place(session, became[0]), code, became[0]
    if found is None and became:
        raise PlaceWasSplit(f"Use one of: {', '.join(became)}.", became=became)
    if found is None:
        raise PlaceNotFound("Look the code up at /registry/v1/places.")
    became = [] if became == [code] else became
    day = on or context.clock.today()
    periods = [ClassPeriod.model_validate(row._asdict()) for row in await repository.class_periods(session, code)]
    holding = [period for period in periods if period.valid_from <= day]
    location_class = holding[-1].location_class if holding else None
    return PlaceDetail.model_validate(
        {
            **found._asdict(),
            "location_class": location_class,
            "classes": periods,
            "became": became,
            "resolved_from": resolved_from,
        }
    )


@router.put(
    "/places/{code}/location-class",
    status_code=202,
    responses=responses(PlaceNotFound, NotAVillage, UnknownLocationClass, OutsideArea),
)
async def change_class(code: str, change: ClassChange, session: SessionDep, principal: PlaceLoad) -> JobAccepted:
    """Give a village another location class from a day on; its households follow on that day."""
    job_id = await change_location_class(session, principal, code, change.location_class, change.effective_on)
    return JobAccepted(job_id=job_id)


@router.post("/places/code-changes", status_code=202, responses=responses(PlaceNotFound, BadCodeChange, OutsideArea))
async def change_place_codes(
    change: CodeChange, session: SessionDep, context: ContextDep, principal: PlaceLoad
) -> JobAccepted:
    """Split, merge or rename places: old codes go on resolving, and households follow where there is one way to."""
    if not principal.national:
        raise OutsideArea("The gazetteer is the whole country's: a national officer changes it.")
    return JobAccepted(job_id=await change_codes(session, context, principal, change))
