"""HTTP of holds: `/grievance/v1/holds`."""

from __future__ import annotations

from uuid import UUID

from fastapi import Response

from services.grievance.cases.errors import OwnCase
from services.grievance.cases.work import ensure_not_own_payment, people_of
from services.grievance.holds import repository
from services.grievance.holds.errors import HoldEnded, HoldExists, HoldInvalid, HoldNotFound
from services.grievance.holds.model import Hold, HoldState
from services.grievance.holds.place_hold import place_hold
from services.grievance.holds.release_hold import release_hold
from services.grievance.holds.schemas import HoldView, PlaceHold, ReleaseHold
from services.grievance.permissions import HoldRead, HoldWork
from services.grievance.resources import DeskDep
from shared.auth import ensure_area
from shared.errors import BadRequest, OutsideArea, PreconditionFailed, PreconditionRequired, responses
from shared.etag import IfMatch, etag
from shared.http import ClockDep, Router, SessionDep
from shared.pagination import Page, PageParams, Paging

router = Router(prefix="/grievance/v1/holds", tags=["holds"])


@router.post("", status_code=201, responses=responses(HoldExists, HoldInvalid, OutsideArea, OwnCase))
async def post_hold(
    body: PlaceHold, response: Response, session: SessionDep, desk: DeskDep, clock: ClockDep, principal: HoldWork
) -> HoldView:
    """Hold one payment until the end of a day."""
    hold = await place_hold(session, desk, clock, principal, body)
    response.headers["Location"] = f"/grievance/v1/holds/{hold.id}"
    return _answer(response, hold)


@router.get("")
async def get_holds(
    session: SessionDep,
    principal: HoldRead,
    paging: Paging,
    payment_id: UUID | None = None,
    state: HoldState | None = None,
) -> Page[HoldView]:
    """Holds in the caller's area and not of her household's payments, oldest first."""
    rows = await repository.page(
        session,
        principal,
        await people_of(session, principal),
        payment_id=payment_id,
        state=state,
        after=_after(paging),
        fetch=paging.fetch,
    )
    kept, next_cursor = paging.cut(rows, lambda hold: {"id": str(hold.id)})
    return Page(items=[HoldView.model_validate(hold) for hold in kept], next_cursor=next_cursor)


@router.get("/{hold_id}", responses=responses(HoldNotFound, OutsideArea, OwnCase))
async def get_hold(hold_id: UUID, response: Response, session: SessionDep, principal: HoldRead) -> HoldView:
    """One hold."""
    hold = await repository.find(session, hold_id)
    if hold is None:
        raise HoldNotFound("Look it up in the list of holds.")
    ensure_area(principal, hold.place_code)
    await ensure_not_own_payment(session, await people_of(session, principal), hold.payment_id)
    return _answer(response, hold)


@router.post(
    "/{hold_id}:release",
    responses=responses(HoldNotFound, OutsideArea, OwnCase, HoldEnded, PreconditionFailed, PreconditionRequired),
)
async def post_release(
    hold_id: UUID,
    body: ReleaseHold,
    version: IfMatch,
    response: Response,
    session: SessionDep,
    clock: ClockDep,
    principal: HoldWork,
) -> HoldView:
    """End a hold before its last day."""
    return _answer(response, await release_hold(session, clock, principal, hold_id, version, body))


def _after(paging: PageParams) -> UUID | None:
    seen = paging.after()
    if seen is None:
        return None
    try:
        return UUID(seen["id"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadRequest("Use the next_cursor of the page before, as it is.") from None


def _answer(response: Response, hold: Hold) -> HoldView:
    response.headers["ETag"] = etag(hold.version)
    return HoldView.model_validate(hold)
