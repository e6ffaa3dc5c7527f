"""Use-cases: appoint the panel, vote, withdraw. The vote that gives one side more than half of the seats decides."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.appeals import repository
from services.grievance.appeals.errors import AppealEnded, AppealInvalid, AppealNotFound, NotOnThisPanel
from services.grievance.appeals.model import Appeal, AppealState, PanelMember, Vote, decided
from services.grievance.appeals.schemas import AppointPanel, CastVote, WithdrawAppeal
from services.grievance.cases import repository as cases
from services.grievance.cases.errors import OwnCase
from services.grievance.cases.model import Case
from services.grievance.cases.resolve_case import settle
from services.grievance.cases.states import CaseAction, Outcome
from services.grievance.cases.work import concerns, make_step, people_of, people_of_officer, write_step
from services.grievance.remedies.request_remedy import send
from services.grievance.remedies.schemas import RequestRemedy
from services.grievance.resources import Desk
from shared import audit
from shared.auth import Principal, ensure_area
from shared.clock import Clock
from shared.contracts.grievance import AppealDecided
from shared.errors import FieldError
from shared.etag import check_version
from shared.outbox import publish


async def take_appeal(
    session: AsyncSession, principal: Principal, appeal_id: UUID, version: int | None
) -> tuple[Appeal, Case]:
    """Lock an undecided appeal and its case; the case first, as everywhere, so that nobody deadlocks.

    Raises:
        AppealNotFound, OutsideArea, OwnCase, PreconditionFailed.
        AppealEnded: it was decided or withdrawn.
    """
    found = await repository.find(session, appeal_id)
    case = await cases.lock(session, found.case_id) if found is not None else None
    appeal = await repository.lock(session, appeal_id)
    if appeal is None or case is None:
        raise AppealNotFound("Look it up in the list of appeals.")
    ensure_area(principal, case.place_code)
    if await concerns(session, case, await people_of(session, principal)):
        raise OwnCase("Leave it to a colleague.")
    if appeal.outcome is not None:
        raise AppealEnded(f"It is {appeal.state}.")
    if version is not None:
        check_version(version, appeal.version)
    return appeal, case


async def appoint_panel(
    session: AsyncSession,
    desk: Desk,
    clock: Clock,
    principal: Principal,
    appeal_id: UUID,
    version: int,
    order: AppointPanel,
) -> Appeal:
    """Appoint the panel, or another one before anybody voted.

    Raises:
        AppealInvalid: not as many as the policy says, one named twice, or one who made the decision, who worked on the
            case, or whom it concerns.
        AppealEnded: somebody voted. Also what `take_appeal` raises.
    """
    appeal, case = await take_appeal(session, principal, appeal_id, version)
    if any(member.vote is not None for member in await repository.panel(session, appeal.id)):
        raise AppealEnded("A member voted: the panel stays.")
    size = desk.categories.appeals.panel_size
    if len(set(order.members)) != len(order.members) or len(order.members) != size:
        raise AppealInvalid(errors=[FieldError("members", "panel_size", f"Name {size} different people.")])
    worked = await repository.actors(session, case.id)
    errors = []
    for position, subject in enumerate(order.members):  # at most fifteen
        if (wrong := await _unfit(session, appeal, case, worked, subject)) is not None:
            errors.append(FieldError(f"members[{position}]", *wrong))
    if errors:
        raise AppealInvalid(errors=errors)
    now = clock.now()
    members = [
        PanelMember(appeal_id=appeal.id, subject=subject, appointed_by=principal.subject, appointed_at=now)
        for subject in order.members
    ]
    await repository.set_panel(session, appeal.id, members)
    appeal.state = AppealState.PANEL.value
    appeal.version += 1
    await write_step(session, principal, case, "appoint_panel", now, {"appeal": str(appeal.id), "members": size})
    return appeal


async def _unfit(
    session: AsyncSession, appeal: Appeal, case: Case, worked: set[str], subject: str
) -> tuple[str, str] | None:
    if subject == appeal.decided_by:
        return "made_the_decision", "Whoever made the decision cannot judge it."
    if subject in worked or subject == case.assigned_to:
        return "worked_on_the_case", "Whoever worked on the case cannot judge it."
    if await concerns(session, case, await people_of_officer(session, subject)):
        return "concerned", "The case concerns her or her household."
    return None


async def cast_vote(
    session: AsyncSession, desk: Desk, clock: Clock, principal: Principal, appeal_id: UUID, order: CastVote
) -> Appeal:
    """Vote, once. The deciding vote ends the appeal: the case is resolved, holds end, an upheld decision is made again.

    Raises:
        NotOnThisPanel: the caller was not appointed, or made the decision. AppealEnded: she voted. Also what
        `take_appeal` raises.
    """
    appeal, case = await take_appeal(session, principal, appeal_id, None)
    panel = await repository.panel(session, appeal.id)
    member = next((member for member in panel if member.subject == principal.subject), None)
    if member is None or principal.subject == appeal.decided_by:
        raise NotOnThisPanel("Only its members vote.")
    if member.vote is not None:
        raise AppealEnded("You have voted: a vote stands.")
    member.vote = order.vote.value
    member.voted_at = clock.now()
    member.reason_encrypted = desk.cipher.encrypt(order.reason, f"appeal.reason:{appeal.id}:{member.subject}")
    appeal.version += 1
    await repository.save(session)
    await audit.record(session, principal, "appeal.vote", "appeal", str(appeal.id), {"version": appeal.version})
    verdict = decided([Vote(seat.vote) if seat.vote else None for seat in panel])
    if verdict is not None:
        await _end(session, desk, clock, principal, appeal, case, verdict.value, order.reason)
    return appeal


async def withdraw_appeal(
    session: AsyncSession,
    desk: Desk,
    clock: Clock,
    principal: Principal,
    appeal_id: UUID,
    version: int,
    order: WithdrawAppeal,
) -> Appeal:
    """End an appeal that the complainant no longer wants. Raises what `take_appeal` raises."""
    appeal, case = await take_appeal(session, principal, appeal_id, version)
    appeal.version += 1
    await _end(session, desk, clock, principal, appeal, case, "withdrawn", order.note)
    return appeal


async def _end(
    session: AsyncSession,
    desk: Desk,
    clock: Clock,
    principal: Principal,
    appeal: Appeal,
    case: Case,
    outcome: Literal["upheld", "rejected", "withdrawn"],
    reason: str,
) -> None:
    now = clock.now()
    withdrawn = outcome == "withdrawn"
    appeal.outcome = outcome
    appeal.state = (AppealState.WITHDRAWN if withdrawn else AppealState.DECIDED).value
    appeal.ended_at = now
    await audit.record(session, principal, f"appeal.{outcome}", "appeal", str(appeal.id), {"case": str(case.id)})
    if case.present_state in {"referred"}:
        await make_step(session, principal, case, CaseAction.RETURN, now, {"answer": "recalled"})
        await cases.end_referral(session, case.id, "recalled", now)
    elif case.assigned_to is None or case.present_state not in {"assigned", "in_progress"}:
        case.assigned_to = principal.subject  # the panel's last voter answers for its decision
        await make_step(session, principal, case, CaseAction.ASSIGN, now, {"assignee": principal.subject})
    if outcome == "upheld":
        again = RequestRemedy(
            kind="redecide",
            beneficiary_id=appeal.beneficiary_id,
            programme_code=appeal.programme_code,
            decision_id=appeal.decision_id,
        )
        remedy = await send(session, desk, clock, principal.subject, case, again)
        await write_step(session, principal, case, "remedy_requested", now, {"remedy": str(remedy.id)})
    await publish(session, [_decided(case, appeal, outcome)])
    await settle(session, desk, clock, principal, case, Outcome(outcome), reason)


def _decided(case: Case, appeal: Appeal, outcome: Literal["upheld", "rejected", "withdrawn"]) -> AppealDecided:
    return AppealDecided(
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
        outcome=outcome,
    )
