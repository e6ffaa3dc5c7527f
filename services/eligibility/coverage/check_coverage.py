"""Use-case: is this card holder covered today? Read at the point of service, answered in milliseconds, always audited.

Nobody is enrolled for this: the rules of the programme in force are asked of the facts in force today.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.coverage import repository
from services.eligibility.coverage.errors import AskForOne, CardUnknown, NothingCovered, ReferenceInvalid
from services.eligibility.coverage.schemas import CoverageQuestion, CoverageView, Reason, ServiceCovered
from services.eligibility.facts.household import Member
from services.eligibility.facts.repository import household_of, load_members
from services.eligibility.facts.units import view_of
from services.eligibility.model import AnyRow
from services.eligibility.programmes import repository as programmes
from services.eligibility.programmes.compiled import CompiledProgramme
from services.eligibility.programmes.errors import NoVersionInForce
from services.eligibility.rules.evaluate import evaluate
from shared import audit
from shared.auth import Principal, ensure_area
from shared.ids import valid_reference

NATIONWIDE = ("health_worker", "integration")
"""Roles that may ask about any household: a patient comes to whichever facility she reaches."""


async def check_coverage(
    session: AsyncSession, principal: Principal, question: CoverageQuestion, today: date
) -> CoverageView:
    """Answer.

    Args:
        today: the local date of the point of service.

    Raises:
        AskForOne, ReferenceInvalid, CardUnknown, NoVersionInForce, NothingCovered, OutsideArea.
    """
    governing = await programmes.rules_in_force(session, question.programme_code, today)
    if governing is None:
        raise NoVersionInForce(f"No published version of {question.programme_code} is in force today.")
    version, programme = governing
    if not programme.file.covers:
        raise NothingCovered("Ask for a programme whose frequency is none, with `covers`.")
    household = await _find(session, question, today)
    if not principal.has(*NATIONWIDE):
        ensure_area(principal, household.village_code)
    members: tuple[Member, ...] = ()
    if programme.counts() or programme.file.unit != "household" or programme.file.conditions:
        members = await load_members(session, household.household_id, household.version)
    view = await view_of(
        session, programme, household_of(household, members), today, person_id=_unit(programme, question)
    )
    holds = {clause.id: bool(evaluate(clause.rule, view)) for clause in programme.clauses}
    covered = all(holds.values()) and not household.dissolved
    await audit.record(
        session, principal, "coverage.check", "household", household.household_id,
        {"programme_code": question.programme_code, "version": version, "covered": covered},
    )  # fmt: skip
    return CoverageView(
        covered=covered,
        programme_code=question.programme_code,
        programme_version=version,
        on=today,
        household_reference=household.reference,
        card_valid_until=household.card_valid_until if covered else None,
        services=[ServiceCovered(service=item.service, names=item.names.model_dump()) for item in programme.file.covers]
        if covered
        else [],
        reasons=[
            Reason(clause=clause.id, km=clause.reason.km, en=clause.reason.en)
            for clause in programme.file.eligibility
            if not holds[clause.id]
        ],
    )


def _unit(programme: CompiledProgramme, question: CoverageQuestion) -> UUID | None:
    """The person, where the programme is about one: somebody else's card then needs her id."""
    if programme.file.unit == "household":
        return None
    if question.person_id is None:
        raise AskForOne("This programme is about a person: give her person_id.")
    return question.person_id


async def _find(session: AsyncSession, question: CoverageQuestion, today: date) -> AnyRow:
    named: list[str | UUID] = [
        value for value in (question.reference, question.household_id, question.person_id) if value is not None
    ]
    if len(named) != 1:
        raise AskForOne("Give one of reference, household_id and person_id.")
    row: AnyRow | None
    if question.reference is not None:
        reference = question.reference.strip().upper()
        if not valid_reference(reference):
            raise ReferenceInvalid("Read the reference on the card again: its last character checks the others.")
        row = await repository.household_by_reference(session, reference, today)
    elif question.household_id is not None:
        row = await repository.household_by_id(session, question.household_id, today)
    else:
        assert question.person_id is not None
        row = await repository.household_of_person(session, question.person_id, today)
    if row is None:
        raise CardUnknown("Register the household first, or read the card again.")
    return row
