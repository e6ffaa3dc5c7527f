"""Use-case: an appeal with the decision's reasons, rule version and facts beside the complaint."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.appeals import repository
from services.grievance.appeals.errors import AppealNotFound
from services.grievance.appeals.model import Appeal, PanelMember, Vote
from services.grievance.appeals.schemas import (
    AppealDetail,
    AppealSummary,
    ClauseShown,
    DecisionShown,
    EnrolmentShown,
    FactShown,
    MemberShown,
)
from services.grievance.cases import repository as cases
from services.grievance.cases.errors import OwnCase
from services.grievance.cases.schemas import CaseSummary
from services.grievance.cases.show_case import summary_fields
from services.grievance.cases.work import concerns, description_context, people_of
from services.grievance.decisions_view import repository as decisions_view
from services.grievance.resources import Desk
from shared.auth import Principal, ensure_area

SEES_APPEALS = ("grievance_officer", "case_supervisor", "auditor")
READS_WORDS = ("grievance_officer", "case_supervisor")


async def show_appeal(session: AsyncSession, desk: Desk, principal: Principal, appeal_id: UUID) -> AppealDetail:
    """An appeal in full; a panel member sees those that she decides.

    Raises:
        AppealNotFound, OutsideArea, OwnCase.
    """
    appeal = await repository.find(session, appeal_id)
    case = await cases.find(session, appeal.case_id) if appeal is not None else None
    if appeal is None or case is None:
        raise AppealNotFound("Look it up in the list of appeals.")
    panel = await repository.panel(session, appeal.id)
    sits = principal.has("panel_member") and any(member.subject == principal.subject for member in panel)
    if not sits and not principal.has(*SEES_APPEALS):
        raise AppealNotFound("Look it up in the list of your appeals.")
    ensure_area(principal, case.place_code)
    if await concerns(session, case, await people_of(session, principal)):
        raise OwnCase("Leave it to a colleague.")
    reads = sits or principal.has(*READS_WORDS)
    words = case.description_encrypted
    enrolment = await decisions_view.find_enrolment(session, appeal.enrolment_id) if appeal.enrolment_id else None
    return AppealDetail(
        **AppealSummary.model_validate(appeal).model_dump(),
        case=CaseSummary.model_validate(summary_fields(case)),
        complaint=desk.cipher.decrypt(words, description_context(case.id)) if words is not None and reads else None,
        decision=await _decision(session, appeal, reads),
        enrolment=EnrolmentShown.model_validate(enrolment) if enrolment is not None else None,
        panel=[_member(member, appeal, principal) for member in panel],
    )


def _member(member: PanelMember, appeal: Appeal, principal: Principal) -> MemberShown:
    """Until the appeal is decided, nobody sees how another one voted."""
    shown = appeal.outcome is not None or member.subject == principal.subject
    vote = Vote(member.vote) if member.vote and shown else None
    return MemberShown(subject=member.subject, voted=member.vote is not None, vote=vote)


async def _decision(session: AsyncSession, appeal: Appeal, reads: bool) -> DecisionShown | None:
    decision = await decisions_view.find_decision(session, appeal.decision_id)
    if decision is None:
        return None
    programme = await decisions_view.programme(session, decision.programme_code, decision.programme_version)
    words = {clause["code"]: clause for clause in programme.clauses} if programme is not None else {}
    return DecisionShown(
        decision_id=decision.decision_id,
        programme_code=decision.programme_code,
        programme_version=decision.programme_version,
        programme_km=programme.name_km if programme else None,
        programme_en=programme.name_en if programme else None,
        decided_on=decision.decided_on,
        eligible=decision.eligible,
        reasons=[
            ClauseShown(code=code, km=words.get(code, {}).get("km"), en=words.get(code, {}).get("en"))
            for code in decision.failed_clauses
        ],
        facts=[FactShown.model_validate(fact) for fact in decision.facts] if reads else [],
        decided_by=decision.decided_by,
    )
