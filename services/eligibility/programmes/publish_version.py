"""Use-case: publish a draft version. It then governs its dates, but never a period that is closed (fault 19)."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.programmes import repository
from services.eligibility.programmes.errors import PastRewritten, ProgrammeUnknown, VersionPublished
from services.eligibility.programmes.model import VersionState
from services.eligibility.programmes.programme_published import tell_programme
from shared import audit
from shared.auth import Principal
from shared.clock import Clock


async def publish_version(session: AsyncSession, clock: Clock, principal: Principal, code: str, version: int) -> None:
    """Publish.

    Raises:
        ProgrammeUnknown: there is no such version.
        VersionPublished: it is published already.
        PastRewritten: a period within its dates is closed; a change starts after it.
    """
    stored = await repository.find_version(session, code, version, lock=True)
    if stored is None:
        raise ProgrammeUnknown(f"{code} has no version {version}.")
    if stored.state == VersionState.PUBLISHED:
        raise VersionPublished("A published version is final: write a new one to change it.")
    periods = await repository.frozen_periods(session, code, stored.valid_from, stored.valid_until)
    if periods:
        raise PastRewritten(
            f"Let valid_from begin after {periods[-1]}, the last closed period.", closed_periods=list(periods)
        )
    await repository.publish(session, code, version, principal.subject, clock.now())
    await tell_programme(session, repository.compiled(stored.document).file, version)
    await audit.record(session, principal, "programme.publish", "programme", code, {"version": version})
