"""Use-case: put closed periods right in this one, as the programme's arrears and recovery policy says."""

from __future__ import annotations

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.cycles import repository
from services.eligibility.cycles.adjustments import Policy, apply_adjustments, find_adjustments
from services.eligibility.model import AnyRow
from services.eligibility.programmes import repository as programmes
from services.eligibility.programmes.compiled import CompiledProgramme

RECOVERY_MONTHS: Final = 12
"""How far back too much is looked for where the programme states no number of months for arrears."""


async def adjust_cycle(session: AsyncSession, programme: CompiledProgramme, cycle: AnyRow) -> int:
    """Find what closed cycles got wrong, by what is known now, and put it into this cycle's entitlements.

    Events of programmes that are paid per event correct themselves: a late one is paid when it is known.

    Returns:
        How many differences were found.
    """
    file = programme.file
    policy = Policy(arrears=file.arrears_months > 0, recovery=True)
    if file.unit == "event":
        return 0
    since = _months_before(cycle.period, file.arrears_months or RECOVERY_MONTHS)
    found = 0
    for past in await repository.closed_since(session, cycle.programme_code, since, cycle.period):
        version = await programmes.find_version(session, past.programme_code, past.programme_version)
        assert version is not None, "versions are never deleted"
        found += await find_adjustments(session, programmes.compiled(version.document), past, cycle.id, policy)
    if found:
        await apply_adjustments(session, cycle, file.recovery_cap_percent)
    return found


def _months_before(period: str, months: int) -> str:
    number = int(period[:4]) * 12 + int(period[5:]) - 1 - months
    return f"{number // 12:04d}-{number % 12 + 1:02d}"
