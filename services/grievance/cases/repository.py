"""All SQL on cases, their history, notes and referrals; lists of cases: list_repository.py.

Sealed cases are hidden by the database unless the transaction opened the seal (sealing.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, exists, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.attachments.model import Attachment
from services.grievance.cases.list_repository import SUMMARY
from services.grievance.cases.model import Case, CaseNote, CaseReferral, CaseStep
from services.grievance.cases.states import CaseState
from services.grievance.holds.model import Hold

NOTES_LIMIT = 200
HISTORY_LIMIT = 200
HOLDS_LIMIT = 50
SIMILAR_LIMIT = 50


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
      AND coalesce(c.subject_id <> ALL(CAST(:people AS uuid[])), true)
      AND coalesce(c.beneficiary_id <> ALL(CAST(:people AS uuid[])), true)
      AND coalesce(c.complainant_person_id <> ALL(CAST(:people AS uuid[])), true)
    ORDER BY c.answered, c.due_on, c.id LIMIT 50
    """
)


async def similar(session: AsyncSession, case: Case, people: frozenset[UUID]) -> Sequence[Row[Any]]:
    """Rows of SUMMARY of cases with the same subject or beneficiary, or merged into this one; at most 50.

    None that is about or from one of `people`.
    """
    subjects = [found for found in (case.subject_id, case.beneficiary_id) if found is not None]
    values = {"case": case.id, "subjects": subjects, "people": list(people)}
    found = (await session.scalars(_SIMILAR, values)).all()
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
