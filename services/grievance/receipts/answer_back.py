"""Use-cases: the complainant rates the answer, or has the case taken up again; the receipt code is her only key."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases.reopen_case import reopen
from services.grievance.cases.states import CaseState
from services.grievance.cases.work import write_step
from services.grievance.receipts.errors import NotAnswered
from services.grievance.receipts.show_receipt import find_by_code
from services.grievance.resources import Desk
from shared.clock import Clock

COMPLAINANT = "complainant"


async def rate_case(session: AsyncSession, desk: Desk, clock: Clock, code: str, rating: int) -> None:
    """Rate the answer, 1 to 5; a second rating replaces the first.

    Raises:
        ReceiptUnknown: see `find_by_code`. NotAnswered: there is no answer to rate.
    """
    case = await find_by_code(session, desk, code, lock=True)
    if case.present_state not in {CaseState.RESOLVED, CaseState.CLOSED}:
        raise NotAnswered("Come back when the case is resolved.", state=case.state)
    now = clock.now()
    case.rating, case.rated_at = rating, now
    await write_step(session, COMPLAINANT, case, "rate", now, {"rating": rating})


async def reopen_by_receipt(session: AsyncSession, desk: Desk, clock: Clock, code: str, reason: str) -> None:
    """Take a resolved or closed case up again. Raises ReceiptUnknown, and what `reopen` raises."""
    case = await find_by_code(session, desk, code, lock=True)
    await reopen(session, desk, clock, COMPLAINANT, case, reason)
