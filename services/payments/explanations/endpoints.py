"""Why was I not paid? over HTTP."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from services.payments.errors import PaymentNotFound
from services.payments.explanations.explain_nonpayment import explain_nonpayment
from services.payments.explanations.model import Stage
from shared.auth import Principal, requires
from shared.errors import responses
from shared.http import Router, SessionDep

WhyRead = Annotated[
    Principal,
    requires(
        "programme_officer", "grievance_officer", "commune_officer", "payment_officer", "finance_officer", "auditor"
    ),
]
router = Router(prefix="/payments/v1/beneficiaries", tags=["why"])


class StageOut(BaseModel):
    """A stage of the way from a person to her money, in words. `state`: ok, waiting, problem or none."""

    stage: str
    state: str
    code: str
    km: str
    en: str
    detail: dict[str, Any]


class WhyOut(BaseModel):
    """The answer: the conclusion is the stage at which the way ended; the stages are in order."""

    beneficiary_id: UUID
    beneficiary_reference: str
    programme_code: str
    programme_km: str
    programme_en: str
    period: str
    conclusion: StageOut
    stages: list[StageOut]


@router.get("/{beneficiary_id}/why", responses=responses(PaymentNotFound))
async def why(
    beneficiary_id: UUID,
    principal: WhyRead,
    session: SessionDep,
    programme: Annotated[str, Query(pattern=r"^[A-Z0-9][A-Z0-9_-]{0,39}$")],
    period: Annotated[str, Query(pattern=r"^20\d{2}-(0[1-9]|1[0-2])$")],
) -> WhyOut:
    """Why was she paid, or not, for this month? Person, facts, rule version, entitlement, check, approval, batch,
    bank line,
    case: in order, in Khmer and English, within your area and your role."""
    answer = await explain_nonpayment(session, principal, beneficiary_id, programme, period)
    names = ("beneficiary_id", "beneficiary_reference", "programme_code", "programme_km", "programme_en", "period")
    return WhyOut(
        **{name: getattr(answer, name) for name in names},
        conclusion=_shown(answer.conclusion),
        stages=[_shown(stage) for stage in answer.stages],
    )


def _shown(stage: Stage) -> StageOut:
    return StageOut(stage=stage.name, state=stage.state, code=stage.code, km=stage.km, en=stage.en, detail=stage.detail)
