"""All SQL of editions: which are due, writing one, reading one table of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Table, func, insert, select, text
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.left_behind.edition import PEOPLE, PLACES, Face, Key
from services.eligibility.left_behind.model import LeftBehindCellRow, LeftBehindEditionRow
from services.eligibility.model import AnyRow
from shared.db import rows_from_json

EDITION, CELL = LeftBehindEditionRow, LeftBehindCellRow
CELL_TABLE: Table = LeftBehindCellRow.__table__  # type: ignore[assignment]
AT_ONCE: Final = 20_000
"""Cells a statement."""
_DUE: Final = text(
    """
    SELECT p.code FROM programme p
    WHERE EXISTS (SELECT FROM standing s WHERE s.programme_code = p.code AND s.on_date <= cast(:last AS date))
      AND NOT EXISTS (SELECT FROM left_behind_edition e WHERE e.programme_code = p.code AND e.kind = 'blocked'
                      AND e.period >= cast(:period AS text))
    ORDER BY p.code LIMIT 200
    """
)
_CYCLES: Final = text(
    """
    SELECT id FROM cycle WHERE programme_code = :code AND state = 'closed' AND reference_date > cast(:since AS date)
    ORDER BY id LIMIT 400
    """
)


async def due(session: AsyncSession, period: str, last: date) -> Sequence[str]:
    """Programmes of which decisions stand from the period or before, and that it was not counted for."""
    return (await session.scalars(_DUE, {"period": period, "last": last})).all()


async def closed_cycles(session: AsyncSession, code: str, since: date) -> Sequence[UUID]:
    """A programme's closed cycles of after a day."""
    return (await session.scalars(_CYCLES, {"code": code, "since": since})).all()


async def claim(
    session: AsyncSession, code: str, kind: str, cycle_id: UUID | None, period: str, at: datetime, *, by_person: bool
) -> UUID | None:
    """Begin an edition: its id, or None where it was counted already. Another transaction that does so is waited for.

    Args:
        by_person: the programme's beneficiaries are persons, not households.
    """
    values = {"programme_code": code, "kind": kind, "cycle_id": cycle_id, "period": period, "counted_at": at}
    statement = pg_insert(EDITION).values(values | {"by_person": by_person}).on_conflict_do_nothing()
    return await session.scalar(statement.returning(EDITION.id))


async def cells_before(
    session: AsyncSession, code: str, kind: str, cycle_id: UUID | None, period: str
) -> dict[Key, Face] | None:
    """The cells of the last edition before this period; None where there is none."""
    edition = await session.scalar(
        select(EDITION.id)
        .where(EDITION.programme_code == code, EDITION.kind == kind, EDITION.period < period)
        .where(EDITION.cycle_id.is_not_distinct_from(cycle_id))
        .order_by(EDITION.period.desc())
        .limit(1)
    )
    if edition is None:
        return None
    columns = (CELL.split, CELL.reason, CELL.place, CELL.category, CELL.figure, CELL.households)
    rows = await session.execute(select(*columns).where(CELL.edition_id == edition))
    return {(row.split, row.reason, row.place, row.category): Face(row.figure, row.households) for row in rows}


async def keep(session: AsyncSession, edition_id: UUID, cells: Mapping[Key, Face]) -> None:
    """Write an edition's cells."""
    columns = [column.name for column in CELL_TABLE.columns]
    incoming = rows_from_json(CELL_TABLE, columns)
    statement = insert(CELL_TABLE).from_select(columns, select(*(incoming.c[name] for name in columns)))
    rows = [
        {
            "edition_id": str(edition_id),
            "split": split,
            "reason": reason,
            "place": place,
            "category": category,
            "figure": face.figure,
            "households": face.households,
        }
        for (split, reason, place, category), face in sorted(cells.items())
    ]
    for start in range(0, len(rows), AT_ONCE):
        await session.execute(statement, {"rows": rows[start : start + AT_ONCE]})


async def find_edition(
    session: AsyncSession, code: str, kind: str, cycle_id: UUID | None, period: str | None
) -> AnyRow | None:
    """(id, period, counted_at, by_person) of an edition; the last one where no period is given."""
    statement = (
        select(EDITION.id, EDITION.period, EDITION.counted_at, EDITION.by_person)
        .where(EDITION.programme_code == code, EDITION.kind == kind)
        .where(EDITION.cycle_id.is_not_distinct_from(cycle_id))
        .order_by(EDITION.period.desc())
        .limit(1)
    )
    if period is not None:
        statement = statement.where(EDITION.period == period)
    return (await session.execute(statement)).one_or_none()


async def shown(session: AsyncSession, edition_id: UUID, split: str, place: str) -> Sequence[AnyRow]:
    """(split, reason, place, category, figure) of one table: of a place and what lies right below it, or of its split.

    Only what may be seen, in order.
    """
    statement = select(CELL.split, CELL.reason, CELL.place, CELL.category, CELL.figure).where(
        CELL.edition_id == edition_id, CELL.figure.is_not(None)
    )
    if split == PLACES:
        statement = statement.where(CELL.split == PLACES, func.starts_with(CELL.place, place))
        statement = statement.where(func.length(CELL.place).in_([len(place), len(place) + 2]))
    else:
        statement = statement.where(CELL.split.in_([split, PEOPLE]), CELL.place == place)
    order = (CELL.reason, CELL.place, CELL.split, CELL.category)
    return (await session.execute(statement.order_by(*order).limit(20_000))).all()
