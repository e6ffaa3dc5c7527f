"""All SQL on cases, their history, notes and referrals.

Lists are narrowed to the caller's area and never show a case that concerns her or her household. Sealed cases are
hidden by the database unless the transaction opened the seal (sealing.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.attachments.model import Attachment
from services.grievance.cases.model import Case, CaseNote, CaseReferral, CaseStep
from services.grievance.cases.states import CaseState, SubjectType
from services.grievance.holds.model import Hold
from shared.auth import Principal

NOTES_LIMIT = 200
HISTORY_LIMIT = 200
HOLDS_LIMIT = 50
SIMILAR_LIMIT = 50
COUNT_LIMIT: Final = 1_000
"""Counts of a work list stop here: more is too much for one officer, however much more."""

ANSWERED_STATES = frozenset({CaseState.RESOLVED, CaseState.CLOSED, CaseState.MERGED})
SUMMARY: Final = (
    Case.id,
    Case.reference,
    Case.version,
    Case.state,
    Case.level,
    Case.category,
    Case.route,
    Case.priority,
    Case.subject_type,
    Case.subject_id,
    Case.channel,
    Case.place_code,
    Case.assigned_to,
    Case.outcome,
    Case.opened_at,
    Case.due_on,
    Case.complainant_person_id,
    Case.merged_into,
    Case.answered,
    Case.sealed,
)
"""The columns that a list shows: nothing that people wrote."""


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
    level: str | None = None
    answered: bool | None = None
    unassigned: bool = False
    sealed: bool = False


def _narrowed(narrow: CaseFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if narrow.state is not None:
        conditions += [Case.state == narrow.state.value, Case.answered.is_(narrow.state in ANSWERED_STATES)]
    if narrow.answered is not None:
        conditions.append(Case.answered.is_(narrow.answered))
    for column, value in (
        (Case.category, narrow.category),
        (Case.assigned_to, narrow.assigned_to),
        (Case.subject_id, narrow.subject_id),
        (Case.level, narrow.level),
        (Case.subject_type, narrow.subject_type.value if narrow.subject_type else None),
    ):
        if value is not None:
            conditions.append(column == value)
    if narrow.unassigned:
        conditions.append(Case.assigned_to.is_(None))
    if narrow.place_code is not None:
        conditions.append(_inside(narrow.place_code))
    if narrow.due_until is not None:
        conditions.append(Case.due_on <= narrow.due_until)
    if narrow.sealed:
        conditions.append(Case.sealed.is_(True))
    return conditions


def _inside(area: str) -> ColumnElement[bool]:
    """The case belongs to this area: an equality that can use an index, and the rest of the code where there is one."""
    exact = Case.commune_code == area[:6] if len(area) >= 6 else Case.province_code == area[:2]
    return exact if len(area) in {2, 6} else and_(exact, Case.place_code.startswith(area, autoescape=True))


def _not_about(people: frozenset[UUID]) -> list[ColumnElement[bool]]:
    columns = (Case.subject_id, Case.beneficiary_id, Case.complainant_person_id)
    return [or_(column.is_(None), column.not_in(people)) for column in columns] if people else []


def _areas(principal: Principal) -> list[str]:
    """The caller's areas, without those that lie in another of them (or a case would be listed twice)."""
    return [
        area
        for area in principal.areas
        if not any(area != other and area.startswith(other) for other in principal.areas)
    ]


def _visible(
    principal: Principal,
    people: frozenset[UUID],
    narrow: CaseFilter,
    after: tuple[bool, date, UUID] | None,
    fetch: int,
) -> Any:
    """Per area one walk along its index, `fetch` rows at most; then the first of all."""
    statement = select(*SUMMARY).where(*_narrowed(narrow), *_not_about(people))
    order = (Case.answered, Case.due_on, Case.id)
    if after is not None:
        statement = statement.where(tuple_(*order) > tuple_(*(literal(value) for value in after)))
    if principal.national:
        return statement.order_by(*order).limit(fetch)
    walks = [
        select(statement.where(_inside(area)).order_by(*order).limit(fetch).subquery()) for area in _areas(principal)
    ]
    if not walks:
        return statement.where(literal(False))
    every = (union_all(*walks) if len(walks) > 1 else walks[0]).subquery()
    return select(every).order_by(every.c.answered, every.c.due_on, every.c.id).limit(fetch)


