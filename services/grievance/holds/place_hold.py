"""Use-case: keep back one payment until a day, for a reason, with somebody answering for it."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases import repository as cases
from services.grievance.cases.model import Case
from services.grievance.cases.states import SubjectType
from services.grievance.cases.work import authorise, ensure_not_own_payment, people_of, people_of_officer
from services.grievance.holds import events, repository
from services.grievance.holds.errors import HoldExists, HoldInvalid
from services.grievance.holds.model import Hold, end_problem
from services.grievance.holds.repository import NewHold
from services.grievance.holds.schemas import PlaceHold
from services.grievance.payments_view import repository as payments_view
from services.grievance.resources import Desk
from shared import audit
from shared.auth import Principal, ensure_area
from shared.clock import Clock
from shared.errors import FieldError
from shared.ids import uuid7
from shared.outbox import publish


async def place_hold(session: AsyncSession, desk: Desk, clock: Clock, principal: Principal, order: PlaceHold) -> Hold:
    """Place a hold.

    The place is the payment's village where payments told of it; before that, the case's, else the one given (a
    payment can be held before it was instructed, when nothing is known of it here).

    Raises:
        HoldInvalid: the last day is past or too far off, or the case is about another payment.
        HoldExists: the payment is held already.
        OwnCase: the payment is for the caller's household, or for that of whoever is to answer for the hold.
        OutsideArea: the payment is outside the caller's area. Also what `authorise` raises for the case.
    """
    now = clock.now()
    wrong = end_problem(order.until, desk.calendar.local_date(now), desk.longest_hold)
    if wrong is not None:
        raise HoldInvalid(errors=[FieldError("until", "hold_end", wrong)])
    case = await _case(session, principal, order)
    await _ensure_not_own(session, principal, order)
    village = await payments_view.village_of(session, order.payment_id)
    place_code = village or (case.place_code if case is not None else None) or order.place_code
    ensure_area(principal, place_code)
    new = NewHold(
        id=uuid7(),
        payment_id=order.payment_id,
        case_id=order.case_id,
        reason=order.reason,
        owner=order.owner or principal.subject,
        place_code=place_code,
        until=order.until,
        placed_at=now,
    )
    hold = await repository.place(session, new)
    if hold is None:
        raise HoldExists("Release the hold in force first, or wait for its end.")
    detail = {"payment": str(hold.payment_id), "reason": hold.reason, "until": hold.until.isoformat()}
    await audit.record(session, principal, "hold.place", "hold", str(hold.id), detail)
    await publish(session, [events.placed(hold)])
    return hold


async def _ensure_not_own(session: AsyncSession, principal: Principal, order: PlaceHold) -> None:
    await ensure_not_own_payment(session, await people_of(session, principal), order.payment_id)
    if order.owner is not None:
        await ensure_not_own_payment(session, await people_of_officer(session, order.owner), order.payment_id)


async def _case(session: AsyncSession, principal: Principal, order: PlaceHold) -> Case | None:
    if order.case_id is None:
        return None
    case = await authorise(session, principal, await cases.find(session, order.case_id))
    if case.subject_type == SubjectType.PAYMENT and case.subject_id != order.payment_id:
        raise HoldInvalid(errors=[FieldError("payment_id", "other_payment", "The case is about another payment.")])
    return case
