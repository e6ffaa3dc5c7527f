"""HTTP of reconciliation: hand in a bank file, see what came and what could not be reconciled."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, status

from services.payments.rails.body import read_body
from services.payments.rails.clients import clients_of
from services.payments.rails.pain001 import plain
from services.payments.rails.port import Document, Media
from services.payments.reconciliation import repository
from services.payments.reconciliation.errors import (
    StatementConflict,
    StatementMalformed,
    StatementSeen,
    StatementTooLarge,
    StatementUnknownKind,
)
from services.payments.reconciliation.ingest_document import ingest_document
from services.payments.reconciliation.model import BreakKind
from services.payments.reconciliation.schemas import BreakView, FileTaken, FileView
from shared.audit import record
from shared.auth import Principal, requires
from shared.errors import responses
from shared.http import ContextDep, Router, SessionDep
from shared.pagination import Page, Paging

StatementWrite = Annotated[Principal, requires("integration", "finance_officer")]
StatementRead = Annotated[Principal, requires("payment_officer", "payment_approver", "finance_officer", "auditor")]
INBOX_LIMIT = 64 * 1024 * 1024

router = Router(prefix="/payments/v1", tags=["reconciliation"])


@router.post(
    "/rails/bank/inbox",
    status_code=status.HTTP_201_CREATED,
    responses=responses(StatementMalformed, StatementUnknownKind, StatementTooLarge, StatementSeen, StatementConflict),
    openapi_extra={"requestBody": {"content": {"application/xml": {"schema": {"type": "string"}}}, "required": True}},
)
async def receive_bank_file(
    request: Request, session: SessionDep, context: ContextDep, principal: StatementWrite
) -> FileTaken:
    """Take in a pain.002, camt.054, camt.053 or pacs.004: all of it or, when it cannot be read, nothing."""
    body = await read_body(request, INBOX_LIMIT, StatementTooLarge)
    taken = await ingest_document(
        session,
        Document("bank", Media.ISO20022, "inbox", body),
        clients_of(context).rules,
        received_by=principal.subject,
        now=context.clock.now(),
    )
    if taken.seen or taken.file_id is None:
        raise StatementSeen("the same bytes were received before")
    await record(session, principal, "statement.receive", "statement_file", str(taken.file_id))
    return FileTaken(file_id=taken.file_id, lines=taken.lines, matched=taken.matched, breaks=taken.breaks)


@router.get("/reconciliation/files")
async def list_files(session: SessionDep, principal: StatementRead, paging: Paging) -> Page[FileView]:
    """What the rails handed over, newest first."""
    after = paging.after()
    rows = await repository.files(session, after=UUID(after["id"]) if after else None, most=paging.fetch)
    kept, cursor = paging.cut(rows, lambda row: {"id": str(row.id)})
    return Page(items=[FileView.model_validate(row) for row in kept], next_cursor=cursor)


@router.get("/reconciliation/breaks")
async def list_breaks(
    session: SessionDep,
    principal: StatementRead,
    paging: Paging,
    kind: Annotated[BreakKind | None, Query()] = None,
) -> Page[BreakView]:
    """What could not be reconciled, oldest first, with what was expected."""
    after = paging.after()
    rows = await repository.breaks(session, kind=kind, after=UUID(after["id"]) if after else None, most=paging.fetch)
    kept, cursor = paging.cut(rows, lambda row: {"id": str(row.id)})
    return Page(items=[_break_view(row) for row in kept], next_cursor=cursor)


def _break_view(row: object) -> BreakView:
    fields = row._asdict()  # type: ignore[attr-defined]
    offered = fields["offered_amount"]
    shown = {
        "document": fields["file_kind"],
        "line": fields["number"],
        "offered_amount": None if offered is None else plain(offered),
    }
    return BreakView.model_validate({**fields, **shown})
