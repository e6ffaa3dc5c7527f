"""SQL of the newcomers' daily look: which programmes are due, and when each was opened and looked at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.model import AnyRow

_DUE: Final = text(
    """
    SELECT l.programme_code,
           jsonb_path_query_array(v.document, '$.exclusivity[*] ? (@.effect == "refuse").programme') AS after
    FROM enrolment_look l
    JOIN LATERAL (
      SELECT v.document FROM programme_version v
      WHERE v.programme_code = l.programme_code AND v.state = 'published'
        AND v.valid_from <= cast(:today AS date) AND (v.valid_until IS NULL OR v.valid_until >= cast(:today AS date))
      ORDER BY v.version DESC LIMIT 1
    ) v ON v.document ->> 'enrolment' = 'automatic'
    WHERE l.opened_on <= cast(:today AS date) AND (l.looked_on IS NULL OR l.looked_on < cast(:today AS date))
    ORDER BY l.programme_code LIMIT 200
    """
)
_OPEN: Final = text(
    """
    INSERT INTO enrolment_look (programme_code, opened_on) VALUES (:code, :day)
    ON CONFLICT (programme_code) DO UPDATE SET opened_on = least(enrolment_look.opened_on, excluded.opened_on)
    """
)
_LOOKED: Final = text(
    "UPDATE enrolment_look SET looked_on = greatest(looked_on, cast(:day AS date)) WHERE programme_code = :code"
)


async def to_look_at(session: AsyncSession, today: date) -> Sequence[AnyRow]:
    """Programmes whose newcomers are not looked for yet today: (programme_code, after).

    Only those whose version in force today enrols by itself, and that an officer opened. `after`: codes of programmes
    whose beneficiaries are refused here, so that those are to be enrolled first.
    """
    return (await session.execute(_DUE, {"today": today})).all()


async def open_programme(session: AsyncSession, code: str, day: date) -> None:
    """An officer's enrolment for this day was carried out: from then on newcomers may follow."""
    await session.execute(_OPEN, {"code": code, "day": day})


async def mark_looked(session: AsyncSession, code: str, day: date) -> None:
    """Everybody who is not enrolled was looked at on this day."""
    await session.execute(_LOOKED, {"code": code, "day": day})
