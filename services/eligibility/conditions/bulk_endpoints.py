"""HTTP of many reports at once: files (CSV, NDJSON) and FHIR R4 bundles."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import Query, Request
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.access import ConditionReport
from services.eligibility.conditions import file_repository, repository
from services.eligibility.conditions.errors import BundleInvalid, FileUnknown, FileUnreadable
from services.eligibility.conditions.fhir import FhirError, Place, read_bundle
from services.eligibility.conditions.record_events import Outcome, read_rules, record_events
from services.eligibility.conditions.record_files import receive_file
from services.eligibility.conditions.report import Refusal, Reporter
from services.eligibility.conditions.schemas import BundleEntry, FileReceived, FileView, LineView
from services.eligibility.model import AnyRow
from shared import audit
from shared.auth import Principal
from shared.contracts.base import PlaceCode
from shared.errors import BadRequest, FieldError, PayloadTooLarge, responses
from shared.http import ClockDep, ContextDep, Router, SessionDep
from shared.pagination import Page, Paging

router = Router(prefix="/eligibility/v1", tags=["conditions"])
MAX_BUNDLE_BYTES = 2 << 20
_FILE = {
    "requestBody": {
        "required": True,
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}, "text/csv": {"schema": {"type": "string"}}},
    }
}
_BUNDLE = {"requestBody": {"required": True, "content": {"application/fhir+json": {"schema": {"type": "object"}}}}}
FacilityCode = Annotated[str, Query(pattern=r"^[A-Za-z0-9_.-]{1,40}$", description="Facility that sends the bundle.")]


@router.post(
    "/condition-files", status_code=202, openapi_extra=_FILE, responses=responses(FileUnreadable, PayloadTooLarge)
)
async def post_file(request: Request, principal: ConditionReport, session: SessionDep, clock: ClockDep) -> FileReceived:
    """Take in a file of reports: NDJSON, or CSV with a header. Its lines are judged by a job; good ones go on."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in ("application/x-ndjson", "text/csv"):
        raise BadRequest("Send application/x-ndjson or text/csv.")
    request.state.body_was_streamed = True
    file_id, job_id, lines = await receive_file(session, principal, request.stream(), media_type, clock.now())
    return FileReceived(file_id=file_id, job_id=job_id, lines=lines)


async def _own_file(session: AsyncSession, principal: Principal, file_id: UUID) -> AnyRow:
    file = await file_repository.find_file(session, file_id)
    if file is None or (file.recorded_by != principal.subject and not principal.has("programme_officer")):
        raise FileUnknown("There is no file with this id, or it is somebody else's.")
    return file


@router.get("/condition-files/{file_id}", responses=responses(FileUnknown))
async def get_file(file_id: UUID, principal: ConditionReport, session: SessionDep) -> FileView:
    """A file of reports, and how many of its lines came to what."""
    file = await _own_file(session, principal, file_id)
    outcomes = await file_repository.count_outcomes(session, file_id)
    return FileView(id=file.id, lines=file.total, sha256=file.digest, received_at=file.received_at, outcomes=outcomes)


@router.get("/condition-files/{file_id}/lines", responses=responses(FileUnknown))
async def get_lines(
    file_id: UUID,
    principal: ConditionReport,
    session: SessionDep,
    paging: Paging,
    outcome: Literal["recorded", "pending", "duplicate", "refused"] | None = None,
) -> Page[LineView]:
    """The lines of a file with what became of each: number, field, code and reason of the refused ones."""
    await _own_file(session, principal, file_id)
    key = paging.after()
    after = key.get("line") if key else None
    if after is not None and not isinstance(after, int):
        raise BadRequest("Use the next_cursor of the page before, as it is.")
    rows = await file_repository.list_lines(session, file_id, outcome, after, paging.fetch)
    return paging.page([LineView.model_validate(row) for row in rows], lambda row: {"line": row.line})


@router.post("/fhir", openapi_extra=_BUNDLE, responses=responses(BundleInvalid, PayloadTooLarge))
async def post_bundle(
    request: Request,
    principal: ConditionReport,
    session: SessionDep,
    clock: ClockDep,
    context: ContextDep,
    facility_code: FacilityCode,
    place_code: Annotated[PlaceCode, Query(description="Where the facility is.")],
) -> list[BundleEntry]:
    """Take in a FHIR R4 bundle of at most 500 entries. Each entry has its own outcome; good ones are recorded."""
    document = await _json(request)
    rules = await read_rules(session)
    try:
        entries = read_bundle(document, rules.kinds, Place(facility_code, place_code), context.settings.zone)
    except FhirError as error:
        fault = FieldError(error.refusal.field, error.refusal.code, error.refusal.message)
        raise BundleInvalid(error.refusal.message, errors=[fault]) from error
    reporter = Reporter(principal, await repository.employers_of(session, principal.subject))
    reports = [entry.report for entry in entries if entry.report is not None]
    outcomes = iter(await record_events(session, rules, reporter, reports, clock, "fhir"))
    answer = [
        _answer(entry.index, next(outcomes)) if entry.report is not None else _unread(entry.index, entry.refusal)
        for entry in entries
    ]
    counts = {name: sum(1 for item in answer if item.outcome == name) for name in {item.outcome for item in answer}}
    await audit.record(session, principal, "condition_bundle.receive", "facility", facility_code, counts)
    return answer


async def _json(request: Request) -> Any:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BUNDLE_BYTES:
            raise PayloadTooLarge(f"A bundle has at most {MAX_BUNDLE_BYTES >> 20} MiB.")
    try:
        return orjson.loads(bytes(body))
    except orjson.JSONDecodeError as error:
        raise BadRequest("The body is not JSON.") from error


def _answer(index: int, outcome: Outcome) -> BundleEntry:
    if outcome.refusal is not None:
        return _unread(index, outcome.refusal)
    return BundleEntry(index=index, outcome=outcome.outcome, event_id=outcome.event_id)


def _unread(index: int, refusal: Refusal | None) -> BundleEntry:
    if refusal is None:
        return BundleEntry(index=index, outcome="ignored")
    return BundleEntry(index=index, outcome="refused", field=refusal.field, code=refusal.code, message=refusal.message)
