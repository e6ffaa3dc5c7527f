"""Use-case: ask the owning service to put something right for a case. It answers by an event; the case shows what."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases.errors import OwnCase
from services.grievance.cases.model import Case
from services.grievance.cases.states import CaseState
from services.grievance.cases.work import people_of, take, write_step
from services.grievance.decisions_view import repository as decisions_view
from services.grievance.payments_view import repository as payments_view
from services.grievance.people import repository as people
from services.grievance.remedies import repository
from services.grievance.remedies.errors import RemedyInvalid, RemedyNotPossible, RemedyPending
from services.grievance.remedies.model import Remedy, RemedyState
from services.grievance.remedies.schemas import RequestRemedy
from services.grievance.resources import Desk
from shared.auth import Principal, ensure_area
from shared.clock import Clock
from shared.contracts.grievance import RemedyRequested
from shared.errors import FieldError
from shared.ids import uuid7
from shared.outbox import publish

NEEDED: dict[str, tuple[str, ...]] = {
    "correct_registry": ("household_id", "corrections"),
    "redecide": ("beneficiary_id", "programme_code"),
    "reissue_payment": ("payment_id",),
    "waive_condition": ("beneficiary_id", "programme_code", "condition", "valid_from", "valid_until"),
}
"""Fields that each kind needs; others are not taken with it (`decision_id` goes with all that eligibility does)."""
ALSO: dict[str, tuple[str, ...]] = {"redecide": ("decision_id",), "waive_condition": ("decision_id",)}
WORKED_ON = frozenset({CaseState.ASSIGNED, CaseState.IN_PROGRESS, CaseState.REFERRED})


async def request_remedy(
    session: AsyncSession,
    desk: Desk,
    clock: Clock,
    principal: Principal,
    case_id: UUID,
    version: int,
    order: RequestRemedy,
) -> tuple[Case, Remedy]:
    """Ask for a remedy, by `remedy.requested`.

    Raises:
        RemedyInvalid: a field is missing, does not belong to the kind, or the days are in the wrong order.
        RemedyPending: the same was asked for and not answered.
        RemedyNotPossible: nobody works on the case, or it is sealed: nothing of it is published, a remedy neither.
        OutsideArea: the household or payment is known to be elsewhere. Also what `take` raises.
    """
    case = await take(session, principal, case_id, version)
    if case.sealed:
        raise RemedyNotPossible("Nothing of a sealed case is published: open another case for what must be put right.")
    if case.present_state not in WORKED_ON:
        raise RemedyNotPossible("Assign the case first: somebody must answer for the remedy.")
    _ensure_whole(order)
    await _ensure_inside(session, principal, order)
    if await repository.pending(session, case.id, order.kind):
        raise RemedyPending("Wait for the answer.")
    remedy = await send(session, desk, clock, principal.subject, case, order)
    await write_step(
        session, principal, case, "remedy_requested", clock.now(), {"remedy": str(remedy.id), "kind": remedy.kind}
    )
    return case, remedy


async def send(
    session: AsyncSession, desk: Desk, clock: Clock, requested_by: str, case: Case, order: RequestRemedy
) -> Remedy:
    """Write the remedy and publish its request."""
    remedy_id = uuid7()
    remedy = Remedy(
        id=remedy_id,
        case_id=case.id,
        kind=order.kind,
        request_encrypted=desk.cipher.encrypt(order.model_dump_json(), f"remedy:{remedy_id}"),
        requested_by=requested_by,
        requested_at=clock.now(),
        state=RemedyState.REQUESTED.value,
        answer_version=0,
        reason_code="",
        reason="",
    )
    await repository.add(session, remedy)
    request = RemedyRequested(
        version=1,
        remedy_id=remedy_id,
        case_id=case.id,
        case_reference=case.reference,
        requested_by=requested_by,
        **dict(order),
    )
    await publish(session, [request])
    return remedy


def _ensure_whole(order: RequestRemedy) -> None:
    needed, also = NEEDED[order.kind], ALSO.get(order.kind, ())
    given = {name for name, value in order if name != "kind" and value not in (None, ())}
    errors = [
        FieldError(name, "missing", f"A remedy of kind {order.kind} needs it.") for name in needed if name not in given
    ]
    errors += [
        FieldError(name, "not_of_this_kind", f"A remedy of kind {order.kind} does not take it.")
        for name in sorted(given - {*needed, *also})
    ]
    if order.valid_from and order.valid_until and order.valid_until < order.valid_from:
        errors.append(FieldError("valid_until", "before_valid_from", "It must not be before valid_from."))
    if errors:
        raise RemedyInvalid(errors=errors)


async def _ensure_inside(session: AsyncSession, principal: Principal, order: RequestRemedy) -> None:
    """What is known of places and people: an officer puts nothing right outside her area, nor for her household."""
    named = {order.household_id, order.beneficiary_id, *(correction.person_id for correction in order.corrections)}
    places = []
    if order.household_id is not None:
        places.append(await people.village_of_household(session, order.household_id))
    if order.beneficiary_id is not None:
        places.append(await people.village_of_household(session, order.beneficiary_id))
        places.append(await people.village_of_person(session, order.beneficiary_id))
    if order.payment_id is not None:
        payment = await payments_view.find(session, order.payment_id)
        places.append(payment.village_code if payment else None)
        named.add(payment.beneficiary_id if payment else None)
    if order.decision_id is not None:
        decision = await decisions_view.find_decision(session, order.decision_id)
        places.append(decision.village_code if decision else None)
        named.add(decision.beneficiary_id if decision else None)
    if not named.isdisjoint(await people_of(session, principal)):
        raise OwnCase("Leave it to a colleague.")
    for place in places:
        if place is not None:
            ensure_area(principal, place)
