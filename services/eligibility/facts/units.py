"""What a programme judges: households, persons, workers, students or events, each with the facts of its reference date.

Every source is one CTE `facts` with a row a unit: `unit_id`, `beneficiary_id` (who is paid), the household's version in
force, and what the unit adds: `p_<column>` of the person, `e_<fact>` and `on_date` of an event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, FromClause, Select, Text, and_, case, exists, literal, or_, select, true
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.conditions.named import condition_columns
from services.eligibility.conditions.units import PERSON_COLUMNS, event_bounds, events_in_force
from services.eligibility.facts.household import Household, UnitSeen, view_on
from services.eligibility.facts.repository import (
    HOUSEHOLD_FACT,
    MEMBER_FACT,
    Day,
    chunk_bounds,
    day_column,
    facts_in_force,
    household_columns,
    load_household,
    member_columns,
    ymd_column,
)
from services.eligibility.programmes.compiled import CompiledProgramme
from services.eligibility.rules.evaluate import HouseholdView
from services.eligibility.rules.vocabulary import EVENT

STUDENT_LEVELS = ("primary", "lower_secondary", "upper_secondary")


@dataclass(frozen=True)
class ScopeColumns:
    """A column per fact that rules may name.

    Attributes:
        household: by name, but `size`.
        members: by name, of the member table.
        unit: by full name, e.g. `person.age`.
    """

    household: Mapping[str, ColumnElement[Any]]
    members: Mapping[str, ColumnElement[Any]]
    unit: Mapping[str, ColumnElement[Any]]

    def rates(self) -> dict[str, ColumnElement[Any]]:
        """Columns by the names that rate tables use."""
        return {f"household.{name}": column for name, column in self.household.items()} | dict(self.unit)


def units_in_force(
    programme: CompiledProgramme,
    on: date,
    *,
    after: UUID | None,
    until: UUID,
    only: Select[UUID] | None = None,
    known_at: datetime | None = None,
) -> CTE:
    """The units of a range of household ids with their facts on a reference date. Events: see conditions/units.py.

    Args:
        after, until: range of household ids.
        only: a subquery of the beneficiary ids to look at.
        known_at: what was told later is not seen.
    """
    if programme.file.unit == "household":
        return facts_in_force(on, after=after, until=until, only=only, known_at=known_at)
    households = facts_in_force(on, after=after, until=until, known_at=known_at, name="households")
    statement = persons_of(programme, households, on, known_at=known_at)
    if only is not None:
        statement = statement.where(MEMBER_FACT.c.person_id.in_(only))
    return statement.cte("facts").prefix_with("MATERIALIZED")


def persons_of(
    programme: CompiledProgramme,
    households: CTE,
    on: Day,
    *,
    known_at: datetime | None = None,
    people: FromClause = MEMBER_FACT,
) -> Select[Any]:
    """The members of these households that a programme judges, each with her own facts and her household's.

    Args:
        households: of facts/repository.py `facts_in_force`, or with a day of its own in each row.
        people: a table or CTE with the columns of the member table.
    """
    person = people.c
    own = {"unit_id", "beneficiary_id"}
    statement = (
        select(
            person.person_id.label("unit_id"),
            person.person_id.label("beneficiary_id"),
            *(column for column in households.c if column.name not in own),
            *(person[name].label(f"p_{name}") for name in PERSON_COLUMNS),
        )
        .join_from(
            people,
            households,
            and_(person.household_id == households.c.household_id, person.version == households.c.version),
        )
        .where(person.birth_ymd <= ymd_column(on), _belongs_here(households, on, known_at, people))
    )
    if programme.file.unit == "worker":
        statement = statement.where(or_(person.employer_id.is_not(None), person.insured))
    if programme.file.unit == "student":
        statement = statement.where(person.education_level.in_(STUDENT_LEVELS))
    return statement


def _belongs_here(households: CTE, on: Day, known_at: datetime | None, people: FromClause) -> ColumnElement[bool]:
    """Nobody is a unit twice: who is listed in two households for a moment belongs to the one that holds since later.

    Nearly everybody is listed in one household only, which one look into an index tells.
    """
    person, listed, fact = people.c, MEMBER_FACT.alias("listed").c, HOUSEHOLD_FACT.c
    elsewhere = exists().where(listed.person_id == person.person_id, listed.household_id != person.household_id)
    homes = MEMBER_FACT.alias("homes").c
    holds = fact.effective_on <= day_column(on)
    known = fact.recorded_at <= known_at if known_at is not None else true()
    in_force = (
        select(fact.household_id, fact.version, fact.effective_on, fact.dissolved, holds.label("holds"))
        .where(fact.household_id.in_(select(homes.household_id).where(homes.person_id == person.person_id)), known)
        .correlate(people, households)
        .ext(distinct_on(fact.household_id))
        .order_by(fact.household_id, holds.desc(), case((holds, fact.version), else_=-fact.version).desc())
        .lateral("in_force")
    )
    mine = MEMBER_FACT.alias("mine")
    is_mine = and_(
        mine.c.household_id == in_force.c.household_id,
        mine.c.version == in_force.c.version,
        mine.c.person_id == person.person_id,
    )
    home = (
        select(in_force.c.household_id)
        .select_from(in_force.join(mine, is_mine))
        .where(~in_force.c.dissolved)
        .order_by(in_force.c.holds.desc(), in_force.c.effective_on.desc(), in_force.c.household_id.desc())
        .limit(1)
        .correlate(people, households)
        .scalar_subquery()
    )
    return or_(~elsewhere, home == households.c.household_id)


class _Person:
    """The person's columns of `facts` under the names of the member table."""

    def __init__(self, facts: Any) -> None:
        for name in PERSON_COLUMNS:
            setattr(self, name, facts.c[f"p_{name}"])


