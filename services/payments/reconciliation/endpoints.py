"""HTTP of documents: hand in a bank file, see what came."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import Header, Path, Request, Response, status

from services.payments.rails.catalogue import BY_NAME
from services.payments.rails.errors import RailNotFound
from services.payments.rails.port import Document, Media
from services.payments.reconciliation import repository
from services.payments.reconciliation.errors import (
    StatementConflict,
    StatementMalformed,
    StatementNotGenuine,
    StatementSeen,
    StatementSenderUnknown,
    StatementTooLarge,
    StatementUnknownKind,
)
from services.payments.reconciliation.ingest_document import MAX_BYTES, Ingested
from services.payments.reconciliation.receive_file import Seal, receive_file
from services.payments.reconciliation.schemas import FileQueued, FileTaken, FileView
from shared.auth import Principal, requires
from shared.errors import responses
from shared.http import ContextDep, Router, SessionDep
from shared.pagination import Page, Paging
from shared.service import Context

StatementWrite = Annotated[Principal, requires("integration", "finance_officer")]
StatementRead = Annotated[Principal, requires("payment_officer", "payment_approver", "finance_officer", "auditor")]
MEDIA: Final = {"text/csv": Media.CSV, "application/x-mt940": Media.MT940, "text/x-mt940": Media.MT940}
"""Of a file's Content-Type; anything else is XML."""

router = Router(prefix="/payments/v1", tags=["reconciliation"])


@router.post(
    "/rails/{rail}/inbox",
    status_code=status.HTTP_201_CREATED,
    response_model=FileTaken | FileQueued,
    responses={
        202: {"model": FileQueued, "description": "A large file: a job takes it in."},
        **responses(
            RailNotFound,
            StatementNotGenuine,
            StatementSenderUnknown,
            StatementMalformed,
            StatementUnknownKind,
            StatementTooLarge,
            StatementSeen,
            StatementConflict,
        ),
    },
    openapi_extra={
        "requestBody": {
            "content": {kind: {"schema": {"type": "string"}} for kind in ("application/xml", *MEDIA)},
            "required": True,
        }
    },
)
async def receive_bank_file(
    rail: Annotated[str, Path(max_length=40)],
    request: Request,
    response: Response,
    session: SessionDep,
    context: ContextDep,
    principal: StatementWrite,
    content_digest: Annotated[str, Header(max_length=200, description="RFC 9530: `sha-256=:...:`.")] = "",
    x_signature_ed25519: Annotated[
        str, Header(max_length=200, description="Base64 signature of the body's SHA-256.")
    ] = "",
) -> FileTaken | FileQueued:
    """Take in a pain.002, camt.054, camt.053, pacs.004, MT940 or CSV statement; nothing of one that cannot be read."""
    if rail not in BY_NAME:
        raise RailNotFound(rail)
    _ensure_sender(principal, context)
    if int(request.headers.get("content-length") or 0) > MAX_BYTES:
        raise StatementTooLarge(f"at most {MAX_BYTES // 2**20} MiB")
    media = MEDIA.get(request.headers.get("content-type", "").partition(";")[0].strip().lower(), Media.ISO20022)
    seal = Seal(content_digest, x_signature_ed25519)
    document = Document(rail, media, "inbox", b"")
    taken = await receive_file(session, context, principal, document, request.stream(), seal)
    if not isinstance(taken, Ingested):
        response.status_code = status.HTTP_202_ACCEPTED
        return FileQueued(job_id=taken)
    assert taken.file_id is not None
    return FileTaken(file_id=taken.file_id, lines=taken.lines, matched=taken.matched, breaks=taken.breaks)


def _ensure_sender(principal: Principal, context: Context) -> None:
    """Integrations are agents and sources, too: a file settles payments, so that it is signed, or its sender is named.

    Raises:
        StatementSenderUnknown.
    """
    settings = context.settings
    if principal.has("finance_officer") or settings.bank_verifying_key is not None:
        return
    if principal.subject not in settings.statement_senders:
        raise StatementSenderUnknown("Sign the files, or have your subject added to SAMAKI_STATEMENT_SENDERS.")


@router.get("/reconciliation/files")
async def list_files(session: SessionDep, principal: StatementRead, paging: Paging) -> Page[FileView]:
    """What the rails handed over, newest first."""
    after = paging.after()
    rows = await repository.files(session, after=UUID(after["id"]) if after else None, most=paging.fetch)
    kept, cursor = paging.cut(rows, lambda row: {"id": str(row.id)})
    return Page(items=[FileView.model_validate(row) for row in kept], next_cursor=cursor)
