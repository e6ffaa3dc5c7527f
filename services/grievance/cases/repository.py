"""All SQL on cases, their history and their notes.

Every list and look-up goes through `_visible_to`: the caller's area, and never a case about herself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, and_, cast, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases.model import Case, CaseNote, CaseStep
from services.grievance.cases.states import CaseState, SubjectType
from services.grievance.holds.model import Hold
from shared.auth import Principal, in_area

NOTES_LIMIT = 200
HISTORY_LIMIT = 200
HOLDS_LIMIT = 50


@dataclass(frozen=True)
class CaseFilter:
    """What a list of cases is narrowed to; None: not narrowed."""

    state: CaseState | None = None
    category: str | None = None
    assigned_to: str | None = None
    subject_type: SubjectType | None = None
    subject_id: UUID | None = None
    place_code: str | None = None
    due_until: date | None = None


def _visible_to(principal: Principal) -> ColumnElement[bool]:
    own = principal.subject
    return and_(
        in_area(principal, Case.place_code),
        func.coalesce(cast(Case.subject_id, Text), "") != own,
        func.coalesce(cast(Case.complainant_person_id, Text), "") != own,
    )


def _narrowed(narrow: CaseFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if narrow.state is not None:
        conditions.append(Case.state == narrow.state.value)
    if narrow.category is not None:
        conditions.append(Case.category == narrow.category)
    if narrow.assigned_to is not None:
        conditions.append(Case.assigned_to == narrow.assigned_to)
    if narrow.subject_type is not None:
        conditions.append(Case.subject_type == narrow.subject_type.value)
    if narrow.subject_id is not None:
        conditions.append(Case.subject_id == narrow.subject_id)
    if narrow.place_code is not None:
        conditions.append(Case.place_code.startswith(narrow.place_code, autoescape=True))
    if narrow.due_until is not None:
        conditions.append(Case.due_on <= narrow.due_until)
    return conditions


async def page(
    session: AsyncSession, principal: Principal, narrow: CaseFilter, *, after: tuple[date, UUID] | None, fetch: int
) -> Sequence[Case]:
    """Cases that the caller may see, those due first first.

    Args:
        after: (due_on, id) of the last case seen.
        fetch: how many rows at most.
    """
    statement = select(Case).where(_visible_to(principal), *_narrowed(narrow))
    if after is not None:
        statement = statement.where(tuple_(Case.due_on, Case.id) > tuple_(literal(after[0]), literal(after[1])))
    return (await session.scalars(statement.order_by(Case.due_on, Case.id).limit(fetch))).all()


async def find(session: AsyncSession, case_id: UUID) -> Case | None:
    """One case, whoever asks: the use-case authorises."""
    return await session.get(Case, case_id)


async def lock(session: AsyncSession, case_id: UUID) -> Case | None:
    """One case, locked until the transaction ends: a second officer waits here and then sees the new version."""
    statement = select(Case).where(Case.id == case_id).with_for_update().execution_options(populate_existing=True)
    return (await session.scalars(statement)).one_or_none()


async def find_by_receipt(session: AsyncSession, receipt_hash: bytes) -> Case | None:
    """The case of a receipt code, by the code's keyed hash."""
    return (await session.scalars(select(Case).where(Case.receipt_hash == receipt_hash))).one_or_none()


async def add(session: AsyncSession, case: Case, step: CaseStep) -> None:
    """Write a new case and the first step of its history."""
    session.add(case)
    await session.flush()
    session.add(step)
    await session.flush()


async def save(session: AsyncSession, step: CaseStep) -> None:
    """Write the changes of a locked case and the step they belong to."""
    session.add(step)
    await session.flush()


async def add_note(session: AsyncSession, note: CaseNote) -> None:
    """Write a note; its id is known afterwards."""
    session.add(note)
    await session.flush()


async def history(session: AsyncSession, case_id: UUID) -> Sequence[CaseStep]:
    """The latest steps of a case, oldest first."""
    latest = select(CaseStep).where(CaseStep.case_id == case_id).order_by(CaseStep.version.desc()).limit(HISTORY_LIMIT)
    return list(reversed((await session.scalars(latest)).all()))


async def notes(session: AsyncSession, case_id: UUID) -> Sequence[CaseNote]:
    """The latest notes of a case, oldest first."""
    latest = select(CaseNote).where(CaseNote.case_id == case_id).order_by(CaseNote.id.desc()).limit(NOTES_LIMIT)
    return list(reversed((await session.scalars(latest)).all()))


async def holds(session: AsyncSession, case_id: UUID) -> Sequence[Hold]:
    """Holds placed because of a case, the latest first."""
    statement = select(Hold).where(Hold.case_id == case_id).order_by(Hold.placed_at.desc()).limit(HOLDS_LIMIT)
    return (await session.scalars(statement)).all()


def cursor(case: Case) -> dict[str, Any]:
    """The values that order the list, as a page cursor."""
    return {"due_on": case.due_on.isoformat(), "id": str(case.id)}
