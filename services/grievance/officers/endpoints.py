"""HTTP of officers: `/grievance/v1/officers`, kept by case supervisors."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Path, Response
from pydantic import BaseModel, ConfigDict, Field

from services.grievance.cases.categories import Categories
from services.grievance.officers import repository
from services.grievance.officers.model import Officer
from services.grievance.permissions import CaseSupervise
from services.grievance.resources import DeskDep
from shared import audit
from shared.auth import Principal
from shared.errors import (
    BadRequest,
    FieldError,
    Invalid,
    NotFound,
    OutsideArea,
    PreconditionFailed,
    PreconditionRequired,
    responses,
)
from shared.etag import IfMatch, check_version, etag
from shared.http import Router, SessionDep
from shared.pagination import Page, Paging

router = Router(prefix="/grievance/v1/officers", tags=["officers"])
Area = Annotated[str, Field(pattern=r"^(\*|(\d{2}){1,4})$")]
Subject = Annotated[str, Path(min_length=1, max_length=200)]


class OfficerInvalid(Invalid):
    """A level or category that is not configured."""

    code, title = "officer_invalid", "The officer cannot be kept as she is"


class OfficerNotFound(NotFound):
    """She is not in the list."""

    code, title = "officer_not_found", "There is no such officer"


class SetOfficer(BaseModel):
    """Who answers what, where, and how many at a time."""

    model_config = ConfigDict(extra="forbid")

    level: str = Field(max_length=40)
    areas: list[Area] = Field(min_length=1, max_length=200)
    categories: list[str] = Field(default=[], max_length=50, description="None named: everything that is not sealed.")
    capacity: int = Field(default=100, ge=1, le=10_000)
    sealed: bool = Field(default=False, description="She may be given sealed cases.")
    active: bool = True
    person_id: UUID | None = Field(default=None, description="Her own record in the registry.")


class OfficerView(SetOfficer):
    """An officer, with her ETag's version."""

    model_config = ConfigDict(from_attributes=True)

    subject: str
    version: int


@router.get("", responses=responses(OutsideArea))
async def get_officers(session: SessionDep, paging: Paging, _principal: CaseSupervise) -> Page[OfficerView]:
    """Officers, by the subject of their tokens."""
    seen = paging.after()
    if seen is not None and not isinstance(seen.get("subject"), str):
        raise BadRequest("Use the next_cursor of the page before, as it is.")
    rows = await repository.page(session, after=seen["subject"] if seen else None, fetch=paging.fetch)
    kept, next_cursor = paging.cut(rows, lambda officer: {"subject": officer.subject})
    return Page(items=[OfficerView.model_validate(officer) for officer in kept], next_cursor=next_cursor)


@router.get("/{subject}", responses=responses(OfficerNotFound))
async def get_officer(subject: Subject, response: Response, session: SessionDep, _: CaseSupervise) -> OfficerView:
    """One officer."""
    officer = await repository.find(session, subject)
    if officer is None:
        raise OfficerNotFound("Look her up in the list.")
    return _answer(response, officer)


@router.post("/{subject}", status_code=201, responses=responses(OfficerInvalid, OutsideArea))
async def post_officer(
    subject: Subject, body: SetOfficer, response: Response, session: SessionDep, desk: DeskDep, principal: CaseSupervise
) -> OfficerView:
    """Put an officer into the list. 409 when she is there."""
    _ensure_valid(principal, body, desk.categories)
    officer = Officer(subject=subject, version=1, **body.model_dump())
    await repository.add(session, officer)
    await audit.record(session, principal, "officer.add", "officer", subject, _facts(body))
    return _answer(response, officer)


@router.put(
    "/{subject}",
    responses=responses(OfficerNotFound, OfficerInvalid, OutsideArea, PreconditionFailed, PreconditionRequired),
)
async def put_officer(
    subject: Subject,
    body: SetOfficer,
    version: IfMatch,
    response: Response,
    session: SessionDep,
    desk: DeskDep,
    principal: CaseSupervise,
) -> OfficerView:
    """Change an officer's areas, level or room. Her cases stay with her."""
    officer = await repository.lock(session, subject)
    if officer is None:
        raise OfficerNotFound("Put her into the list first.")
    check_version(version, officer.version)
    _ensure_valid(principal, body, desk.categories)
    for name, value in body.model_dump().items():
        setattr(officer, name, value)
    officer.version += 1
    await repository.save(session)
    await audit.record(session, principal, "officer.change", "officer", subject, _facts(body))
    return _answer(response, officer)


def _ensure_valid(principal: Principal, body: SetOfficer, configured: Categories) -> None:
    known_levels = {level.code for level in configured.levels}
    errors = []
    if body.level not in known_levels:
        errors.append(FieldError("level", "unknown_level", f"One of: {', '.join(sorted(known_levels))}."))
    if unknown := set(body.categories) - set(configured.categories):
        errors.append(FieldError("categories", "unknown_category", f"Not configured: {len(unknown)} of them."))
    if errors:
        raise OfficerInvalid(errors=errors)
    for area in body.areas:
        if not (principal.national if area == "*" else principal.covers(area)):
            raise OutsideArea("You can only name officers for your own area.")


def _facts(body: SetOfficer) -> dict[str, object]:
    return {"level": body.level, "areas": body.areas, "capacity": body.capacity, "active": body.active}


def _answer(response: Response, officer: Officer) -> OfficerView:
    response.headers["ETag"] = etag(officer.version)
    return OfficerView.model_validate(officer)
