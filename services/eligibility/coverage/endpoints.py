"""HTTP of the entitlement check."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from services.eligibility.access import CoverageRead
from services.eligibility.coverage.check_coverage import check_coverage
from services.eligibility.coverage.errors import AskForOne, CardUnknown, NothingCovered, ReferenceInvalid
from services.eligibility.coverage.schemas import CoverageQuestion, CoverageView
from services.eligibility.programmes.errors import NoVersionInForce
from shared.errors import OutsideArea, responses
from shared.http import ContextDep, Router, SessionDep

router = Router(prefix="/eligibility/v1/coverage", tags=["coverage"])
_PROBLEMS = responses(NoVersionInForce, AskForOne, ReferenceInvalid, CardUnknown, NothingCovered, OutsideArea)


@router.get("", responses=_PROBLEMS)
async def get_coverage(
    principal: CoverageRead,
    session: SessionDep,
    context: ContextDep,
    programme_code: Annotated[str, Query(max_length=60)],
    reference: Annotated[str | None, Query(max_length=40)] = None,
    household_id: UUID | None = None,
    person_id: UUID | None = None,
) -> CoverageView:
    """Is this card holder covered today? By the card's reference, the household or a person."""
    question = CoverageQuestion(
        programme_code=programme_code, reference=reference, household_id=household_id, person_id=person_id
    )
    return await check_coverage(session, principal, question, context.clock.today())


@router.post(":check", responses=_PROBLEMS)
async def post_coverage(
    body: CoverageQuestion, principal: CoverageRead, session: SessionDep, context: ContextDep
) -> CoverageView:
    """The same, with the question in the body: nothing about the person is in the address."""
    return await check_coverage(session, principal, body, context.clock.today())
