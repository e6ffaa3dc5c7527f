"""`/registry/v1/employers/{employer_id}/worker-files`: report many workers, follow the job, read what was wrong."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from fastapi import Request
from pydantic import BaseModel, Field
from sqlalchemy import Row

from services.registry.employers import worker_file_repository as repository
from services.registry.employers.errors import (
    BadWorkers,
    EmployerClosed,
    EmployerNotFound,
    NotYours,
    WorkerFileNotFound,
)
from services.registry.employers.receive_worker_file import receive_worker_file
from services.registry.employers.register_workers import load_employer
from services.registry.imports import repository as imports
from services.registry.imports.endpoints import whole_body
from services.registry.imports.errors import (
    BodyCutShort,
    EmptyFile,
    FileTooLarge,
    LineTooLong,
    NotUtf8,
    UnsupportedBody,
    WrongHeader,
)
from services.registry.imports.rules import MESSAGES
from services.registry.permissions import EmployerRead, EmployerWrite
from shared.auth import Principal
from shared.errors import OutsideArea, responses
from shared.http import ContextDep, Router, SessionDep
from shared.pagination import Page, Paging

router = Router(prefix="/registry/v1/employers/{employer_id}/worker-files", tags=["employers"])
_OF_EMPLOYER = (EmployerNotFound, NotYours, OutsideArea)


class WorkerFileAccepted(BaseModel):
    """The file came in whole; the job checks and applies it."""

    file_id: UUID
    job_id: UUID


class WorkerFileView(BaseModel):
    """How far a file is. Counters are final once `finished_at` is there."""

    id: UUID
    job_id: UUID
    insured_from: date
    rows: int
    linked: int = Field(description="Known in the register.")
    entered: int = Field(description="New: registered as individuals.")
    unchanged: int = Field(description="Insured with this employer already.")
    rejected: int
    received_at: datetime
    finished_at: datetime | None


class WorkerRejection(BaseModel):
    """One thing wrong with one line. Never repeats what stood in the cell."""

    line: int = Field(description="Line of the file; the header is line 1.")
    field: str
    code: str
    message: str


@router.post(
    "",
    status_code=202,
    responses=responses(
        *(*_OF_EMPLOYER, EmployerClosed, BadWorkers, BodyCutShort, NotUtf8, WrongHeader, LineTooLong, EmptyFile),
        *(FileTooLarge, UnsupportedBody),
    ),
    openapi_extra={
        "requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}}}
    },
)
async def send_workers(
    employer_id: UUID,
    insured_from: date,
    request: Request,
    session: SessionDep,
    context: ContextDep,
    principal: EmployerWrite,
) -> WorkerFileAccepted:
    """Report insured workers by a CSV file: each good line is taken, each bad one reported."""
    employer = await load_employer(session, principal, employer_id)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "text/csv" or request.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedBody("Set Content-Type to text/csv and send the file as it is.")
    request.state.body_was_streamed = True
    body = whole_body(request, request.headers.get("content-length", ""))
    file_id, job_id = await receive_worker_file(session, context, principal, employer, insured_from, body)
    return WorkerFileAccepted(file_id=file_id, job_id=job_id)


async def _visible(session: SessionDep, principal: Principal, employer_id: UUID, file_id: UUID) -> Row[Any]:
    await load_employer(session, principal, employer_id)
    found = await repository.find_file(session, file_id)
    if found is None or found.employer_id != employer_id:
        raise WorkerFileNotFound("Look at the answer to the file that was sent.")
    return found


@router.get("/{file_id}", responses=responses(*_OF_EMPLOYER, WorkerFileNotFound))
async def read_file(employer_id: UUID, file_id: UUID, session: SessionDep, principal: EmployerRead) -> WorkerFileView:
    """How far a file is, and what came of it."""
    found = await _visible(session, principal, employer_id, file_id)
    return WorkerFileView.model_validate(found._asdict())


@router.get("/{file_id}/rejections", responses=responses(*_OF_EMPLOYER, WorkerFileNotFound))
async def read_rejections(
    employer_id: UUID, file_id: UUID, session: SessionDep, principal: EmployerRead, paging: Paging
) -> Page[WorkerRejection]:
    """What was refused, line by line."""
    await _visible(session, principal, employer_id, file_id)
    after = paging.after()
    key = (int(after["line"]), str(after["field"]), str(after["code"])) if after else None
    rows = await imports.list_rejections(session, file_id, key, paging.fetch)
    kept, cursor = paging.cut(rows, key=lambda row: {"line": row.line, "field": row.field, "code": row.code})
    items = [WorkerRejection(line=row.line, field=row.field, code=row.code, message=MESSAGES[row.code]) for row in kept]
    return Page[WorkerRejection](items=items, next_cursor=cursor)
