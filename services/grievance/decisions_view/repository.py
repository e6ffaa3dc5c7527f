"""All SQL on what eligibility told. Set-wise in: batches of thousands, one statement each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.decisions_view.model import DecisionView, EnrolmentView, ProgrammeView
from shared.db import upsert_versioned
from shared.service import Context


async def record_decisions(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep decisions; rows with the columns of `decision_view`."""
    await upsert_versioned(session, cast(Table, DecisionView.__table__), rows, key=["decision_id"])


async def record_programmes(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep the words of programme versions; rows with the columns of `programme_view`."""
    key = ["programme_code", "programme_version"]
    await upsert_versioned(session, cast(Table, ProgrammeView.__table__), rows, key=key)


async def record_enrolments(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep the newest state of enrolments; rows with the columns of `enrolment_view`."""
    await upsert_versioned(session, cast(Table, EnrolmentView.__table__), rows, key=["enrolment_id"])


async def find_decision(session: AsyncSession, decision_id: UUID) -> DecisionView | None:
    """One decision; None when nothing was told of it."""
    return await session.get(DecisionView, decision_id)


async def find_enrolment(session: AsyncSession, enrolment_id: UUID) -> EnrolmentView | None:
    """One enrolment; None when nothing was told of it."""
    return await session.get(EnrolmentView, enrolment_id)


async def latest_decision(session: AsyncSession, beneficiary_id: UUID, programme_code: str) -> DecisionView | None:
    """The last decision about a beneficiary in a programme."""
    statement = (
        select(DecisionView)
        .where(DecisionView.beneficiary_id == beneficiary_id, DecisionView.programme_code == programme_code)
        .order_by(DecisionView.decided_on.desc(), DecisionView.version.desc())
        .limit(1)
    )
    return (await session.scalars(statement)).one_or_none()


async def programme(session: AsyncSession, code: str, version: int) -> ProgrammeView | None:
    """The words of a programme version; None when nothing was told of it."""
    return await session.get(ProgrammeView, (code, version))


async def forget_decisions(_context: Context, session: AsyncSession) -> None:
    """Before a replay of the whole topic."""
    await session.execute(delete(DecisionView))


async def forget_programmes(_context: Context, session: AsyncSession) -> None:
    """Before a replay of the whole topic."""
    await session.execute(delete(ProgrammeView))


async def forget_enrolments(_context: Context, session: AsyncSession) -> None:
    """Before a replay of the whole topic."""
    await session.execute(delete(EnrolmentView))
