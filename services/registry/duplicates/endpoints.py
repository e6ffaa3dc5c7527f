"""`/registry/v1/duplicates`, `/duplicate-runs`, `/merges`, `/identities`: find, decide, merge, take back, resolve."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from sqlalchemy import Row

from services.registry.duplicates import merge_repository, repository
from services.registry.duplicates.decide_candidate import decide_candidate
from services.registry.duplicates.errors import (
    AlreadyDecided,
    CandidateNotFound,
    CannotMerge,
    CannotUndo,
    MergeNotFound,
    OwnRecord,
    RunNotFound,
)
from services.registry.duplicates.find_duplicates import FIND_JOB
from services.registry.duplicates.merge_records import merge_records
from services.registry.duplicates.rules import load_rules
from services.registry.duplicates.schemas import (
    Band,
    Candidate,
    CandidateView,
    Decided,
    Decision,
    Identity,
    Kind,
    MergeRequest,
    MergeView,
    RunAccepted,
    RunRequest,
    RunView,
    SidePerson,
    State,
    UndoRequest,
)
from services.registry.duplicates.undo_merge import undo_merge
from services.registry.permissions import HouseholdRead, HouseholdWrite, PlaceLoad
from services.registry.search.looks import record_looks
from shared import audit
from shared.auth import Principal, ensure_area
from shared.errors import BadRequest, Invalid, OutsideArea, PreconditionFailed, PreconditionRequired, responses
from shared.etag import IfMatch, etag
from shared.http import ContextDep, Router, SessionDep
from shared.ids import uuid7
from shared.jobs import enqueue
from shared.pagination import Page, Paging

router = Router(prefix="/registry/v1", tags=["duplicates"])
RegistryOfficer = PlaceLoad


@router.post("/duplicate-runs", status_code=202, responses=responses(OutsideArea))
async def start_run(
    body: RunRequest, session: SessionDep, context: ContextDep, principal: RegistryOfficer
) -> RunAccepted:
    """Compare newcomers with everybody in the register: a job."""
    ensure_area(principal, body.place)
    run_id = uuid7()
    job_id = await enqueue(session, FIND_JOB, {"run_id": str(run_id)})
    values = {"registered_since": body.registered_since, "place": body.place, "requested_by": principal.subject}
    values |= {"rules": load_rules().version, "requested_at": context.clock.now()}
    await repository.add_run(session, id=run_id, job_id=job_id, **values)
    await audit.record(session, principal, "duplicate_run.request", "duplicate_run", run_id, {"place": body.place})
    return RunAccepted(run_id=run_id, job_id=job_id)


@router.get("/duplicate-runs/{run_id}", responses=responses(RunNotFound))
async def read_run(run_id: UUID, session: SessionDep, principal: RegistryOfficer) -> RunView:
    """How far a run is, and what came of it."""
    found = await repository.find_run(session, run_id)
    if found is None or not (principal.national or principal.covers(found.place)):
        raise RunNotFound("There is no such run, or it is not of your area.")
    return RunView.model_validate(dict(found._mapping))


@router.get("/duplicates")
async def list_duplicates(
    session: SessionDep,
    principal: HouseholdWrite,
    paging: Paging,
    state: Annotated[State | None, Query(description="Default: those that wait (open and unsure).")] = None,
    kind: Kind | None = None,
    band: Annotated[Band | None, Query()] = None,
    source_id: Annotated[UUID | None, Query(description="Of this import or run.")] = None,
    place: Annotated[str | None, Query(pattern=r"^([0-9]{2}){1,4}$")] = None,
) -> Page[Candidate]:
    """Pairs wholly in your area, best first, without names. One that crosses areas waits for the level above."""
    after = paging.after()
    filters = {"state": state, "kind": kind, "band": band, "source_id": source_id, "place": place}
    rows = await repository.list_candidates(
        session, principal, after=_after(after) if after else None, limit=paging.fetch, **filters
    )
    kept, cursor = paging.cut(rows, key=lambda row: {"score": str(row.score), "id": str(row.id)})
    return Page[Candidate](items=[Candidate.model_validate(dict(row._mapping)) for row in kept], next_cursor=cursor)


def _after(key: dict[str, Any]) -> tuple[Decimal, UUID]:
    try:
        return Decimal(key["score"]), UUID(key["id"])
    except (KeyError, TypeError, ValueError, ArithmeticError):
        raise BadRequest("Use the next_cursor of the page before, as it is.") from None


@router.get("/duplicates/{candidate_id}", responses=responses(CandidateNotFound))
async def read_duplicate(
    candidate_id: UUID, response: Response, session: SessionDep, principal: HouseholdWrite
) -> CandidateView:
    """A pair side by side, with names: the look is recorded."""
    pair = await repository.find_candidate(session, principal, candidate_id)
    if pair is None:
        raise CandidateNotFound("Look it up at /registry/v1/duplicates.")
    rows = await repository.read_sides(session, pair.kind, [pair.left_id, pair.right_id])
    people = [row.id for row in rows]
    await record_looks(session, principal, people, via="duplicate", reason="duplicate", candidate_id=candidate_id)
    response.headers["ETag"] = etag(pair.version)
    mine = "id" if pair.kind == "person" else "household_id"
    sides = {
        side: [_side(row) for row in rows if getattr(row, mine) == getattr(pair, f"{side}_id")]
        for side in ("left", "right")
    }
    return CandidateView.model_validate({**pair._mapping, **sides})


def _side(row: Row[Any]) -> SidePerson:
    return SidePerson.model_validate({**row._mapping, "person_id": row.id, "household_reference": row.reference})


@router.post(
    "/duplicates/{candidate_id}/decision",
    responses=responses(
        *(CandidateNotFound, AlreadyDecided, CannotMerge, OwnRecord, OutsideArea, Invalid),
        *(PreconditionFailed, PreconditionRequired),
    ),
)
async def decide(
    candidate_id: UUID,
    body: Decision,
    version: IfMatch,
    response: Response,
    session: SessionDep,
    context: ContextDep,
    principal: HouseholdWrite,
) -> Decided:
    """Decide: `same` merges the two at once, `different` ends it, `unsure` leaves it for somebody who knows."""
    decided = await decide_candidate(session, context, principal, candidate_id, version, body)
    response.headers["ETag"] = etag(decided.version)
    return decided


@router.post("/merges", status_code=201, responses=responses(CannotMerge, OwnRecord, OutsideArea))
async def merge(
    body: MergeRequest, response: Response, session: SessionDep, context: ContextDep, principal: HouseholdWrite
) -> MergeView:
    """Merge two records that no run has listed."""
    merge_id = await merge_records(
        session,
        context,
        principal,
        kind=body.kind,
        retired=body.retired_id,
        surviving=body.surviving_id,
        same_people=body.same_people,
        reason=body.reason,
    )
    return await _merge_view(session, principal, merge_id, response)


@router.get("/merges/{merge_id}", responses=responses(MergeNotFound))
async def read_merge(merge_id: UUID, response: Response, session: SessionDep, principal: HouseholdWrite) -> MergeView:
    """A merge, done or undone."""
    return await _merge_view(session, principal, merge_id, response)


async def _merge_view(session: SessionDep, principal: Principal, merge_id: UUID, response: Response) -> MergeView:
    found = await merge_repository.find_merge(session, merge_id)
    if found is None:
        raise MergeNotFound("Look it up at the pair it decided.")
    response.headers["ETag"] = etag(found.version)
    return MergeView.model_validate(dict(found._mapping))


@router.post(
    "/merges/{merge_id}/undo",
    responses=responses(MergeNotFound, CannotUndo, OwnRecord, OutsideArea, PreconditionFailed, PreconditionRequired),
)
async def undo(
    merge_id: UUID,
    body: UndoRequest,
    version: IfMatch,
    response: Response,
    session: SessionDep,
    context: ContextDep,
    principal: HouseholdWrite,
) -> MergeView:
    """Take a merge back: both records are their own again, as they were."""
    await undo_merge(session, context, principal, merge_id, version, body.reason)
    return await _merge_view(session, principal, merge_id, response)


@router.get("/identities/{record_id}")
async def resolve(record_id: UUID, session: SessionDep, principal: HouseholdRead) -> Identity:
    """Under which id a person or household is known now, whatever it was merged into since."""
    surviving = await merge_repository.surviving_id(session, record_id)
    return Identity(id=record_id, surviving_id=surviving or record_id)
