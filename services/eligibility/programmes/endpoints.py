"""HTTP of programmes."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from services.eligibility.access import ProgrammeRead, ProgrammeWrite, ensure_national
from services.eligibility.programmes import repository
from services.eligibility.programmes.confirm_rate import confirm_rate
from services.eligibility.programmes.create_version import create_version
from services.eligibility.programmes.errors import (
    ConfirmedByAuthor,
    PastRewritten,
    ProgrammeInvalid,
    ProgrammeUnknown,
    RateDiffers,
    RateNotOpen,
    RateUnknown,
    VersionPublished,
)
from services.eligibility.programmes.file import MAX_FILE_BYTES, ProgrammeFile
from services.eligibility.programmes.model import VersionState
from services.eligibility.programmes.publish_version import publish_version
from services.eligibility.programmes.schemas import (
    ConfirmRate,
    ProgrammeSummary,
    ProgrammeView,
    RateView,
    VersionCreated,
    VersionView,
    rate_view,
)
from services.eligibility.rehearsal.approve_rehearsal import ensure_rehearsed
from services.eligibility.rehearsal.errors import RehearsalNeeded
from shared.errors import PayloadTooLarge, responses
from shared.http import ClockDep, ContextDep, Router, SessionDep
from shared.pagination import Page, Paging

router = Router(prefix="/eligibility/v1/programmes", tags=["programmes"])
schema_router = Router(prefix="/eligibility/v1/programme-schema", tags=["programmes"])
_YAML_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/yaml": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@schema_router.get("")
async def get_programme_schema(_: ProgrammeRead) -> dict[str, Any]:
    """JSON Schema of a programme file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ProgrammeFile.model_json_schema()}


@router.post("", status_code=201, openapi_extra=_YAML_BODY, responses=responses(ProgrammeInvalid, PayloadTooLarge))
async def post_programme(
    request: Request, response: Response, principal: ProgrammeWrite, session: SessionDep
) -> VersionCreated:
    """Take in a programme file (YAML) as a new draft version."""
    ensure_national(principal)
    code, version, digest = await create_version(session, principal, await _body(request))
    response.headers["Location"] = f"/eligibility/v1/programmes/{code}"
    return VersionCreated(programme_code=code, version=version, state=VersionState.DRAFT, sha256=digest)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_FILE_BYTES:
            raise PayloadTooLarge(f"A programme file has at most {MAX_FILE_BYTES} bytes.")
    return bytes(body)


@router.post(
    "/{code}/versions/{version}:publish",
    responses=responses(ProgrammeUnknown, VersionPublished, PastRewritten, RehearsalNeeded),
)
async def post_publish(
    code: str, version: int, principal: ProgrammeWrite, session: SessionDep, context: ContextDep
) -> VersionView:
    """Publish a draft version: it governs its dates from now on. Policy may ask for an approved rehearsal first."""
    ensure_national(principal)
    if context.settings.require_rehearsal:
        await ensure_rehearsed(session, code, version)
    await publish_version(session, context.clock, principal, code, version)
    versions = await repository.list_versions(session, code)
    return next(VersionView.model_validate(row) for row in versions if row.version == version)


_RATE_PROBLEMS = responses(ProgrammeUnknown, RateUnknown, RateNotOpen, RateDiffers, ConfirmedByAuthor)


@router.get("/{code}/versions/{version}/rates", responses=responses(ProgrammeUnknown))
async def get_rates(code: str, version: int, _: ProgrammeRead, session: SessionDep) -> list[RateView]:
    """The rate tables of a version, with their sources and whether they are confirmed."""
    stored = await repository.find_version(session, code, version)
    if stored is None:
        raise ProgrammeUnknown(f"{code} has no version {version}.")
    waiting = await repository.unconfirmed_rates(session, code, version)
    confirmed = {(row.rate, row.rate_hash): row for row in await repository.confirmations(session, code)}
    rates = repository.compiled(stored.document).file.rates
    return [
        rate_view(name, table, name in waiting, confirmed.get((name, table.fingerprint())))
        for name, table in rates.items()
    ]


@router.post("/{code}/versions/{version}/rates/{rate}:confirm", status_code=204, responses=_RATE_PROBLEMS)
async def post_confirm_rate(
    code: str,
    version: int,
    rate: str,
    body: ConfirmRate,
    principal: ProgrammeWrite,
    session: SessionDep,
    clock: ClockDep,
) -> None:
    """Confirm amounts that the file marks as unconfirmed: somebody else than the version's author."""
    ensure_national(principal)
    await confirm_rate(session, clock, principal, code, version, rate, body.fingerprint, body.source)


@router.get("")
async def get_programmes(_: ProgrammeRead, session: SessionDep, paging: Paging) -> Page[ProgrammeSummary]:
    """All programmes, by code."""
    after = paging.after()
    rows = await repository.list_programmes(session, after["code"] if after else None, paging.fetch)
    return paging.page([ProgrammeSummary.model_validate(row) for row in rows], lambda row: {"code": row.code})


@router.get("/{code}", responses=responses(ProgrammeUnknown))
async def get_programme(code: str, _: ProgrammeRead, session: SessionDep) -> ProgrammeView:
    """A programme: its versions and its last document."""
    versions = await repository.list_versions(session, code)
    if not versions:
        raise ProgrammeUnknown(f"There is no programme {code}.")
    last = await repository.find_version(session, code, versions[0].version)
    assert last is not None
    views = [VersionView.model_validate(row) for row in versions]
    return ProgrammeView(code=code, versions=views, document=last.document)
