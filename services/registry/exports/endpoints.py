"""`/registry/v1/household-exports`: ask for a household file, follow it, fetch it while it is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

from fastapi import Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Row

from services.registry.consents.errors import UnknownPurpose
from services.registry.consents.require_consent import known_purpose
from services.registry.exports import repository
from services.registry.exports.errors import (
    ExportExpired,
    ExportNotFound,
    ExportNotReady,
    NumbersNotAllowed,
)
from services.registry.exports.make_export import EXPORT_JOB, SCOPE
from services.registry.exports.piece_cipher import PieceCipher
from services.registry.exports.schemas import ExportAccepted, ExportRequest, ExportView
from services.registry.imports.sources import FileKind
from services.registry.permissions import HouseholdWrite
from shared import audit
from shared.auth import Principal, ensure_area
from shared.errors import OutsideArea, responses
from shared.http import ContextDep, Router, SessionDep
from shared.ids import uuid7
from shared.jobs import enqueue
from shared.service import Context

router = Router(prefix="/registry/v1/household-exports", tags=["household exports"])
NUMBER_ROLES: Final = ("registry_officer",)


@router.post("", status_code=202, responses=responses(OutsideArea, UnknownPurpose, NumbersNotAllowed))
async def request_export(
    body: ExportRequest, session: SessionDep, context: ContextDep, principal: HouseholdWrite
) -> ExportAccepted:
    """Ask for a file of the households of your area, in the form that an import takes."""
    if body.place is not None:
        ensure_area(principal, body.place)
    known_purpose(body.purpose, SCOPE)
    if body.numbers and not principal.has(*NUMBER_ROLES):
        raise NumbersNotAllowed("Ask a registry officer, or leave the numbers out.")
    export_id = uuid7()
    job_id = await enqueue(session, EXPORT_JOB, {"export_id": str(export_id)})
    wanted: dict[str, Any] = {"place": body.place, "purpose": body.purpose, "reason": body.reason}
    wanted |= {"numbers": body.numbers, "optional": body.optional}
    kind = FileKind[body.format.upper()]
    await repository.add_export(
        session,
        id=export_id,
        job_id=job_id,
        requested_by=principal.subject,
        areas=list(principal.areas),
        kind=kind.value,
        requested_at=context.clock.now(),
        **wanted,
    )
    await audit.record(session, principal, "household_export.request", "household_export", export_id, wanted)
    return ExportAccepted(export_id=export_id, job_id=job_id)


async def _visible(session: SessionDep, principal: Principal, export_id: UUID) -> Row[Any]:
    """The export, if the caller asked for it: a file made for one officer's area and purpose is hers."""
    found = await repository.find_export(session, export_id)
    if found is None or found.requested_by != principal.subject:
        raise ExportNotFound("There is no such export, or another officer asked for it.")
    return found


@router.get("/{export_id}", responses=responses(ExportNotFound))
async def read_export(export_id: UUID, session: SessionDep, principal: HouseholdWrite) -> ExportView:
    """How far a file is."""
    found = await _visible(session, principal, export_id)
    return ExportView.model_validate(dict(found._mapping))


@router.get(
    "/{export_id}/file",
    response_class=Response,
    responses=responses(ExportNotFound, ExportNotReady, ExportExpired, OutsideArea),
)
async def download(export_id: UUID, session: SessionDep, context: ContextDep, principal: HouseholdWrite) -> Response:
    """Fetch the file, streamed. Each download is recorded."""
    found = await _visible(session, principal, export_id)
    if found.state == "queued":
        raise ExportNotReady("Its job is still writing: look again in a moment.")
    if found.state == "expired" or found.expires_at <= context.clock.now():
        raise ExportExpired("Ask for it again.")
    for area in found.areas:  # her area may have become smaller since
        if not principal.national:
            ensure_area(principal, area)
    await repository.count_download(session, export_id)
    detail = {"rows": found.rows, "sha256": found.sha256}
    await audit.record(session, principal, "household_export.download", "household_export", export_id, detail)
    kind = FileKind(found.kind)
    name = f'attachment; filename="households-{export_id}.{kind.name.lower()}"'
    headers = {"Content-Disposition": name, "Content-Length": str(found.bytes), "X-Content-SHA256": found.sha256}
    return StreamingResponse(_pieces(context, export_id), media_type=kind.value, headers=headers)


async def _pieces(context: Context, export_id: UUID) -> AsyncIterator[bytes]:
    cipher = PieceCipher(context.settings.encryption_key.get_secret_value())
    seq = 0
    while True:
        async with context.database.session() as session:
            sealed = await repository.find_piece(session, export_id, seq)
        if sealed is None:
            return
        yield cipher.open(sealed, export_id, seq)
        seq += 1
