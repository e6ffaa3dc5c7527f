"""HTTP of decisions: "why?", one call."""

from __future__ import annotations

from uuid import UUID

from services.eligibility.access import EnrolmentRead
from services.eligibility.decisions import repository
from services.eligibility.decisions.errors import DecisionUnknown
from services.eligibility.decisions.explain_decision import explain_decision
from services.eligibility.decisions.schemas import DecisionSummary, DecisionView
from services.eligibility.paging import after_instant
from shared.auth import ensure_area
from shared.errors import OutsideArea, responses
from shared.http import Router, SessionDep
from shared.pagination import Page, Paging

router = Router(prefix="/eligibility/v1", tags=["decisions"])


@router.get("/decisions/{decision_id}", responses=responses(DecisionUnknown, OutsideArea))
async def get_decision(decision_id: UUID, principal: EnrolmentRead, session: SessionDep) -> DecisionView:
    """A decision with every clause, the facts seen, and every line of the formula."""
    decision = await repository.find(session, decision_id)
    if decision is None:
        raise DecisionUnknown("Look at the beneficiary's decisions for the id.")
    ensure_area(principal, decision.village_code)
    return await explain_decision(session, decision)


@router.get("/beneficiaries/{beneficiary_id}/decisions")
async def get_decisions_of_beneficiary(
    beneficiary_id: UUID, principal: EnrolmentRead, session: SessionDep, paging: Paging
) -> Page[DecisionSummary]:
    """Every decision about a beneficiary in the caller's area."""
    rows = await repository.list_of_beneficiary(session, principal, beneficiary_id, after_instant(paging), paging.fetch)
    views = [DecisionSummary.model_validate(row) for row in rows]
    return paging.page(views, lambda row: {"at": row.decided_at.isoformat(), "id": str(row.id)})
