"""Sources over HTTP: registered by an administrator, read by those who pay."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import Path, Response

from services.payments.edges.errors import SourceExists, SourceNotFound
from services.payments.edges.sources import repository
from services.payments.edges.sources.model import programme_of, voucher_programme_of
from services.payments.edges.sources.schemas import NewSource, SourceIn, SourceOut
from shared import audit
from shared.auth import Principal, ensure_area, requires
from shared.errors import BadRequest, PreconditionFailed, responses
from shared.etag import IfMatch, check_version, etag
from shared.http import Router, SessionDep
from shared.pagination import Page, Paging

SourceWrite = Annotated[Principal, requires("admin")]
SourceRead = Annotated[
    Principal, requires("admin", "payment_officer", "payment_approver", "finance_officer", "auditor")
]
Code = Annotated[str, Path(max_length=12)]
router = Router(prefix="/payments/v1/external-sources", tags=["external sources"])


@router.post("", status_code=201, responses=responses(SourceExists))
async def register_source(
    body: NewSource, principal: SourceWrite, session: SessionDep, response: Response
) -> SourceOut:
    """Let an institution ask for payments: bound to one token subject, its own programme codes and its addresses."""
    ensure_area(principal, None)
    values = _values(body, principal) | {
        "code": body.code,
        "programme_code": programme_of(body.code),
        "voucher_programme_code": voucher_programme_of(body.code),
    }
    row = await repository.add(session, values)
    if row is None:
        raise SourceExists("Choose another code, or change that source.")
    await audit.record(session, principal, "external_source.register", "external_source", row.code, _detail(row))
    response.headers["ETag"] = etag(row.version)
    response.headers["Location"] = f"/payments/v1/external-sources/{row.code}"
    return SourceOut.model_validate(row)


@router.get("")
async def list_sources(_: SourceRead, session: SessionDep, paging: Paging) -> Page[SourceOut]:
    """The registered sources, by code."""
    after = paging.after()
    if after is not None and not isinstance(after.get("code"), str):
        raise BadRequest("Use the next_cursor of the page before, as it is.")
    rows = await repository.listing(session, after["code"] if after else "", paging.fetch)
    kept, cursor = paging.cut(rows, lambda row: {"code": row.code})
    return Page(items=[SourceOut.model_validate(row) for row in kept], next_cursor=cursor)


@router.get("/{code}", responses=responses(SourceNotFound))
async def read_source(code: Code, _: SourceRead, session: SessionDep, response: Response) -> SourceOut:
    """One source."""
    row = await repository.by_code(session, code)
    if row is None:
        raise SourceNotFound("Look at the code again.")
    response.headers["ETag"] = etag(row.version)
    return SourceOut.model_validate(row)


@router.put("/{code}", responses=responses(SourceNotFound, SourceExists, PreconditionFailed))
async def change_source(
    code: Code, body: SourceIn, version: IfMatch, principal: SourceWrite, session: SessionDep, response: Response
) -> SourceOut:
    """Change a source: new keys, new addresses, another subject, or switched off."""
    ensure_area(principal, None)
    row = await repository.by_code(session, code, lock=True)
    if row is None:
        raise SourceNotFound("Look at the code again.")
    check_version(version, row.version)
    if await repository.taken(session, code, body.subject, body.sender_id):
        raise SourceExists("Another source has this subject or sender id.")
    changed = await repository.change(session, _values(body, principal) | {"code": code, "active": body.active})
    await audit.record(session, principal, "external_source.change", "external_source", code, _detail(changed))
    response.headers["ETag"] = etag(changed.version)
    return SourceOut.model_validate(changed)


def _values(body: SourceIn, principal: Principal) -> dict[str, Any]:
    return {
        "name": body.name,
        "subject": body.subject,
        "funding_line": body.funding_line,
        "place_code": body.place_code,
        "sender_id": body.sender_id,
        "payer_address": body.payer_address,
        "keys": orjson.dumps([key.model_dump() for key in body.keys]).decode(),
        "callback_origins": body.callback_origins,
        "actor": principal.subject,
    }


def _detail(row: Any) -> dict[str, Any]:
    """Keys by id, addresses by origin: who may speak and where answers go is what an auditor looks for."""
    return {
        "version": row.version,
        "active": row.active,
        "subject": row.subject,
        "key_ids": [key["key_id"] for key in row.keys],
        "callback_origins": list(row.callback_origins),
    }
