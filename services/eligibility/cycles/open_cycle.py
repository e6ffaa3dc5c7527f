"""Use-case: open the cycle of a programme for a period. One per programme and period (fault 10)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.cycles import repository
from services.eligibility.cycles.errors import CycleAlreadyOpen
from services.eligibility.programmes import repository as programmes
from services.eligibility.programmes.errors import NoVersionInForce, ProgrammeUnknown
from services.eligibility.programmes.file import ProgrammeFile
from services.eligibility.programmes.periods import PeriodDates, first_day, period_dates
from shared import audit
from shared.auth import Principal


async def governing_version(session: AsyncSession, code: str, period: str) -> tuple[int, ProgrammeFile, PeriodDates]:
    """The version in force on the period's reference date, and the dates that follow from it.

    The reference date is the version's own rule, so a version governs a period when it is in force on its own reference
    date in that period; the highest one that starts by the period's first day decides.

    Raises:
        NoVersionInForce: none is, or the programme has no payment in this period.
    """
    version = await programmes.version_in_force(session, code, first_day(period))
    if version is None:
        raise NoVersionInForce(f"No published version of {code} is in force in {period}.")
    file = programmes.compiled(version.document).file
    try:
        return version.version, file, period_dates(file, period)
    except ValueError as error:
        raise NoVersionInForce(f"{code} pays nothing in {period}: {error}.") from error


async def open_cycle(session: AsyncSession, principal: Principal, code: str, period: str) -> UUID:
    """Open a cycle.

    Args:
        period: a month, `2020-07`.

    Raises:
        ProgrammeUnknown, NoVersionInForce, CycleAlreadyOpen.
    """
    if not await programmes.exists(session, code):
        raise ProgrammeUnknown(f"There is no programme {code}.")
    version, file, dates = await governing_version(session, code, period)
    cycle_id = await repository.open_cycle(session, file, version, period, dates, principal.subject)
    if cycle_id is None:
        existing = await repository.find_id(session, code, period)
        raise CycleAlreadyOpen(f"Use the cycle that {code} has for {period}.", cycle_id=str(existing))
    await audit.record(
        session, principal, "cycle.open", "cycle", cycle_id,
        {"programme_code": code, "period": period, "programme_version": version},
    )  # fmt: skip
    return cycle_id