def scope_columns(
    programme: CompiledProgramme,
    facts: CTE,
    on: Day,
    known_at: datetime | None = None,
    *,
    people: FromClause = MEMBER_FACT,
) -> ScopeColumns:
    """The columns of every fact that this programme's rules may name.

    Args:
        facts: of `units_in_force`, or of conditions/units.py.
        on: the reference date; `facts.c.on_date` where each unit has its own.
        people: where members are found: the table, or a CTE with its columns.
    """
    number = ymd_column(on)
    unit: dict[str, ColumnElement[Any]] = {
        "reference.ymd": number,
        "reference.year": number // 10_000,
        "reference.month": (number // 100) % 100,
    }
    tests = programme.file.conditions
    members = member_columns(on, people.c)
    members |= condition_columns(tests, people.c.person_id, facts.c.village_code, on, known_at)
    if programme.file.unit != "household":
        person = member_columns(on, _Person(facts))
        person |= condition_columns(tests, facts.c.beneficiary_id, facts.c.village_code, on, known_at)
        unit |= {f"person.{name}": column for name, column in person.items()}
    if programme.file.unit == "event":
        unit |= {f"event.{name}": facts.c[f"e_{name}"] for name in EVENT}
    return ScopeColumns(household_columns(facts, on), members, unit)


async def unit_bounds(session: AsyncSession, programme: CompiledProgramme, size: int) -> Sequence[tuple[UUID, int]]:
    """Cut the population into ranges of ids: of persons with events for event programmes, else of households."""
    if programme.file.unit == "event":
        return await event_bounds(session, programme.file.events, size)
    return await chunk_bounds(session, size)


async def load_view(
    session: AsyncSession,
    programme: CompiledProgramme,
    household_id: UUID,
    facts_version: int,
    on: date,
    *,
    person_id: UUID | None = None,
    event_id: UUID | None = None,
) -> HouseholdView:
    """One unit as rules see it, from the very version of the facts that a decision names.

    Args:
        person_id: where the unit is a person, or an event that happened to one.
        event_id: where the unit is an event.
    """
    household = await load_household(session, household_id, facts_version)
    return await view_of(session, programme, household, on, person_id=person_id, event_id=event_id)


async def view_of(
    session: AsyncSession,
    programme: CompiledProgramme,
    household: Household,
    on: date,
    *,
    person_id: UUID | None = None,
    event_id: UUID | None = None,
) -> HouseholdView:
    """The same from a household at hand."""
    file = programme.file
    met: dict[UUID, frozenset[str]] = {}
    if file.conditions:
        met = await _conditions_met(session, programme, household, on)
    event: dict[str, Any] = {}
    if event_id is not None:
        due = events_in_force(file, on, only=event_id)
        row = (await session.execute(select(due))).mappings().one()
        event = {name: row[f"e_{name}"] for name in EVENT}
    return view_on(household, on, UnitSeen(person_id, event, met, frozenset(file.conditions)))


async def _conditions_met(
    session: AsyncSession, programme: CompiledProgramme, household: Household, on: date
) -> dict[UUID, frozenset[str]]:
    tests = programme.file.conditions
    columns = condition_columns(tests, MEMBER_FACT.c.person_id, literal(household.village_code, Text), on)
    rows = await session.execute(
        select(MEMBER_FACT.c.person_id, *(column.label(f"met_{n}") for n, column in enumerate(columns.values()))).where(
            MEMBER_FACT.c.household_id == household.household_id, MEMBER_FACT.c.version == household.version
        )
    )
    names = list(columns)
    return {row[0]: frozenset(name for name, holds in zip(names, row[1:], strict=True) if holds) for row in rows}
