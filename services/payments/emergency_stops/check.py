"""Whether an emergency stop forbids something: asked at building, approving, disbursing, and by rails before each
send.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.errors import EmergencyStopped

_IN_FORCE = text(
    """
    SELECT scope, target FROM emergency_stop
    WHERE released_at IS NULL
      AND ((scope = 'programme' AND target = :programme) OR (scope = 'fund' AND target = ANY(CAST(:funds AS text[])))
           OR (scope = 'rail' AND target = :rail))
    ORDER BY placed_at LIMIT 1
    """
)
_OF_LIST = text(
    """
    SELECT s.scope FROM emergency_stop s
    WHERE s.released_at IS NULL AND (
        (s.scope = 'rail' AND s.target = :rail)
        OR (s.scope IN ('programme', 'fund') AND (EXISTS (
            SELECT FROM payment_list l WHERE l.id = :list AND CASE s.scope
                WHEN 'programme' THEN l.programme_code = s.target
                ELSE s.target = l.fund_code OR s.target = ANY(l.fund_codes) END)
            OR EXISTS (SELECT FROM contribution_receipt r JOIN payment p ON p.id = r.payment_id WHERE r.id = :list
                       AND s.target = CASE s.scope WHEN 'programme' THEN p.programme_code ELSE p.fund_code END))))
    ORDER BY s.placed_at LIMIT 1
    """
)
_PERSONS = text(
    """
    SELECT a.id FROM payment_attempt a JOIN payment p ON p.id = a.payment_id
    JOIN emergency_stop s ON s.scope = 'person' AND s.target = CAST(p.beneficiary_id AS text) AND s.released_at IS NULL
    WHERE a.id = ANY(CAST(:attempts AS uuid[])) ORDER BY a.id
    """
)
_PERSON = text(
    "SELECT EXISTS (SELECT FROM emergency_stop WHERE scope = 'person' AND target = :person AND released_at IS NULL)"
)
_ANY_PERSON = text("SELECT EXISTS (SELECT FROM emergency_stop WHERE scope = 'person' AND released_at IS NULL)")


async def ensure_not_stopped(
    session: AsyncSession, *, programme_code: str = "", fund_codes: Sequence[str] = (), rail: str = ""
) -> None:
    """Raise EmergencyStopped, naming what is stopped, when one of these is."""
    values = {"programme": programme_code, "funds": list(fund_codes), "rail": rail}
    found = (await session.execute(_IN_FORCE, values)).first()
    if found is not None:
        raise EmergencyStopped(
            "Somebody else than who placed the stop must lift it first.", scope=found.scope, target=found.target
        )


async def ensure_person_not_stopped(session: AsyncSession, beneficiary_id: UUID) -> None:
    """Raise EmergencyStopped when this beneficiary is stopped."""
    if await session.scalar(_PERSON, {"person": str(beneficiary_id)}):
        raise EmergencyStopped(
            "Somebody else than who placed the stop must lift it first.", scope="person", target=str(beneficiary_id)
        )


async def stops_sending(session: AsyncSession, *, rail: str, payment_list_id: UUID) -> str | None:
    """For rails, before each send: the reason code of a stop of the rail, or of the list's programme or funds."""
    scope: str | None = await session.scalar(_OF_LIST, {"rail": rail, "list": payment_list_id})
    return None if scope is None else f"{scope}_stopped"


async def stops_list(session: AsyncSession, payment_list_id: UUID) -> bool:
    """For the disbursement, before each chunk: whether the list's programme or one of its funds is stopped."""
    return await session.scalar(_OF_LIST, {"rail": "", "list": payment_list_id}) is not None


async def stopped_attempts(session: AsyncSession, attempt_ids: Sequence[UUID]) -> list[UUID]:
    """For rails, before each send: those of these attempts whose beneficiary is stopped."""
    if not attempt_ids or not await session.scalar(_ANY_PERSON):
        return []
    return list((await session.scalars(_PERSONS, {"attempts": list(attempt_ids)})).all())
