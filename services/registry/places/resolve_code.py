"""Old place codes still resolve: to the place that took their place, or to the choice where it was split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.places.errors import PlaceNotFound, PlaceWasSplit

# A code may have changed more than once: followed to places that are open, at most so many steps.
_FOLLOW: Final = text("""
    WITH RECURSIVE followed AS (
      SELECT CAST(:code AS text) AS code, CAST(NULL AS text) AS kind, CAST(NULL AS date) AS effective_on, 0 AS steps
      UNION ALL
      SELECT c.new_code, c.kind, c.effective_on, f.steps + 1
      FROM followed f JOIN place_code_change c ON c.old_code = f.code WHERE f.steps < 10
    )
    SELECT DISTINCT ON (p.code) p.code, p.level, p.name_km, p.name_en, f.kind, f.effective_on, f.steps
    FROM followed f JOIN place p ON p.code = f.code
    WHERE p.closed_on IS NULL AND NOT EXISTS (SELECT FROM place_code_change c WHERE c.old_code = f.code)
    ORDER BY p.code, f.steps""")


async def follow(session: AsyncSession, code: str) -> Sequence[Row[Any]]:
    """The open places that a code, old or of today, stands for now. More than one: it was split."""
    return (await session.execute(_FOLLOW, {"code": code})).all()


async def resolve_village(session: AsyncSession, code: str) -> str:
    """The village of today for a code of any time.

    Raises:
        PlaceNotFound: no village has or had this code.
        PlaceWasSplit: it became several: say which.
    """
    found = [row for row in await follow(session, code) if row.level == "village"]
    if not found:
        raise PlaceNotFound("Look the code up at /registry/v1/places.")
    if len(found) > 1:
        choices = [row.code for row in found]
        raise PlaceWasSplit(f"Use one of: {', '.join(choices)}.", became=choices)
    code_now: str = found[0].code
    return code_now
