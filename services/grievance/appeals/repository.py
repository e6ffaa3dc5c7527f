"""All SQL on appeals and panels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.appeals.model import Appeal, PanelMember
from services.grievance.cases.model import Case, CaseStep
from shared.auth import Principal, in_area


async def add(session: AsyncSession, appeal: Appeal) -> None:
    """Write an appeal."""
    session.add(appeal)
    await session.flush()


async def find(session: AsyncSession, appeal_id: UUID) -> Appeal | None:
    """One appeal."""
    return await session.get(Appeal, appeal_id)


async def lock(session: AsyncSession, appeal_id: UUID) -> Appeal | None:
    """One appeal, locked until the transaction ends."""
    return await session.get(Appeal, appeal_id, with_for_update=True, populate_existing=True)


async def save(session: AsyncSession) -> None:
    """Write the changes of locked rows."""
    await session.flush()


async def of_case(session: AsyncSession, case_id: UUID) -> Appeal | None:
    """The appeal that a case is."""
    return (await session.scalars(select(Appeal).where(Appeal.case_id == case_id))).one_or_none()


async def pending_of_case(session: AsyncSession, case_id: UUID) -> Appeal | None:
    """The undecided appeal that a case is."""
    appeal = await of_case(session, case_id)
    return appeal if appeal is not None and appeal.outcome is None else None


async def pending_against(session: AsyncSession, decision_id: UUID, kind: str) -> bool:
    """Whether a decision is being appealed."""
    statement = select(Appeal.id).where(
        Appeal.decision_id == decision_id, Appeal.kind == kind, Appeal.outcome.is_(None)
    )
    return (await session.scalar(statement)) is not None


async def panel(session: AsyncSession, appeal_id: UUID) -> Sequence[PanelMember]:
    """The panel of an appeal."""
    statement = select(PanelMember).where(PanelMember.appeal_id == appeal_id).order_by(PanelMember.subject)
    return (await session.scalars(statement)).all()


async def set_panel(session: AsyncSession, appeal_id: UUID, members: Sequence[PanelMember]) -> None:
    """Replace the panel."""
    await session.execute(delete(PanelMember).where(PanelMember.appeal_id == appeal_id))
    session.add_all(members)
    await session.flush()


async def actors(session: AsyncSession, case_id: UUID) -> set[str]:
    """Whoever acted on a case until now."""
    return set((await session.scalars(select(CaseStep.actor).where(CaseStep.case_id == case_id).distinct())).all())


async def page(
    session: AsyncSession,
    principal: Principal,
    people: frozenset[UUID],
    *,
    pending: bool | None,
    mine: bool,
    after: UUID | None,
    fetch: int,
) -> Sequence[Row[Any]]:
    """Appeals of the caller's area and none of her household's; `mine`: to whose panel she belongs. Oldest first."""
    statement: Any = (
        select(Appeal, Case).join(Case, Case.id == Appeal.case_id).where(in_area(principal, Case.place_code))
    )
    if people:
        named = (Case.subject_id, Case.complainant_person_id)
        statement = statement.where(
            Appeal.beneficiary_id.not_in(people),
            *(or_(column.is_(None), column.not_in(people)) for column in named),
        )
    if pending is not None:
        statement = statement.where(Appeal.outcome.is_(None) if pending else Appeal.outcome.is_not(None))
    if mine:
        hers = select(PanelMember.appeal_id).where(PanelMember.subject == principal.subject)
        statement = statement.where(Appeal.id.in_(hers))
    if after is not None:
        statement = statement.where(Appeal.id > after)
    rows: Sequence[Row[Any]] = (await session.execute(statement.order_by(Appeal.id).limit(fetch))).all()
    return rows
