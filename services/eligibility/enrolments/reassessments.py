"""SQL of what is to be judged again, and when everybody was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.model import AnyRow

_DUE: Final = text(
    """
    SELECT p.code AS programme_code, (r.full_on IS NULL OR r.full_on < cast(:today AS date)) AS full
    FROM programme p LEFT JOIN reassessment r ON r.programme_code = p.code
    WHERE EXISTS (SELECT FROM standing s WHERE s.programme_code = p.code)
      AND EXISTS (
        SELECT FROM programme_version v WHERE v.programme_code = p.code AND v.state = 'published'
          AND v.valid_from <= cast(:today AS date) AND (v.valid_until IS NULL OR v.valid_until >= cast(:today AS date)))
      AND (r.full_on IS NULL OR r.full_on < cast(:today AS date) OR EXISTS (
        SELECT FROM standing s JOIN household_fact f ON f.household_id = s.household_id AND f.version > s.facts_version
        WHERE s.programme_code = p.code))
    ORDER BY p.code LIMIT 200
    """
)
_MARK: Final = text(
    """
    INSERT INTO reassessment (programme_code, full_on) VALUES (:code, :day)
    ON CONFLICT (programme_code) DO UPDATE SET full_on = greatest(reassessment.full_on, excluded.full_on)
    """
)


async def to_reassess(session: AsyncSession, today: date) -> Sequence[AnyRow]:
    """Programmes in force with something to look at: (programme_code, full)."""
    return (await session.execute(_DUE, {"today": today})).all()


async def mark_full(session: AsyncSession, code: str, day: date) -> None:
    """Everybody of this programme was judged on this day."""
    await session.execute(_MARK, {"code": code, "day": day})
