"""HTTP of attachments: `/grievance/v1/cases/{case_id}/attachments`. The body is the file itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import Header, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.attachments import repository
from services.grievance.attachments.add_attachment import add_attachment
from services.grievance.attachments.cipher import ChunkCipher
from services.grievance.attachments.errors import (
    AttachmentNotFound,
    AttachmentRefused,
    AttachmentTooLarge,
    ScannerAway,
    TooManyAttachments,
)
from services.grievance.attachments.model import Attachment
from services.grievance.attachments.sniff import MEDIA_TYPES
from services.grievance.cases import repository as cases
from services.grievance.cases.errors import CaseNotFound, OwnCase
from services.grievance.cases.schemas import CaseAttachment
from services.grievance.cases.work import authorise
from services.grievance.permissions import CaseWork
from services.grievance.resources import DeskDep
from services.grievance.sealing import CaseSession, open_seal, record_audit
from shared.errors import OutsideArea, responses
from shared.http import ClockDep, ContextDep, Router
from shared.service import Context

router = Router(prefix="/grievance/v1/cases/{case_id}/attachments", tags=["attachments"])
_SEEN = (CaseNotFound, OutsideArea, OwnCase)
_BODY = {
    "requestBody": {
        "required": True,
        "content": {name: {"schema": {"type": "string", "format": "binary"}} for name in sorted(MEDIA_TYPES)},
    }
}


@router.post(
    "",
    status_code=201,
    responses=responses(*_SEEN, AttachmentRefused, AttachmentTooLarge, TooManyAttachments, ScannerAway),
    openapi_extra=_BODY,
)
async def post_attachment(
    case_id: UUID,
    request: Request,
    session: CaseSession,
    desk: DeskDep,
    clock: ClockDep,
    principal: CaseWork,
    content_type: Annotated[str, Header(max_length=100)],
) -> CaseAttachment:
    """Attach a file to the case. Its content must be what Content-Type says."""
    request.state.body_was_streamed = True
    added = await add_attachment(session, desk, clock, principal, case_id, content_type, request.stream())
    return CaseAttachment.model_validate(added)


@router.get(
    "/{attachment_id}",
    response_class=Response,
    responses={
        **responses(*_SEEN, AttachmentNotFound),
        200: {"content": {name: {"schema": {"type": "string", "format": "binary"}} for name in sorted(MEDIA_TYPES)}},
    },
)
async def get_attachment(
    case_id: UUID,
    attachment_id: UUID,
    session: CaseSession,
    desk: DeskDep,
    context: ContextDep,
    principal: CaseWork,
) -> Response:
    """The file, to be saved: never shown or run inside a page of ours. Every download is audited."""
    case = await authorise(session, principal, await cases.find(session, case_id))
    attachment = await repository.find(session, case.id, attachment_id)
    if attachment is None:
        raise AttachmentNotFound("Look it up in the case.")
    await record_audit(session, principal, "case.download", case, {"attachment": str(attachment.id)})
    name = f"{case.reference}-{attachment.id.hex[-6:]}.{MEDIA_TYPES[attachment.media_type]}"
    return StreamingResponse(
        _pieces(context, desk.chunks_for(case.sealed), attachment, case.sealed),
        media_type=attachment.media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Length": str(attachment.bytes),
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        },
    )


async def _pieces(context: Context, cipher: ChunkCipher, attachment: Attachment, sealed: bool) -> AsyncIterator[bytes]:
    """The file piece by piece, each read and decrypted when the client is ready for it."""
    for number in range(attachment.chunks):
        async with context.database.session() as session:
            piece = await _piece(session, attachment, number, sealed)
        yield cipher.decrypt(piece, attachment.id, number, attachment.chunks)


async def _piece(session: AsyncSession, attachment: Attachment, number: int, sealed: bool) -> bytes:
    if sealed:
        await open_seal(session)
    piece = await repository.chunk(session, attachment.id, number)
    if piece is None:
        raise AttachmentNotFound("A piece of it is missing.")
    return piece
