"""Births and deaths of the months ahead, drawn person by person from a stated table of rates by age and sex.

Every draw is a hash of the person's id: the same person lives and dies alike in every rehearsal, with whatever
programme, so that two of them can be compared. Nothing is stored, and nobody is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Date,
    Integer,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from services.eligibility.facts.household import ymd
from services.eligibility.facts.repository import MEMBER_FACT, ymd_column
from services.eligibility.rehearsal.schemas import BirthRate, DeathRate, VitalRates
from services.eligibility.rehearsal.sources_sql import draw

SIDES: Final = 1_000_000
"""A yearly rate per 1,000 is drawn in millionths."""
DAYS: Final = 365


def lives_of(households: CTE, rates: VitalRates, start: date, months: int, *, after: UUID | None, until: UUID) -> CTE:
    """CTE `lives`: the members of these households, those yet to be born among them; `gone_on`: the day of death.

    Args:
        households: with household_id and version.
        start: the first day of the draw; a person keeps the age-specific rates of each year after it.
        months: how far to look.
    """
    years = range((months + 11) // 12)
    member = MEMBER_FACT.c
    homes = select(households.c.household_id, households.c.version).distinct().subquery("homes")
    known = (
        select(MEMBER_FACT, _gone_on(rates.deaths, start, years).label("gone_on"))
        .join(homes, and_(member.household_id == homes.c.household_id, member.version == homes.c.version))
        .where(member.household_id <= until)
    )
    if after is not None:
        known = known.where(member.household_id > after)
    living = known.cte("living").prefix_with("MATERIALIZED")
    parts = [select(living), *(_newborn(living, rates, start, year) for year in years)]
    return union_all(*parts).cte("lives").prefix_with("MATERIALIZED")


def alive(people: Any, on: ColumnElement[date]) -> ColumnElement[bool]:
    """Whether a person has not died by a day."""
    return or_(people.c.gone_on.is_(None), people.c.gone_on > on)


def _age(birth_ymd: Any, start: date, year: int) -> ColumnElement[int]:
    age: ColumnElement[int] = (literal(ymd(start), Integer) - birth_ymd) // 10_000 + year
    return age


def _rate(rates: Iterable[DeathRate | BirthRate], age: Any, sex: Any) -> ColumnElement[int]:
    """Millionths a year; 0 outside the table."""
    branches = []
    for rate in rates:
        holds = and_(age >= rate.from_age, age <= rate.to_age)
        if isinstance(rate, DeathRate) and rate.sex is not None:
            holds = and_(holds, sex == rate.sex)
        branches.append((holds, literal(int(rate.per_1000 * (SIDES // 1000)), BigInteger)))
    return case(*branches, else_=literal(0, BigInteger)) if branches else literal(0, BigInteger)


def _day(start: date, year: int, drawn: Any, rate: Any) -> ColumnElement[date]:
    """A day of that year, spread evenly by the draw itself."""
    return literal(start, Date) + cast(year * DAYS + (drawn * DAYS) // func.greatest(rate, 1), Integer)


def _gone_on(rates: tuple[DeathRate, ...], start: date, years: Iterable[int]) -> ColumnElement[date | None]:
    """The first year in which the draw falls below the rate of her age then."""
    member = MEMBER_FACT.c
    branches = []
    for year in years:
        rate = _rate(rates, _age(member.birth_ymd, start, year), member.sex)
        drawn = draw(member.person_id, f"death {year} ", SIDES)
        branches.append((drawn < rate, _day(start, year, drawn, rate)))
    return cast(case(*branches, else_=cast(null(), Date)), Date)


def _newborn(living: CTE, rates: VitalRates, start: date, year: int) -> Select[Any]:
    """A child of each woman whose draw of this year falls below the rate of her age, unless she died before."""
    mother = living.c
    rate = _rate(rates.births, _age(mother.birth_ymd, start, year), mother.sex)
    drawn = draw(mother.person_id, f"birth {year} ", SIDES)
    born = cast(_day(start, year, drawn, rate), Date)
    girl = draw(mother.person_id, f"girl {year} ", 1000) < rates.girls_per_1000
    parent = mother.relationship.in_(("head", "spouse"))
    own: dict[str, ColumnElement[Any]] = {
        "household_id": mother.household_id,
        "version": mother.version,
        "person_id": cast(
            func.md5(func.concat(literal(f"child {year} ", Text), cast(mother.person_id, Text))), PG_UUID
        ),
        "relationship": case((parent, literal("child", Text)), else_=literal("grandchild", Text)),
        "sex": case((girl, literal("female", Text)), else_=literal("male", Text)),
        "birth_date": born,
        "birth_date_precision": literal("day", Text),
        "birth_ymd": ymd_column(born),
    }
    return select(*(own.get(name, value).label(name) for name, value in _nobody(living))).where(
        mother.sex == "female", drawn < rate, or_(mother.gone_on.is_(None), mother.gone_on > born)
    )


def _nobody(living: CTE) -> Iterator[tuple[str, ColumnElement[Any]]]:
    """The columns of a member of whom nothing is known."""
    nothing: dict[str, str] = {"disability": "none", "education_level": "none", "employment": "none"}
    flags = ("living_with_hiv", "pregnant", "insured", "civil_servant")
    for item in living.c:
        if item.name in nothing:
            yield item.name, literal(nothing[item.name], Text)
        elif item.name in flags:
            yield item.name, literal(False)
        else:
            yield item.name, cast(null(), item.type)
