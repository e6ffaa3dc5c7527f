"""`/registry/v1/applications`: intake from application to decision and appeal; cards near their end."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response

from services.registry.applications import repository
from services.registry.applications.configuration import load_intake
from services.registry.applications.decide_application import (
    appeal_application,
    decide_application,
    verify_application,
)
from services.registry.applications.errors import (
    ApplicationNotFound,
    BadApplication,
    ConflictOfInterest,
    SamePerson,
    TooLateToAppeal,
    WrongState,
)
from services.registry.applications.schemas import (
    Appeal,
    ApplicationView,
    Decision,
    ExpiringCard,
    NewApplication,
    Verification,
)
from services.registry.applications.submit_application import submit_application
from services.registry.households.errors import BadHousehold, HouseholdExists, HouseholdNotFound, IdentifierRegistered
from services.registry.permissions import ApplicationDecide, ApplicationRead, ApplicationWrite
from shared.auth import ensure_area
from shared.errors import BadRequest, OutsideArea, PreconditionFailed, PreconditionRequired, responses
from shared.etag import IfMatch, etag
from shared.http import ContextDep, Router, SessionDep
from shared.pagination import Page, Paging

router = Router(prefix="/registry/v1", tags=["intake"])
Place = Annotated[str | None, Query(pattern=r"^([0-9]{2}){1,4}$", description="Of this place and below.")]
_STEP = (ApplicationNotFound, OutsideArea, PreconditionFailed, PreconditionRequired, WrongState, SamePerson)


@router.get("/questionnaires/current")
async def questionnaire(context: ContextDep, _principal: ApplicationRead) -> dict[str, Any]:
    """The proxy-means questionnaire in force today, with its causes and reasons: what a tablet shows."""
    intake = load_intake()
    found = intake.questionnaire_on(context.clock.today())
    document = found.model_dump(mode="json", by_alias=True) if found else None
    causes = {"delisting_causes": intake.delisting_causes, "refusal_reasons": intake.refusal_reasons}
    return {"questionnaire": document, **causes}


@router.post("/applications", status_code=201, responses=responses(OutsideArea, HouseholdNotFound, BadApplication))
async def submit(
    new: NewApplication, response: Response, session: SessionDep, context: ContextDep, principal: ApplicationWrite
) -> ApplicationView:
    """Take an application in: scored with the reason for each point; nothing is registered yet."""
    return await _answer(session, response, await submit_application(session, context, principal, new))


async def _answer(session: SessionDep, response: Response, application_id: UUID) -> ApplicationView:
    found = await repository.find(session, application_id)
    assert found is not None
    response.headers["ETag"] = etag(found.version)
    response.headers["Location"] = f"/registry/v1/applications/{application_id}"
    return ApplicationView.model_validate(found._asdict())


@router.get("/applications")
async def list_applications(
    session: SessionDep,
    principal: ApplicationRead,
    paging: Paging,
    state: Annotated[str | None, Query(max_length=20)] = None,
    place: Place = None,
) -> Page[ApplicationView]:
    """Applications of your area."""
    after = paging.after()
    last = _uuid(after["id"]) if after else None
    rows = await repository.list_applications(session, principal, state, place, last, paging.fetch)
    kept, cursor = paging.cut(rows, key=lambda row: {"id": str(row.id)})
    items = [ApplicationView.model_validate(row._asdict()) for row in kept]
    return Page[ApplicationView](items=items, next_cursor=cursor)


def _uuid(value: object) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        raise BadRequest("Use the next_cursor of the page before, as it is.") from None


@router.get("/applications/{application_id}", responses=responses(ApplicationNotFound, OutsideArea))
async def read(
    application_id: UUID, response: Response, session: SessionDep, principal: ApplicationRead
) -> ApplicationView:
    """An application with its score explained."""
    found = await repository.find(session, application_id)
    if found is None:
        raise ApplicationNotFound("Look it up at /registry/v1/applications.")
    ensure_area(principal, found.village_code)
    response.headers["ETag"] = etag(found.version)
    return ApplicationView.model_validate(found._asdict())


@router.post(
    "/applications/{application_id}/verifications", responses=responses(*_STEP, ConflictOfInterest, BadApplication)
)
async def verify(
    application_id: UUID,
    body: Verification,
    version: IfMatch,
    response: Response,
    session: SessionDep,
    context: ContextDep,
    principal: ApplicationWrite,
) -> ApplicationView:
    """Record what the visit found; where interests conflict, a second person visits too."""
    await verify_application(session, context, principal, application_id, version, body)
    return await _answer(session, response, application_id)


@router.post(
    "/applications/{application_id}/decision",
    responses=responses(
        *_STEP, ConflictOfInterest, BadApplication, BadHousehold, HouseholdExists, IdentifierRegistered
    ),
)
async def decide(
    application_id: UUID,
    body: Decision,
    version: IfMatch,
    response: Response,
    session: SessionDep,
    context: ContextDep,
    principal: ApplicationDecide,
) -> ApplicationView:
    """Register, reassess or de-list as applied for; or refuse, with reasons."""
    await decide_application(session, context, principal, application_id, version, body)
    return await _answer(session, response, application_id)


@router.post(
    "/applications/{application_id}/appeal",
    status_code=201,
    responses=responses(*_STEP, TooLateToAppeal, BadApplication),
)
async def appeal(
    application_id: UUID,
    body: Appeal,
    version: IfMatch,
    response: Response,
    session: SessionDep,
    context: ContextDep,
    principal: ApplicationWrite,
) -> ApplicationView:
    """Appeal a refusal: a new application, verified by two people."""
    new_id = await appeal_application(session, context, principal, application_id, version, body)
    return await _answer(session, response, new_id)


@router.get("/cards/expiring")
async def expiring(
    session: SessionDep,
    context: ContextDep,
    principal: ApplicationRead,
    paging: Paging,
    within_days: Annotated[int | None, Query(ge=0, le=1000, description="Default: the programme's warning.")] = None,
    place: Place = None,
) -> Page[ExpiringCard]:
    """Households of your area whose card ends soon: to be visited, soonest first."""
    today = context.clock.today()
    days = context.settings.card_expiry_warning_days if within_days is None else within_days
    after = paging.after()
    try:
        last = (date.fromisoformat(str(after["until"])), _uuid(after["id"])) if after else None
    except (KeyError, ValueError):
        raise BadRequest("Use the next_cursor of the page before, as it is.") from None
    end = today + timedelta(days=days)
    rows = await repository.expiring_cards(session, principal, today, end, place, last, paging.fetch)
    kept, cursor = paging.cut(rows, key=lambda row: {"until": row.card_valid_until.isoformat(), "id": str(row.id)})
    items = [
        ExpiringCard.model_validate(
            {**row._asdict(), "household_id": row.id, "days_left": (row.card_valid_until - today).days}
        )
        for row in kept
    ]
    return Page[ExpiringCard](items=items, next_cursor=cursor)
