"""All SQL of household facts: writing versions, and the facts in force on a date as columns for rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    Date,
    Integer,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    case,
    cast,
    column,
    delete,
    extract,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.facts.household import Household, Member, Shock, ymd
from services.eligibility.facts.model import HouseholdFactRow, IdentityAliasRow, LifeEventRow, MemberFactRow
from services.eligibility.model import AnyRow
from services.eligibility.rules.vocabulary import NO_DAY
from shared.db import rows_from_json

HOUSEHOLD_FACT: Table = HouseholdFactRow.__table__  # type: ignore[assignment]
MEMBER_FACT: Table = MemberFactRow.__table__  # type: ignore[assignment]
IDENTITY_ALIAS: Table = IdentityAliasRow.__table__  # type: ignore[assignment]
LIFE_EVENT: Table = LifeEventRow.__table__  # type: ignore[assignment]


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
    """Empty the projection of households, before it is built again from the topic."""
    for table in (MEMBER_FACT, HOUSEHOLD_FACT):
        await session.execute(delete(table))


async def clear_table(session: AsyncSession, table: Table) -> None:
    """Empty one projection, before it is built again from its topic."""
    await session.execute(delete(table))


def facts_in_force(
    on: date,
    *,
    after: UUID | None,
    until: UUID,
    only: Select[UUID] | None = None,
    known_at: datetime | None = None,
    name: str = "facts",
) -> CTE:
    """CTE `facts`: for each household of the id range (after, until], the version in force on a date.

    In force is the newest version that holds from that date or before. A household first recorded later is judged by
    what was first recorded of it: late joiners are paid from the current month. Dissolved households are left out.
    `only`: a subquery of the household ids to look at. `known_at`: what was told later is not seen, so that a past
    month can be judged as it was (fault 19). A row is also a unit: `unit_id` and `beneficiary_id` are the household's.
    """
    fact = HOUSEHOLD_FACT
    holds = fact.c.effective_on <= literal(on, Date)
    wanted = [fact.c.household_id <= until]
    if after is not None:
        wanted.append(fact.c.household_id > after)
    if only is not None:
        wanted.append(fact.c.household_id.in_(only))
    if known_at is not None:
        wanted.append(fact.c.recorded_at <= known_at)
    ranked = (
        select(fact, fact.c.household_id.label("unit_id"), fact.c.household_id.label("beneficiary_id"))
        .where(*wanted)
        .ext(distinct_on(fact.c.household_id))
        .order_by(fact.c.household_id, holds.desc(), case((holds, fact.c.version), else_=-fact.c.version).desc())
        .subquery("ranked")
    )
    return select(ranked).where(~ranked.c.dissolved).cte(name).prefix_with("MATERIALIZED")


@dataclass(frozen=True)
class DayColumns:
    """A reference date of each unit's own that is there as a number too: cheaper than taking it apart every time."""

    day: ColumnElement[date]
    ymd: ColumnElement[int]


Day = date | ColumnElement[date] | DayColumns
"""A reference date: one for a whole population, or a column where each unit has its own."""


def day_column(on: Day) -> ColumnElement[date]:
    """The reference date as SQL."""
    if isinstance(on, DayColumns):
        return on.day
    return literal(on, Date) if isinstance(on, date) else on


def ymd_column(on: Day) -> ColumnElement[int]:
    """The reference date as a number, 2020-01-31 as 20200131."""
    if isinstance(on, DayColumns):
        return on.ymd
    if isinstance(on, date):
        return cast(literal(ymd(on), Integer), Integer)
    return cast(extract("year", on) * 10_000 + extract("month", on) * 100 + extract("day", on), Integer)


def household_columns(facts: Any, on: Day) -> dict[str, ColumnElement[Any]]:
    """The household facts of the vocabulary (but `size`) as columns on a reference date."""
    day = day_column(on)
    row = facts.c
    left = func.least(NO_DAY, func.greatest(-NO_DAY, row.card_valid_until - day))
    shock = (
        func.jsonb_to_recordset(row.shocks)
        .table_valued(column("code", Text), column("occurred_on", Date), name="shock")
        .render_derived(with_types=True)
    )
    return {
        "village_code": row.village_code,
        "location_class": row.location_class,
        "poverty_level": row.poverty_level,
        "card_valid": and_(
            row.poverty_level > 0,
            or_(row.card_valid_from.is_(None), row.card_valid_from <= day),
            or_(row.card_valid_until.is_(None), row.card_valid_until >= day),
        ),
        "at_risk": row.at_risk,
        "kind": row.kind,
        "card_days_left": case(
            (row.poverty_level == 0, -NO_DAY), (row.card_valid_until.is_(None), NO_DAY), else_=cast(left, Integer)
        ),
        "shocks": func.array(
            select(shock.c.code).where(shock.c.occurred_on <= day).scalar_subquery(), type_=ARRAY(Text)
        ),
    }


def member_columns(on: Day, member: Any = None) -> dict[str, ColumnElement[Any]]:
    """The member facts of the vocabulary as columns on a reference date; the same arithmetic as facts/household.py.

    Args:
        member: columns of a member; default: those of the table.
    """
    row = MEMBER_FACT.c if member is None else member
    number, day = ymd_column(on), day_column(on)
    birth = row.birth_ymd
    # SQLAlchemy renders // of integers as PostgreSQL's `/`, which cuts towards zero.
    months = (number // 10_000 - birth // 10_000) * 12 + ((number // 100) % 100 - (birth // 100) % 100)
    card_until = row.disability_card_valid_until
    return {
        "age": (number - birth) // 10_000,
        "age_months": months - case((number % 100 < birth % 100, 1), else_=0),
        "sex": row.sex,
        "relationship": row.relationship,
        "disability": row.disability,
        "living_with_hiv": row.living_with_hiv,
        "pregnant": row.pregnant,
        "education_level": row.education_level,
        "employment": row.employment,
        "has_employer": row.employer_id.is_not(None),
        "employer_sector": func.coalesce(row.employer_sector, literal("", Text)),
        "insured": row.insured,
        "civil_servant": row.civil_servant,
        "disability_card_valid": and_(row.disability != "none", or_(card_until.is_(None), card_until >= day)),
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
    fact = HOUSEHOLD_FACT.c
    row = (
        await session.execute(select(HOUSEHOLD_FACT).where(fact.household_id == household_id, fact.version == version))
    ).one()
    return household_of(row, await load_members(session, household_id, version))


async def load_members(session: AsyncSession, household_id: UUID, version: int) -> tuple[Member, ...]:
    """The members of one version of a household."""
    member = MEMBER_FACT.c
    people = await session.execute(
        select(MEMBER_FACT)
        .where(member.household_id == household_id, member.version == version)
        .order_by(member.person_id)
    )
    return tuple(_member(person) for person in people)


def household_of(row: AnyRow, members: tuple[Member, ...]) -> Household:
    """A household as values, from a row with the columns of household_fact."""
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
        kind=row.kind,
        shocks=tuple(Shock(s["code"], date.fromisoformat(s["occurred_on"])) for s in row.shocks),
        members=members,
    )


def _member(person: AnyRow) -> Member:
    return Member(
        birth_date=person.birth_date,
        sex=person.sex,
        relationship=person.relationship,
        disability=person.disability,
        living_with_hiv=person.living_with_hiv,
        pregnant=person.pregnant,
        person_id=person.person_id,
        education_level=person.education_level,
        employment=person.employment,
        employer_id=person.employer_id,
        employer_sector=person.employer_sector,
        insured=person.insured,
        civil_servant=person.civil_servant,
        disability_card_valid_until=person.disability_card_valid_until,
    )
