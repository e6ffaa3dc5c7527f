"""Use-case: attach a file to a case, after looking at what it really is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.attachments import repository
from services.grievance.attachments.cipher import CHUNK_BYTES
from services.grievance.attachments.errors import AttachmentRefused, AttachmentTooLarge, ScannerAway, TooManyAttachments
from services.grievance.attachments.model import Attachment, AttachmentChunk
from services.grievance.attachments.scanner import Scan
from services.grievance.attachments.sniff import MEDIA_TYPES, ActiveContent, media_type
from services.grievance.cases import repository as cases
from services.grievance.cases.work import authorise
from services.grievance.resources import Desk
from services.grievance.sealing import record_audit
from shared.auth import Principal
from shared.clock import Clock
from shared.errors import FieldError
from shared.ids import uuid7
from shared.telemetry import get_logger

MAX_ATTACHMENTS = 20
"""Files of one case."""
SCAN_SECONDS = 20
log = get_logger(__name__)


async def add_attachment(
    session: AsyncSession,
    desk: Desk,
    clock: Clock,
    principal: Principal,
    case_id: UUID,
    declared: str,
    body: AsyncIterator[bytes],
) -> Attachment:
    """Attach a file.

    Args:
        declared: the media type that the sender says it is; it must be what the content is.
        body: the file as it arrives; read only as far as the size limit.

    Raises:
        AttachmentRefused: another type than declared, a type that is not taken, active content, or malware.
        AttachmentTooLarge: above the limit. ScannerAway: nobody could look at it.
        TooManyAttachments: the case has enough. Also what `authorise` raises.
    """
    case = await authorise(session, principal, await cases.find(session, case_id))
    if await repository.count(session, case.id) >= MAX_ATTACHMENTS:
        raise TooManyAttachments(f"A case has at most {MAX_ATTACHMENTS} attachments.")
    content = await _read(body, desk.attachment_max_bytes)
    found = _checked_type(content, declared)
    verdict = await _scan(desk, content, found)
    if verdict is Scan.INFECTED:
        raise _refused("malware_found", "The scanner found malware in it: it was not stored.")
    attachment_id = uuid7()
    pieces = [content[start : start + CHUNK_BYTES] for start in range(0, len(content), CHUNK_BYTES)]
    cipher = desk.chunks_for(case.sealed)
    attachment = Attachment(
        id=attachment_id,
        case_id=case.id,
        media_type=found,
        bytes=len(content),
        chunks=len(pieces),
        scan=verdict.value,
        added_by=principal.subject,
        added_at=clock.now(),
    )
    chunks = [
        AttachmentChunk(
            attachment_id=attachment_id,
            number=number,
            data_encrypted=cipher.encrypt(piece, attachment_id, number, len(pieces)),
        )
        for number, piece in enumerate(pieces)
    ]
    await repository.add(session, attachment, chunks)
    detail = {"attachment": str(attachment_id), "media_type": found, "bytes": len(content), "scan": verdict.value}
    await record_audit(session, principal, "case.attach", case, detail)
    return attachment


async def _scan(desk: Desk, content: bytes, found: str) -> Scan:
    """The scanner's verdict. Raises ScannerAway when there is none: nothing is stored that nobody looked at."""
    try:
        return await asyncio.wait_for(desk.scanner.scan(content, found), SCAN_SECONDS)
    except Exception as error:  # a plugged-in scanner may raise anything
        log.error("attachment_scanner_away", error=type(error).__name__)
        raise ScannerAway("Try again later.", headers={"Retry-After": "60"}) from error


async def _read(body: AsyncIterator[bytes], limit: int) -> bytes:
    content = bytearray()
    async for piece in body:
        content += piece
        if len(content) > limit:
            raise AttachmentTooLarge(f"At most {limit // 1024} KiB: make a smaller picture of it.")
    return bytes(content)


def _checked_type(content: bytes, declared: str) -> str:
    if not content:
        raise _refused("empty", "The file is empty.")
    try:
        found = media_type(content)
    except ActiveContent:
        raise _refused(
            "active_content", "It could run something when opened, or hides whether it would: print it to a plain PDF."
        ) from None
    if found is None:
        known = ", ".join(sorted(MEDIA_TYPES))
        raise _refused("type_not_taken", f"It is not a whole file of one of these types: {known}.")
    if declared.partition(";")[0].strip().lower() != found:
        raise _refused("type_differs", f"Its content is {found}: send that as Content-Type, or the right file.")
    return found


def _refused(code: str, message: str) -> AttachmentRefused:
    return AttachmentRefused(message, errors=[FieldError("body", code, message)])
