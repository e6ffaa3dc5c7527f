"""Use-case: take in a programme file as a new draft version."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.programmes import repository
from services.eligibility.programmes.compiled import compile_source
from services.eligibility.programmes.errors import ProgrammeInvalid
from services.eligibility.programmes.file import ProgrammeFileError, source_hash
from shared import audit
from shared.auth import Principal


async def create_version(session: AsyncSession, principal: Principal, source: bytes) -> tuple[str, int, str]:
    """Validate a file, rules included, and store it as a draft.

    Args:
        source: the file, YAML in UTF-8.

    Returns:
        Code of the programme, number of the version, SHA-256 of the file.

    Raises:
        ProgrammeInvalid: every error by path, code and column.
    """
    try:
        file = compile_source(source).file
    except ProgrammeFileError as error:
        raise ProgrammeInvalid("Correct the places named in errors.", errors=error.errors) from error
    version = await repository.next_version(session, file.code)
    digest = source_hash(source)
    await repository.insert_version(session, file, version, source.decode(), digest, principal.subject)
    await audit.record(
        session, principal, "programme.create_version", "programme", file.code, {"version": version, "sha256": digest}
    )
    return file.code, version, digest