async def page(
    session: AsyncSession,
    principal: Principal,
    people: frozenset[UUID],
    narrow: CaseFilter,
    *,
    after: tuple[bool, date, UUID] | None,
    fetch: int,
) -> Sequence[Row[Any]]:
    """Rows of SUMMARY that the caller may see: unanswered ones first, those due first first.

    Args:
        people: ids of the caller, her household and its members: their cases are left out.
        after: (answered, due_on, id) of the last case seen.
        fetch: how many rows at most.
    """
    rows: Sequence[Row[Any]] = (await session.execute(_visible(principal, people, narrow, after, fetch))).all()
    return rows


async def count(session: AsyncSession, principal: Principal, people: frozenset[UUID], narrow: CaseFilter) -> int:
    """How many such cases the caller sees, at most COUNT_LIMIT."""
    rows = _visible(principal, people, narrow, None, COUNT_LIMIT).subquery()
    return await session.scalar(select(func.count()).select_from(rows)) or 0


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


async def lock_idle_automatic(session: AsyncSession, payment_id: UUID) -> Case | None:
    """The case that the platform opened for a payment, locked, while nobody has begun to work on it."""
    statement = (
        select(Case)
        .where(Case.auto_payment_id == payment_id, Case.state == CaseState.OPENED.value, Case.assigned_to.is_(None))
        .with_for_update()
    )
    return (await session.scalars(statement)).one_or_none()


_SIMILAR: Final = text(
    """
    SELECT c.id FROM grievance_case c
    WHERE c.id <> :case AND (
      c.subject_id = ANY(CAST(:subjects AS uuid[])) OR c.merged_into = :case
      OR c.subject_id IN (SELECT payment_id FROM payment_view WHERE beneficiary_id = ANY(CAST(:subjects AS uuid[]))
                          ORDER BY payment_id LIMIT 200))
    ORDER BY c.answered, c.due_on, c.id LIMIT 50
    """
)


async def similar(session: AsyncSession, case: Case) -> Sequence[Row[Any]]:
    """Rows of SUMMARY of cases with the same subject or beneficiary, or merged into this one; at most 50."""
    subjects = [found for found in (case.subject_id, case.beneficiary_id) if found is not None]
    found = (await session.scalars(_SIMILAR, {"case": case.id, "subjects": subjects})).all()
    statement: Any = select(*SUMMARY).where(Case.id.in_(found)).order_by(Case.answered, Case.due_on, Case.id)
    rows: Sequence[Row[Any]] = (await session.execute(statement)).all()
    return rows


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
    """Write a note."""
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


async def add_referral(session: AsyncSession, referral: CaseReferral) -> None:
    """Write a referral."""
    session.add(referral)
    await session.flush()


async def end_referral(session: AsyncSession, case_id: UUID, answer: str, at: datetime) -> None:
    """The institution answered the pending referral of a case."""
    statement = (
        update(CaseReferral)
        .where(CaseReferral.case_id == case_id, CaseReferral.returned_at.is_(None))
        .values(answer=answer, returned_at=at)
    )
    await session.execute(statement)


async def referrals(session: AsyncSession, case_id: UUID) -> Sequence[CaseReferral]:
    """Referrals of a case, oldest first; at most 100."""
    statement = (
        select(CaseReferral).where(CaseReferral.case_id == case_id).order_by(CaseReferral.referred_at).limit(100)
    )
    return (await session.scalars(statement)).all()


async def has_attachments(session: AsyncSession, case_id: UUID) -> bool:
    """Whether anything was attached to a case."""
    return await session.scalar(select(exists().where(Attachment.case_id == case_id))) or False


async def flush(session: AsyncSession) -> None:
    """Write the changes of locked rows."""
    await session.flush()


def cursor(case: Row[Any]) -> dict[str, Any]:
    """The values that order the list, as a page cursor."""
    return {"answered": case.answered, "due_on": case.due_on.isoformat(), "id": str(case.id)}
