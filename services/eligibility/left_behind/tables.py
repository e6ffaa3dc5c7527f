"""Use-case: one table of who is left behind, protected together with all the others of the same population."""

from __future__ import annotations

from collections import Counter
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.left_behind import repository
from services.eligibility.left_behind.repository import By, Kind
from services.eligibility.left_behind.suppress import Cell, Shown, hidden_in, pooled, suppress
from services.eligibility.model import AnyRow


async def protected_table(
    session: AsyncSession,
    kind: Kind,
    by: By,
    code: str,
    *,
    cycle_id: UUID | None,
    place: str,
    by_person: bool,
    today: date,
) -> Shown:
    """Counts by reason and one more property, small ones hidden.

    A place's table is cut from the same pattern as that of the whole country: the tables above it are protected first,
    and what they hide stays hidden below.

    Args:
        place: of `by` place: the province, district or commune that is broken down; empty: the whole country, as
            for every other property.
    """

    async def counted(within: str) -> list[AnyRow]:
        return list(
            await repository.counts(
                session, kind, by, code, cycle_id=cycle_id, place=within, by_person=by_person, today=today
            )
        )

    rows = await counted("")
    names = _names(rows)
    shown = _table(rows, names, ())
    for level in range(2, len(place) + 1, 2):
        margin = hidden_in(shown, place[:level])
        shown = _table(await counted(place[:level]), names, margin)
    return shown


def _names(rows: list[AnyRow]) -> dict[str, str]:
    """Under which name each reason is counted, in every table of this population."""
    totals: Counter[str] = Counter()
    for row in rows:
        totals[row.reason] += row.people
    return pooled(totals)


def _table(rows: list[AnyRow], names: dict[str, str], margin: tuple[str, ...] | list[str]) -> Shown:
    counts: Counter[Cell] = Counter()
    for row in rows:
        # A reason that came up between two of these statements is of nobody that the table above knows.
        counts[names.get(row.reason, row.reason), row.category] += row.people
    reasons, categories = sorted({reason for reason, _ in counts}), sorted({category for _, category in counts})
    return suppress(counts, reasons, categories, margin)


__all__ = ["protected_table"]
