"""All SQL of household facts: writing versions, and the facts in force on a date as columns for rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Date,
    Integer,
    Select,
    Table,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.facts.household import Household, Member, ymd
from services.eligibility.facts.model import HouseholdFactRow, MemberFactRow
from shared.db import rows_from_json

HOUSEHOLD_FACT: Table = HouseholdFactRow.__table__  # type: ignore[assignment]
MEMBER_FACT: Table = MemberFactRow.__table__  # type: ignore[assignment]


async def insert_versions(
    session: AsyncSession, households: Sequence[Mapping[str, Any]], members: Sequence[Mapping[str, Any]]
) -> None:
    """Add versions; one that is known already is left as it is. Two statements, whatever the number of rows."""
    for table, rows in ((HOUSEHOLD_FACT, households), (MEMBER_FACT, members)):
        if not rows:
            continue
        columns = list(rows[0])
        incoming = rows_from_json(table, columns)
        statement = insert(table).from_select(columns, select(*(incoming.c[name] for name in columns)))
        await session.execute(statement.on_conflict_do_nothing(), {"rows": list(rows)})


async def last_states(session: AsyncSession, household_ids: Sequence[UUID]) -> dict[UUID, Mapping[str, Any]]:
    """The newest version of each of these households that is known."""
    fact = HOUSEHOLD_FACT
    rows = await session.execute(
        select(fact)
        .where(fact.c.household_id == func.any(bindparam("ids", list(household_ids))))
        .ext(distinct_on(fact.c.household_id))
        .order_by(fact.c.household_id, fact.c.version.desc())
    )
    return {row["household_id"]: dict(row) for row in rows.mappings()}


async def clear(session: AsyncSession) -> None:
    """Empty the projection, before it is built again from the topic."""
    for table in (MEMBER_FACT, HOUSEHOLD_FACT):
        await session.execute(delete(table))


def facts_in_force(on: date, *, after: UUID | None, until: UUID, only: Select[UUID] | None = None) -> CTE:
    """CTE `facts`: for each household of the id range (after, until], the version in force on a date.

    In force is the newest version that holds from that date or before. A household first recorded later is judged by
    what was first recorded of it: late joiners are paid from the current month. Dissolved households are left out.
    `only`: a subquery of the household ids to look at.
    """
    fact = HOUSEHOLD_FACT
    holds = fact.c.effective_on <= literal(on, Date)
    wanted = [fact.c.household_id <= until]
    if after is not None:
        wanted.append(fact.c.household_id > after)
    if only is not None:
        wanted.append(fact.c.household_id.in_(only))
    ranked = (
        select(fact)
        .where(*wanted)
        .ext(distinct_on(fact.c.household_id))
        .order_by(fact.c.household_id, holds.desc(), case((holds, fact.c.version), else_=-fact.c.version).desc())
        .subquery("ranked")
    )
    return select(ranked).where(~ranked.c.dissolved).cte("facts").prefix_with("MATERIALIZED")


def household_columns(facts: Any, on: date) -> dict[str, ColumnElement[Any]]:
    """The household facts of the vocabulary (but `size`) as columns on a reference date."""
    day = literal(on, Date)
    return {
        "village_code": facts.c.village_code,
        "location_class": facts.c.location_class,
        "poverty_level": facts.c.poverty_level,
        "card_valid": and_(
            facts.c.poverty_level > 0,
            or_(facts.c.card_valid_from.is_(None), facts.c.card_valid_from <= day),
            or_(facts.c.card_valid_until.is_(None), facts.c.card_valid_until >= day),
        ),
        "at_risk": facts.c.at_risk,
    }


def member_columns(on: date) -> dict[str, ColumnElement[Any]]:
    """The member facts of the vocabulary as columns on a reference date; the same arithmetic as facts/household.py."""
    member = MEMBER_FACT.c
    number = cast(literal(ymd(on), Integer), Integer)
    birth = member.birth_ymd
    # SQLAlchemy renders // of integers as PostgreSQL's `/`, which cuts towards zero.
    months = (number // 10_000 - birth // 10_000) * 12 + ((number // 100) % 100 - (birth // 100) % 100)
    return {
        "age": (number - birth) // 10_000,
        "age_months": months - case((number % 100 < birth % 100, 1), else_=0),
        "sex": member.sex,
        "relationship": member.relationship,
        "disability": member.disability,
        "living_with_hiv": member.living_with_hiv,
        "pregnant": member.pregnant,
    }


async def chunk_bounds(session: AsyncSession, size: int) -> list[tuple[UUID, int]]:
    """Cut all households, in order of id, into chunks: the last id of each and the number of households up to it."""
    ids = select(HOUSEHOLD_FACT.c.household_id).distinct().subquery("ids")
    position = func.row_number().over(order_by=ids.c.household_id)
    total = func.count().over()
    numbered = select(ids.c.household_id, position.label("position"), total.label("total")).subquery("numbered")
    rows = await session.execute(
        select(numbered.c.household_id, numbered.c.position)
        .where(or_(numbered.c.position % size == 0, numbered.c.position == numbered.c.total))
        .order_by(numbered.c.position)
    )
    return [(row.household_id, row.position) for row in rows]


async def load_household(session: AsyncSession, household_id: UUID, version: int) -> Household:
    """One version of a household, as values."""
    fact, member = HOUSEHOLD_FACT.c, MEMBER_FACT.c
    row = (
        await session.execute(select(HOUSEHOLD_FACT).where(fact.household_id == household_id, fact.version == version))
    ).one()
    people = await session.execute(
        select(MEMBER_FACT)
        .where(member.household_id == household_id, member.version == version)
        .order_by(member.person_id)
    )
    return Household(
        household_id=row.household_id,
        version=row.version,
        reference=row.reference,
        village_code=row.village_code,
        location_class=row.location_class,
        poverty_level=row.poverty_level,
        card_valid_from=row.card_valid_from,
        card_valid_until=row.card_valid_until,
        at_risk=row.at_risk,
        members=tuple(
            Member(p.birth_date, p.sex, p.relationship, p.disability, p.living_with_hiv, p.pregnant) for p in people
        ),
    )
