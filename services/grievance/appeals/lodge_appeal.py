"""Use-case: take an appeal against a refusal or a de-listing; policy says what happens to the money meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.appeals import repository
from services.grievance.appeals.errors import AppealExists, AppealInvalid
from services.grievance.appeals.model import Appeal, AppealKind, AppealState
from services.grievance.appeals.schemas import LodgeAppeal
from services.grievance.cases.deadlines import add_working_days
from services.grievance.cases.model import Case
from services.grievance.cases.open_case import Opened, open_case
from services.grievance.cases.schemas import OpenCase, Visibility
from services.grievance.cases.states import SubjectType
from services.grievance.cases.work import write_note, write_step
from services.grievance.decisions_view import repository as decisions_view
from services.grievance.holds import events as hold_events
from services.grievance.holds import repository as holds
from services.grievance.holds.model import HoldReason
from services.grievance.holds.repository import NewHold
from services.grievance.resources import Desk
from shared import audit
from shared.auth import Principal
from shared.clock import Clock
from shared.contracts.grievance import AppealLodged
from shared.errors import FieldError
from shared.ids import uuid7
from shared.outbox import publish


@dataclass(frozen=True)
class _Against:
    """What is appealed."""

    kind: Literal["refusal", "delisting"]
    decision_id: UUID
    enrolment_id: UUID | None
    programme_code: str
    programme_version: int
    beneficiary_id: UUID
    village_code: str
    since: date
    decided_by: str | None


async def lodge_appeal(
    session: AsyncSession, desk: Desk, clock: Clock, principal: Principal, order: LodgeAppeal
) -> tuple[Appeal, Opened]:
    """Lodge an appeal: a case with the complaint, the appeal, holds where policy says so, the events.

    Raises:
        AppealInvalid: nothing was told of the decision, it was in the beneficiary's favour, she still takes part, or
            the time limit is over and no reason is given.
        AppealExists: it is being appealed. Also what `open_case` raises.
    """
    against = await _against(session, order)
    _ensure_in_time(desk, clock, against, order)
    if await repository.pending_against(session, against.decision_id, against.kind):
        raise AppealExists("Follow the appeal that was lodged.")
    opened = await open_case(session, desk, clock, principal, _complaint(desk, against, order))
    case = opened.case
    appeal = _appeal(desk, case, against)
    await repository.add(session, appeal)
    if order.late_reason is not None:
        await write_note(session, desk, principal.subject, case, order.late_reason, Visibility.INTERNAL, case.opened_at)
    # A step of its own: the events of one case have different versions.
    await write_step(session, principal, case, "appeal", case.opened_at, {"appeal": str(appeal.id)})
    detail = {"case": str(case.id), "kind": appeal.kind, "effect": appeal.effect}
    await audit.record(session, principal, "appeal.lodge", "appeal", str(appeal.id), detail)
    await publish(session, [_lodged(case, appeal)])
    if appeal.effect == "hold":
        await _hold(session, desk, principal, case, appeal)
    return appeal, opened


async def _against(session: AsyncSession, order: LodgeAppeal) -> _Against:
    if order.decision_id is not None:
        decision = await decisions_view.find_decision(session, order.decision_id)
        if decision is None:
            raise _invalid("decision_id", "unknown_decision", "Nothing was told here of this decision.")
        if decision.eligible:
            raise _invalid("decision_id", "in_favour", "This decision was in the beneficiary's favour.")
        return _Against(
            "refusal", decision.decision_id, None, decision.programme_code, decision.programme_version,
            decision.beneficiary_id, decision.village_code, decision.decided_on, decision.decided_by,
        )  # fmt: skip
    assert order.enrolment_id is not None
    enrolment = await decisions_view.find_enrolment(session, order.enrolment_id)
    if enrolment is None:
        raise _invalid("enrolment_id", "unknown_enrolment", "Nothing was told here of this enrolment.")
    if enrolment.status not in {"ended", "suspended"}:
        raise _invalid("enrolment_id", "takes_part", "The beneficiary still takes part.")
    decision = await decisions_view.latest_decision(session, enrolment.beneficiary_id, enrolment.programme_code)
    return _Against(
        "delisting",
        decision.decision_id if decision else enrolment.enrolment_id,
        enrolment.enrolment_id,
        enrolment.programme_code,
        enrolment.programme_version,
        enrolment.beneficiary_id,
        enrolment.village_code,
        enrolment.effective_on,
        enrolment.ended_by or (decision.decided_by if decision else None),
    )


def _ensure_in_time(desk: Desk, clock: Clock, against: _Against, order: LodgeAppeal) -> None:
    last = add_working_days(against.since, desk.categories.appeals.lodge_within_working_days, desk.calendar)
    if desk.calendar.local_date(clock.now()) > last and order.late_reason is None:
        message = f"The time limit ended on {last.isoformat()}: say in late_reason why it comes later."
        raise _invalid("late_reason", "time_limit_over", message)


def _complaint(desk: Desk, against: _Against, order: LodgeAppeal) -> OpenCase:
    return OpenCase(
        category=desk.categories.appeals.category,
        subject_type=SubjectType.DECISION,
        subject_id=against.decision_id,
        channel=order.channel,
        language=order.language,
        place_code=against.village_code,
        complainant_person_id=order.complainant_person_id,
        description=order.description,
        contact=order.contact,
    )


def _appeal(desk: Desk, case: Case, against: _Against) -> Appeal:
    case.beneficiary_id = against.beneficiary_id
    return Appeal(
        id=uuid7(),
        version=1,
        case_id=case.id,
        kind=AppealKind(against.kind).value,
        decision_id=against.decision_id,
        enrolment_id=against.enrolment_id,
        programme_code=against.programme_code,
        programme_version=against.programme_version,
        beneficiary_id=against.beneficiary_id,
        decided_by=against.decided_by,
        effect=desk.categories.appeals.effect(against.programme_code, against.kind),
        state=AppealState.LODGED.value,
        lodged_at=case.opened_at,
    )


async def _hold(session: AsyncSession, desk: Desk, principal: Principal, case: Case, appeal: Appeal) -> None:
    """Hold each unpaid payment of this beneficiary in this programme, by its name: never a household (fault 24)."""
    payments = await holds.unpaid_payments(session, appeal.beneficiary_id, appeal.programme_code)
    longest = desk.calendar.local_date(case.opened_at) + timedelta(days=desk.longest_hold.days)
    placed = []
    for payment_id in payments:  # one beneficiary's payments in one programme: a few, at most 24
        new = NewHold(
            id=uuid7(),
            payment_id=payment_id,
            case_id=case.id,
            reason=HoldReason.APPEAL_PENDING,
            owner=principal.subject,
            place_code=case.place_code,
            until=min(case.due_on, longest),
            placed_at=case.opened_at,
        )
        hold = await holds.place(session, new)
        if hold is not None:
            placed.append(hold)
    await publish(session, [hold_events.placed(hold) for hold in placed])
    if placed:
        await audit.record(session, principal, "hold.place", "case", str(case.id), {"count": len(placed)})


def _lodged(case: Case, appeal: Appeal) -> AppealLodged:
    return AppealLodged(
        version=case.version,
        case_id=case.id,
        reference=case.reference,
        category=case.category,
        subject_type=case.subject_type,
        subject_id=case.subject_id,
        place_code=case.place_code,
        appeal_id=appeal.id,
        decision_id=appeal.decision_id,
        programme_code=appeal.programme_code,
        beneficiary_id=appeal.beneficiary_id,
        effect=appeal.effect,
    )


def _invalid(field: str, code: str, message: str) -> AppealInvalid:
    return AppealInvalid(errors=[FieldError(field, code, message)])
