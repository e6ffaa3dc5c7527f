"""HTTP of programmes."""

from __future__ import annotations

from fastapi import Request, Response

from services.eligibility.access import ProgrammeRead, ProgrammeWrite, ensure_national
from services.eligibility.programmes import repository
from services.eligibility.programmes.create_version import create_version
from services.eligibility.programmes.errors import PastRewritten, ProgrammeInvalid, ProgrammeUnknown, VersionPublished
from services.eligibility.programmes.file import MAX_FILE_BYTES
from services.eligibility.programmes.model import VersionState
from services.eligibility.programmes.publish_version import publish_version
from services.eligibility.programmes.schemas import ProgrammeSummary, ProgrammeView, VersionCreated, VersionView
from shared.errors import PayloadTooLarge, responses
from shared.http import ClockDep, Router, SessionDep
from shared.pagination import Page, Paging

router = Router(prefix="/eligibility/v1/programmes", tags=["programmes"])
_YAML_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/yaml": {"schema": {"type": "string", "format": "binary"}}},
    }
}


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
    "/{code}/versions/{version}:publish", responses=responses(ProgrammeUnknown, VersionPublished, PastRewritten)
)
async def post_publish(
    code: str, version: int, principal: ProgrammeWrite, session: SessionDep, clock: ClockDep
) -> VersionView:
    """Publish a draft version: it governs its dates from now on."""
    ensure_national(principal)
    await publish_version(session, clock, principal, code, version)
    versions = await repository.list_versions(session, code)
    return next(VersionView.model_validate(row) for row in versions if row.version == version)


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
