"""`/registry/v1/life-events`: record, list and withdraw; `/life-event-feeds`: many at once from civil registration."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Body, Path, Request, Response

from services.registry.households.errors import BadHousehold, IdentifierRegistered
from services.registry.life_events import feed_repository, repository
from services.registry.life_events.errors import (
    BadLifeEvent,
    CannotWithdraw,
    HappenedLater,
    LifeEventNotFound,
    LifeEventWithdrawnAlready,
)
from services.registry.life_events.receive_feed import BadFeed, receive_feed
from services.registry.life_events.record_life_event import record_life_event
from services.registry.life_events.schemas import (
    Event,
    FeedAccepted,
    FeedLineView,
    LifeEventView,
    Recorded,
    Withdrawal,
)
from services.registry.life_events.withdraw_life_event import withdraw_life_event
from services.registry.permissions import FeedWrite, HistoryRead, LifeEventWrite
from shared.errors import BadRequest, NotFound, OutsideArea, PayloadTooLarge, PreconditionFailed, responses
from shared.etag import IfMatch, etag
from shared.http import ContextDep, Router, SessionDep
from shared.pagination import Page, Paging

router = Router(prefix="/registry/v1", tags=["life events"])


@router.post(
    "/life-events",
    status_code=201,
    responses=responses(OutsideArea, BadHousehold, BadLifeEvent, HappenedLater, IdentifierRegistered),
)
async def record(
    event: Annotated[Event, Body()],
    response: Response,
    session: SessionDep,
    context: ContextDep,
    principal: LifeEventWrite,
) -> Recorded:
    """Record a birth, death, marriage, move or pregnancy; late ones take their place in the past."""
    recorded = await record_life_event(session, context, principal, event)
    response.headers["Location"] = f"/registry/v1/life-events/{recorded.ids[0]}"
    return recorded


@router.get("/life-events")
async def list_events(
    session: SessionDep,
    principal: HistoryRead,
    paging: Paging,
    person_id: UUID | None = None,
    household_id: UUID | None = None,
) -> Page[LifeEventView]:
    """Life events of your area."""
    after = paging.after()
    rows = await repository.list_events(
        session, principal, person_id, household_id, _uuid(after["id"]) if after else None, paging.fetch
    )
    kept, cursor = paging.cut(rows, key=lambda row: {"id": str(row.id)})
    items = [LifeEventView.model_validate(row._asdict()) for row in kept]
    return Page[LifeEventView](items=items, next_cursor=cursor)


def _uuid(value: object) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        raise BadRequest("Use the next_cursor of the page before, as it is.") from None


@router.post(
    "/life-events/{event_id}/withdraw",
    responses=responses(LifeEventNotFound, OutsideArea, PreconditionFailed, LifeEventWithdrawnAlready, CannotWithdraw),
)
async def withdraw(
    event_id: UUID,
    body: Withdrawal,
    version: IfMatch,
    response: Response,
    session: SessionDep,
    context: ContextDep,
    principal: LifeEventWrite,
) -> LifeEventView:
    """It did not happen: what it changed is put back, as a correction."""
    changed = await withdraw_life_event(session, context, principal, event_id, version, body.cause)
    response.headers["ETag"] = etag(changed)
    found = await repository.find_event(session, event_id)
    assert found is not None
    return LifeEventView.model_validate(found._asdict())


@router.post("/life-event-feeds/{feed}", status_code=202, responses=responses(BadFeed, PayloadTooLarge))
async def receive(
    feed: Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,39}$")],
    request: Request,
    session: SessionDep,
    context: ContextDep,
    principal: FeedWrite,
) -> FeedAccepted:
    """Take events from a civil-registration office: NDJSON, or a JSON list. Lines sent again do nothing twice."""
    return await receive_feed(session, context, principal, feed, request)


@router.get("/life-event-feeds/{feed}/batches/{batch_id}", responses=responses(NotFound))
async def read_batch(
    feed: str, batch_id: UUID, session: SessionDep, principal: FeedWrite, paging: Paging
) -> Page[FeedLineView]:
    """What became of each line of a batch that you sent."""
    batch = await feed_repository.find_batch(session, batch_id)
    if batch is None or batch.feed != feed or batch.received_by != principal.subject:
        raise NotFound("There is no such batch of yours.")
    after = paging.after()
    line = int(after["line"]) if after else 0
    rows = await feed_repository.lines_of(session, batch_id, line, paging.fetch)
    kept, cursor = paging.cut(rows, key=lambda row: {"line": row.line})
    items = [FeedLineView.model_validate(row._asdict()) for row in kept]
    return Page[FeedLineView](items=items, next_cursor=cursor)
