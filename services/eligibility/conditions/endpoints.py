"""HTTP of conditions: kinds, reports one by one, and what officers decide on them."""

from __future__ import annotations

from uuid import UUID

from fastapi import Request, Response

from services.eligibility.access import (
    ConditionRead,
    ConditionReport,
    ConditionWaive,
    ProgrammeRead,
    ProgrammeWrite,
    ensure_national,
)
from services.eligibility.conditions import repository
from services.eligibility.conditions.decide_event import decide_event, withdraw_event
from services.eligibility.conditions.errors import (
    EventNotPending,
    EventNotStanding,
    EventSettled,
    EventUnknown,
    KindsInvalid,
    KindUnknown,
    PersonUnknown,
    ReportRefused,
    WaiverUnknown,
)
from services.eligibility.conditions.kinds import ConditionKind
from services.eligibility.conditions.record_events import read_rules, record_events
from services.eligibility.conditions.report import Report, Reporter
from services.eligibility.conditions.schemas import (
    Cause,
    Created,
    EmployerAccount,
    EventDecision,
    EventView,
    KindsWritten,
    Recorded,
    ServiceGap,
    Waiver,
)
from services.eligibility.conditions.waive_condition import record_service_gap, waive_condition, withdraw_waiver
from services.eligibility.conditions.write_kinds import write_kinds
from services.eligibility.programmes.file import MAX_FILE_BYTES
from shared import audit
from shared.errors import BadRequest, OutsideArea, PayloadTooLarge, PreconditionFailed, responses
from shared.etag import IfMatch, etag
from shared.http import ClockDep, Router, SessionDep
from shared.pagination import Page, Paging

router = Router(prefix="/eligibility/v1", tags=["conditions"])
_YAML = {"requestBody": {"required": True, "content": {"application/yaml": {"schema": {"type": "string"}}}}}


@router.put("/condition-kinds", openapi_extra=_YAML, responses=responses(KindsInvalid, PayloadTooLarge))
async def put_kinds(request: Request, principal: ProgrammeWrite, session: SessionDep, clock: ClockDep) -> KindsWritten:
    """Take in the file of condition kinds (YAML): adds and changes; none is removed."""
    ensure_national(principal)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_FILE_BYTES:
            raise PayloadTooLarge(f"The file has at most {MAX_FILE_BYTES} bytes.")
    changed, kinds = await write_kinds(session, clock, principal, bytes(body))
    return KindsWritten(changed=changed, kinds=kinds)


@router.get("/condition-kinds")
async def get_kinds(_: ProgrammeRead, session: SessionDep) -> list[ConditionKind]:
    """Every kind, by code."""
    rules = await read_rules(session)
    return [rules.kinds[code] for code in sorted(rules.kinds)]


@router.put("/employer-accounts", status_code=204)
async def put_employer_account(body: EmployerAccount, principal: ProgrammeWrite, session: SessionDep) -> None:
    """Let the bearer of a token report for an employer."""
    ensure_national(principal)
    await repository.let_report(session, body.subject, body.employer_id, principal.subject)
    detail = {"employer_id": str(body.employer_id)}
    await audit.record(session, principal, "employer_account.grant", "employer_account", body.subject, detail)


@router.post("/condition-events", status_code=201, responses=responses(ReportRefused))
async def post_event(
    body: Report, response: Response, principal: ConditionReport, session: SessionDep, clock: ClockDep
) -> Recorded:
    """Report one event. 201 when it is new; 200 when the same report was known already."""
    rules = await read_rules(session)
    reporter = Reporter(principal, await repository.employers_of(session, principal.subject))
    (outcome,) = await record_events(session, rules, reporter, [body], clock, "api")
    if outcome.refusal is not None:
        raise ReportRefused(outcome.refusal)
    assert outcome.event_id is not None, "what is not refused stands"
    event = await repository.find_event(session, outcome.event_id)
    assert event is not None, "it stands"
    if outcome.outcome == "duplicate":
        response.status_code = 200
    else:
        detail = {"kind": body.kind, "outcome": outcome.outcome}
        await audit.record(session, principal, "condition_event.record", "condition_event", event.id, detail)
    response.headers["ETag"] = etag(event.version)
    return Recorded.model_validate({"outcome": outcome.outcome, "event": EventView.model_validate(event)})


@router.get("/persons/{person_id}/condition-events")
async def get_events(person_id: UUID, principal: ConditionRead, session: SessionDep, paging: Paging) -> Page[EventView]:
    """What was reported of a person in the caller's area, in the order of recording."""
    key = paging.after()
    after = key.get("seq") if key else None
    if after is not None and not isinstance(after, int):
        raise BadRequest("Use the next_cursor of the page before, as it is.")
    rows = await repository.list_events(session, principal, person_id, after, paging.fetch)
    kept, cursor = paging.cut(rows, lambda row: {"seq": row.seq})
    return Page[EventView](items=[EventView.model_validate(row) for row in kept], next_cursor=cursor)


_DECIDED = responses(EventUnknown, EventNotPending, OutsideArea, PreconditionFailed)


@router.post("/condition-events/{event_id}:decide", status_code=204, responses=_DECIDED)
async def post_decision(
    event_id: UUID,
    body: EventDecision,
    principal: ProgrammeWrite,
    session: SessionDep,
    clock: ClockDep,
    version: IfMatch,
) -> None:
    """Approve or refuse an event that waits; somebody else than who reported it."""
    await decide_event(session, clock, principal, event_id, version, approve=body.approve, cause=body.cause)


_WITHDRAWN = responses(EventUnknown, EventNotStanding, EventSettled, OutsideArea, PreconditionFailed)


@router.post("/condition-events/{event_id}:withdraw", status_code=204, responses=_WITHDRAWN)
async def post_withdrawal(
    event_id: UUID, body: Cause, principal: ConditionReport, session: SessionDep, clock: ClockDep, version: IfMatch
) -> None:
    """Withdraw a report that was a mistake; the right one can then be made."""
    await withdraw_event(session, clock, principal, event_id, version, body.cause)


@router.post("/condition-waivers", status_code=201, responses=responses(KindUnknown, PersonUnknown, OutsideArea))
async def post_waiver(body: Waiver, principal: ConditionWaive, session: SessionDep, clock: ClockDep) -> Created:
    """Waive a person's conditions of a kind for some days: the service was not there for her."""
    waiver_id = await waive_condition(
        session,
        clock,
        principal,
        body.person_id,
        body.kind,
        body.valid_from,
        body.valid_until,
        body.reason_code,
        body.case_id,
    )
    return Created(id=waiver_id)


@router.post(
    "/condition-waivers/{waiver_id}:withdraw", status_code=204, responses=responses(WaiverUnknown, OutsideArea)
)
async def post_waiver_withdrawal(
    waiver_id: UUID, principal: ConditionWaive, session: SessionDep, clock: ClockDep
) -> None:
    """Withdraw a waiver; what closed cycles paid stays."""
    await withdraw_waiver(session, clock, principal, waiver_id)


@router.post("/service-gaps", status_code=201, responses=responses(KindUnknown, OutsideArea))
async def post_service_gap(
    body: ServiceGap, principal: ConditionWaive, session: SessionDep, clock: ClockDep
) -> Created:
    """Say that a service was not available in a place: whoever lives there need not meet its conditions."""
    gap_id = await record_service_gap(
        session, clock, principal, body.place_code, body.kind, body.valid_from, body.valid_until, body.reason_code
    )
    return Created(id=gap_id)
