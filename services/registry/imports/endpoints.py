"""`/registry/v1/household-imports`: send a household file, follow it, read its report."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Row
from starlette.requests import ClientDisconnect

from services.registry.imports import repository
from services.registry.imports.errors import (
    BodyCutShort,
    EmptyFile,
    FileTooLarge,
    ImportNotFound,
    LineTooLong,
    NotUtf8,
    UnpacksTooLarge,
    UnreadableFile,
    UnsupportedBody,
    WrongHeader,
)
from services.registry.imports.receive_import import Newcomers, receive_import
from services.registry.imports.rules import MESSAGES
from services.registry.imports.schemas import ImportAccepted, ImportView, Rejection
from services.registry.imports.sources import FileKind
from services.registry.permissions import HouseholdWrite, ImportRead
from shared.auth import Principal
from shared.errors import responses
from shared.http import ContextDep, KeyNeedsSmallBody, Router, SessionDep
from shared.pagination import Page, Paging
from shared.service import Context
from shared.spreadsheet import csv_text

REPORT_PAGE: Final = 5000
_HEADER: Final = ("line", "household_ref", "field", "code", "message")


router = Router(prefix="/registry/v1/household-imports", tags=["household imports"])


@router.post(
    "",
    status_code=202,
    responses=responses(
        *(BodyCutShort, NotUtf8, WrongHeader, LineTooLong, EmptyFile, UnreadableFile),
        *(KeyNeedsSmallBody, UnsupportedBody, FileTooLarge, UnpacksTooLarge),
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {kind.value: {"schema": {"type": "string", "format": "binary"}} for kind in FileKind},
        }
    },
)
async def send_file(
    request: Request,
    session: SessionDep,
    context: ContextDep,
    principal: HouseholdWrite,
    dry_run: Annotated[bool, Query(description="Check and report only; load nothing.")] = False,
    newcomers: Annotated[
        Newcomers | None,
        Query(
            description="Of people whose exact keys somebody elsewhere has: register them and list the pair, or hold "
            "their households back and report them. Left out: as the country has it."
        ),
    ] = None,
) -> ImportAccepted:
    """Send a household file, one line or row per person, streamed: CSV or NDJSON in UTF-8, XLSX, or Parquet."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    packed = request.headers.get("content-encoding", "identity") != "identity"
    if media_type not in {kind.value for kind in FileKind} or packed:
        raise UnsupportedBody(f"Set Content-Type to one of {', '.join(FileKind)} and send the file as it is.")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > context.settings.import_max_bytes:
        raise FileTooLarge(context.settings.import_max_bytes)
    request.state.body_was_streamed = True
    received = await receive_import(
        session,
        context,
        principal,
        whole_body(request, announced),
        dry_run=dry_run,
        kind=FileKind(media_type),
        newcomers=newcomers or context.settings.import_newcomers,
    )
    return ImportAccepted(import_id=received.import_id, job_id=received.job_id)


async def whole_body(request: Request, announced: str) -> AsyncIterator[bytes]:
    """The body as it comes; refused if it ends before what was announced.

    Raises:
        BodyCutShort: it did.
    """
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            yield chunk
    except ClientDisconnect:
        raise BodyCutShort("The connection ended early: send the file again, from its start.") from None
    if announced.isdecimal() and int(announced) != size:
        raise BodyCutShort(f"{announced} bytes were announced, {size} came: send the file again, from its start.")


async def _visible(session: SessionDep, principal: Principal, import_id: UUID) -> Row[Any]:
    """The import, if the caller sent it or sees all of its sender's area."""
    found = await repository.find_import(session, import_id)
    if found is None:
        raise ImportNotFound("There is no such import, or it is not of your area.")
    if found.submitted_by != principal.subject and not all(principal.covers(area) for area in found.areas or [None]):
        raise ImportNotFound("There is no such import, or it is not of your area.")
    return found


@router.get("/{import_id}", responses=responses(ImportNotFound))
async def read_import(import_id: UUID, session: SessionDep, principal: ImportRead) -> ImportView:
    """How far an import is, and what came of it."""
    found = await _visible(session, principal, import_id)
    values = {**found._mapping, "import_id": found.id}
    return ImportView.model_validate(values)


@router.get("/{import_id}/rejections", responses=responses(ImportNotFound))
async def read_rejections(
    import_id: UUID, session: SessionDep, principal: ImportRead, paging: Paging
) -> Page[Rejection]:
    """What was refused, line by line."""
    await _visible(session, principal, import_id)
    after = paging.after()
    key = (int(after["line"]), str(after["field"]), str(after["code"])) if after else None
    rows = await repository.list_rejections(session, import_id, key, paging.fetch)
    kept, cursor = paging.cut(rows, key=lambda row: {"line": row.line, "field": row.field, "code": row.code})
    return Page[Rejection](items=[_rejection(row) for row in kept], next_cursor=cursor)


@router.get("/{import_id}/rejections.csv", response_class=Response, responses=responses(ImportNotFound))
async def download_rejections(
    import_id: UUID, session: SessionDep, context: ContextDep, principal: ImportRead
) -> Response:
    """The whole report as CSV, streamed."""
    await _visible(session, principal, import_id)
    name = f'attachment; filename="rejections-{import_id}.csv"'
    lines = _report(context, import_id)
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": name})


async def _report(context: Context, import_id: UUID) -> AsyncIterator[str]:
    yield csv_text([_HEADER])
    after: tuple[int, str, str] | None = None
    while True:
        async with context.database.session() as session:
            rows = await repository.list_rejections(session, import_id, after, REPORT_PAGE)
        if not rows:
            return
        yield csv_text([[getattr(entry, name) for name in _HEADER] for entry in map(_rejection, rows)])
        after = (rows[-1].line, rows[-1].field, rows[-1].code)


def _rejection(row: Row[Any]) -> Rejection:
    return Rejection(
        line=row.line, household_ref=row.household_ref, field=row.field, code=row.code, message=MESSAGES[row.code]
    )
