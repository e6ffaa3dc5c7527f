"""Use-case: confirm the amounts of a rate table that the sources leave open. A second person answers for them."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.programmes import repository
from services.eligibility.programmes.errors import (
    ConfirmedByAuthor,
    ProgrammeUnknown,
    RateDiffers,
    RateNotOpen,
    RateUnknown,
)
from services.eligibility.programmes.model import VersionState
from services.eligibility.programmes.programme_published import tell_programme
from shared import audit
from shared.auth import Principal
from shared.clock import Clock


async def confirm_rate(
    session: AsyncSession,
    clock: Clock,
    principal: Principal,
    code: str,
    version: int,
    rate: str,
    fingerprint: str,
    source: str,
) -> None:
    """Confirm.

    Args:
        fingerprint: of the amounts that the officer has before her eyes; they are listed with it.
        source: what she relies on: law, decree, letter.

    Raises:
        ProgrammeUnknown, RateUnknown: there is no such version or table.
        RateNotOpen: it is not marked as unconfirmed, or was confirmed before.
        RateDiffers: the table's amounts are not those of the fingerprint.
        ConfirmedByAuthor: she wrote the version herself.
    """
    stored = await repository.find_version(session, code, version, lock=True)
    if stored is None:
        raise ProgrammeUnknown(f"{code} has no version {version}.")
    file = repository.compiled(stored.document).file
    table = file.rates.get(rate)
    if table is None:
        raise RateUnknown(f"Version {version} of {code} has the rate tables: {', '.join(sorted(file.rates))}.")
    if rate not in await repository.unconfirmed_rates(session, code, version):
        raise RateNotOpen("Its file does not mark it as unconfirmed, or somebody has confirmed these amounts before.")
    if table.fingerprint() != fingerprint:
        raise RateDiffers("Read the rates again, compare them with your source, and confirm what you see.")
    if stored.created_by == principal.subject:
        raise ConfirmedByAuthor("Another programme officer confirms what you wrote.")
    await repository.confirm_rate(session, code, version, rate, fingerprint, source, principal.subject, clock.now())
    detail = {"version": version, "rate": rate, "fingerprint": fingerprint, "source": source}
    await audit.record(session, principal, "programme.confirm_rate", "programme", code, detail)
    if stored.state == VersionState.PUBLISHED:
        await tell_programme(session, file, version)
