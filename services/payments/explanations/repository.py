"""All SQL of the explanation: a handful of reads by key, across what this service holds of one beneficiary."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.metadata import Record

_DECISION: Final = text(
    """
    SELECT * FROM decision
    WHERE beneficiary_id = ANY(CAST(:same AS uuid[])) AND programme_code = :programme AND decided_on <= :until
    ORDER BY array_position(CAST(:same AS uuid[]), beneficiary_id) > 1, decided_on DESC, version DESC, id DESC LIMIT 1
    """
)
_ENROLMENT: Final = text(
    """
    SELECT * FROM enrolment WHERE beneficiary_id = ANY(CAST(:same AS uuid[])) AND programme_code = :programme
    ORDER BY array_position(CAST(:same AS uuid[]), beneficiary_id) > 1, effective_on DESC, version DESC LIMIT 1
    """
)
_ENTITLEMENTS: Final = text(
    """
    SELECT e.*, c.payment_window_from, c.payment_window_until
    FROM entitlement e LEFT JOIN cycle c ON c.id = e.cycle_id
    WHERE e.beneficiary_id = ANY(CAST(:same AS uuid[])) AND e.programme_code = :programme AND e.period = :period
    ORDER BY e.component, array_position(CAST(:same AS uuid[]), e.beneficiary_id) > 1, e.id LIMIT 50
    """
)
_LINES: Final = text(
    """
    SELECT l.*, p.status AS list_status, p.refusal, p.submitted_by, p.approved_by, p.disbursed_by, p.created_at,
           p.updated_at
    FROM payment_list_line l JOIN payment_list p ON p.id = l.payment_list_id
    WHERE l.payment_id = :payment OR l.part_of = :payment
    ORDER BY p.id DESC, l.payment_id LIMIT 100
    """
)
_ATTEMPTS: Final = text(
    """
    SELECT a.*, p.status AS payment_status, b.state AS batch_state, b.message_id, b.submitted_at
    FROM payment p JOIN payment_attempt a ON a.payment_id = p.id LEFT JOIN batch b ON b.id = a.batch_id
    WHERE p.beneficiary_id = :beneficiary AND p.entitlement_id = :entitlement
    ORDER BY a.payment_id, a.attempt LIMIT 100
    """
)
_CASES: Final = text(
    """
    SELECT * FROM grievance_case WHERE subject_id = ANY(CAST(:subjects AS uuid[])) ORDER BY id LIMIT 50
    """
)
_GONE: Final = text(
    """
    SELECT 'deceased' AS cause FROM death g
    WHERE NOT g.withdrawn AND (g.person_id = ANY(CAST(:same AS uuid[]))
        OR (g.household_id = :beneficiary AND g.living_members = 0))
    UNION ALL
    SELECT CASE cause WHEN 'deceased' THEN 'deceased' ELSE 'dissolved' END FROM dissolved_household
    WHERE household_id = :beneficiary LIMIT 1
    """
)
_STOPPED: Final = text(
    """
    SELECT scope FROM emergency_stop WHERE released_at IS NULL AND ((scope = 'programme' AND target = :programme)
        OR (scope = 'person' AND target = ANY(CAST(:same AS text[])))) ORDER BY scope LIMIT 1
    """
)


async def decision_on(session: AsyncSession, same: Sequence[UUID], programme: str, until: date) -> Record | None:
    """The decision that held on a day. `same`: here and below, every id of the beneficiary, the surviving one first."""
    values = {"same": list(same), "programme": programme, "until": until}
    return (await session.execute(_DECISION, values)).one_or_none()


async def enrolment_of(session: AsyncSession, same: Sequence[UUID], programme: str) -> Record | None:
    """How she stands in the programme."""
    return (await session.execute(_ENROLMENT, {"same": list(same), "programme": programme})).one_or_none()


async def entitlements_of(session: AsyncSession, same: Sequence[UUID], programme: str, period: str) -> Sequence[Record]:
    """What is owed for a month, with the window of its payment."""
    values = {"same": list(same), "programme": programme, "period": period}
    return (await session.execute(_ENTITLEMENTS, values)).all()


async def lines_of(session: AsyncSession, payment: UUID) -> Sequence[Record]:
    """Its lines, parts too, on the lists of its cycle: the newest list first."""
    return (await session.execute(_LINES, {"payment": payment})).all()


async def attempts_of(session: AsyncSession, beneficiary: UUID, entitlement: UUID) -> Sequence[Record]:
    """Every attempt at paying it, with its batch."""
    return (await session.execute(_ATTEMPTS, {"beneficiary": beneficiary, "entitlement": entitlement})).all()


async def cases_about(session: AsyncSession, subjects: Sequence[UUID]) -> Sequence[Record]:
    """Cases about these payments, decisions, or the beneficiary herself."""
    return (await session.execute(_CASES, {"subjects": list(subjects)})).all()


async def gone(session: AsyncSession, same: Sequence[UUID]) -> str | None:
    """`deceased` or `dissolved`, when the beneficiary is no more; a record that lives on in another is not gone."""
    cause: str | None = await session.scalar(_GONE, {"same": list(same), "beneficiary": same[0]})
    return cause


async def stopped(session: AsyncSession, same: Sequence[UUID], programme: str) -> str | None:
    """The scope of an emergency stop that concerns her."""
    values = {"same": [str(one) for one in same], "programme": programme}
    scope: str | None = await session.scalar(_STOPPED, values)
    return scope
