"""All SQL of appeals and remedies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Text, false, literal, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.decisions.model import DecisionRow, StandingRow
from services.eligibility.enrolments.life import EnrolmentState
from services.eligibility.enrolments.model import EnrolmentRow
from services.eligibility.remedies.model import AppealRow, RemedyRow
from shared.contracts.eligibility import EnrolmentCause
from shared.contracts.grievance import AppealLodged, RemedyRequested

A, E, R, D, S = AppealRow, EnrolmentRow, RemedyRow, DecisionRow, StandingRow
APPEAL_CAUSE = "appeal"


async def open_appeal(session: AsyncSession, appeal: AppealLodged, code: str) -> bool:
    """Store an appeal; False if it is known already."""
    statement = (
        insert(A)
        .values(
            appeal_id=appeal.appeal_id,
            version=appeal.version,
            decision_id=appeal.decision_id,
            programme_code=code,
            beneficiary_id=appeal.beneficiary_id,
            effect=appeal.effect,
        )
        .on_conflict_do_nothing()
        .returning(A.appeal_id)
    )
    return (await session.execute(statement)).first() is not None


async def close_appeal(session: AsyncSession, appeal_id: UUID, outcome: str) -> bool:
    """Store an outcome; False if the appeal is not known or closed already."""
    statement = update(A).where(A.appeal_id == appeal_id, A.outcome.is_(None)).values(outcome=outcome)
    return (await session.execute(statement.returning(A.appeal_id))).first() is not None


async def still_appealed(session: AsyncSession, code: str, beneficiary_id: UUID) -> bool:
    """Whether another appeal of the beneficiary in this programme is open."""
    statement = select(A.appeal_id).where(
        A.programme_code == code, A.beneficiary_id == beneficiary_id, A.outcome.is_(None)
    )
    return (await session.execute(statement.limit(1))).first() is not None


async def programme_of_decision(session: AsyncSession, decision_id: UUID) -> str | None:
    """The programme of a decision."""
    return await session.scalar(select(D.programme_code).where(D.id == decision_id))


async def programmes_of(session: AsyncSession, beneficiary_id: UUID) -> Sequence[str]:
    """Programmes in which something was decided of a beneficiary, in order; 100 at most."""
    statement = select(S.programme_code).where(S.beneficiary_id == beneficiary_id).order_by(S.programme_code).limit(100)
    return (await session.scalars(statement)).all()


async def standing_decision(session: AsyncSession, code: str, beneficiary_id: UUID) -> UUID | None:
    """The decision that stands of a beneficiary."""
    statement = select(S.decision_id).where(S.programme_code == code, S.beneficiary_id == beneficiary_id)
    return await session.scalar(statement)


async def hold(session: AsyncSession, code: str, beneficiary_id: UUID, *, held: bool) -> None:
    """Keep the platform from ending or suspending an enrolment by itself, or let it again."""
    await session.execute(
        update(E)
        .where(E.programme_code == code, E.beneficiary_id == beneficiary_id)
        .values(appeal_hold=true() if held else false())
    )


def ended_by(code: str, beneficiary_id: UUID, decision_id: UUID) -> Any:
    """The enrolment that the appealed decision ended, for `transitions.move`: to be taken up again."""
    pending: EnrolmentCause = "under_appeal"
    return select(
        E.id,
        literal(APPEAL_CAUSE, Text).label("cause"),
        literal(pending, Text).label("approved_cause"),
        true().label("appeal_hold"),
    ).where(
        E.programme_code == code,
        E.beneficiary_id == beneficiary_id,
        E.decision_id == decision_id,
        E.state == EnrolmentState.ENDED.value,
        ~E.ended_for_good,
    )


def of_beneficiary(code: str, beneficiary_id: UUID) -> Any:
    """The enrolment of a beneficiary, for `transitions.move`, with the appeal as its cause."""
    return select(E.id, literal(APPEAL_CAUSE, Text).label("cause")).where(
        E.programme_code == code, E.beneficiary_id == beneficiary_id
    )


def suspended_by_appeal(code: str, beneficiary_id: UUID) -> Any:
    """The enrolment that an appeal suspended, for `transitions.move`."""
    return of_beneficiary(code, beneficiary_id).where(E.cause == APPEAL_CAUSE)


def units(beneficiary_id: UUID) -> Select[UUID]:
    """A subquery of one beneficiary, or of those of one household."""
    of_household = select(S.beneficiary_id).where(
        or_(S.beneficiary_id == beneficiary_id, S.household_id == beneficiary_id)
    )
    return of_household.union_all(select(literal(beneficiary_id, S.__table__.c.beneficiary_id.type)))  # type: ignore[return-value]


async def answered(session: AsyncSession, remedy_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these remedies that were acted on already."""
    return set((await session.scalars(select(R.remedy_id).where(R.remedy_id.in_(remedy_ids)))).all())


async def store_answer(
    session: AsyncSession, request: RemedyRequested, outcome: str, reason_code: str, result_id: UUID | None
) -> None:
    """Remember that a remedy was acted on."""
    await session.execute(
        insert(R)
        .values(
            remedy_id=request.remedy_id,
            case_id=request.case_id,
            kind=request.kind,
            outcome=outcome,
            reason_code=reason_code,
            result_id=result_id,
        )
        .on_conflict_do_nothing()
    )
