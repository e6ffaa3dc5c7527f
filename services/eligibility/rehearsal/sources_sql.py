"""Whom a rehearsal looks at: households, persons or events of a range, once for each period, with what is assumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Date,
    FromClause,
    Integer,
    Select,
    SmallInteger,
    Text,
    and_,
    case,
    cast,
    column,
    func,
    literal,
    null,
    or_,
    select,
    true,
    values,
)
from sqlalchemy.dialects.postgresql import distinct_on

from services.eligibility.facts.household import ymd
from services.eligibility.facts.repository import HOUSEHOLD_FACT, DayColumns
from services.eligibility.programmes.periods import PeriodDates
from services.eligibility.rehearsal.schemas import RehearsalRequest, ShockScenario


@dataclass(frozen=True)
class Period:
    """A period that is looked at.

    Attributes:
        number: months after the first one.
    """

    number: int
    name: str
    dates: PeriodDates


def own_day(facts: Any) -> DayColumns:
    """The reference date of each row."""
    return DayColumns(facts.c.on_date, facts.c.on_ymd)


def households_over(periods: Sequence[Period], *, after: UUID | None, until: UUID, share_percent: int) -> CTE:
    """CTE `households`: the version in force on each period's reference date, one row a household and period.

    Args:
        share_percent: of the households, chosen by their ids.

    Returns:
        The columns of household_fact, unit_id, beneficiary_id, number, on_date, on_ymd.
    """
    fact = HOUSEHOLD_FACT.c
    wanted = [fact.household_id <= until]
    if after is not None:
        wanted.append(fact.household_id > after)
    if share_percent < 100:
        wanted.append(drawn(fact.household_id, "sample") < share_percent)
    chosen = select(HOUSEHOLD_FACT).where(*wanted).cte("chosen").prefix_with("MATERIALIZED")
    days = _days(periods)
    holds = chosen.c.effective_on <= days.c.on_date
    ranked = (
        select(
            chosen,
            chosen.c.household_id.label("unit_id"),
            chosen.c.household_id.label("beneficiary_id"),
            days.c.number,
            days.c.on_date,
            days.c.on_ymd,
        )
        .select_from(chosen.join(days, true()))
        .ext(distinct_on(days.c.number, chosen.c.household_id))
        .order_by(
            days.c.number,
            chosen.c.household_id,
            holds.desc(),
            case((holds, chosen.c.version), else_=-chosen.c.version).desc(),
        )
        .subquery("ranked")
    )
    return select(ranked).where(~ranked.c.dissolved).cte("households").prefix_with("MATERIALIZED")


def _days(periods: Sequence[Period]) -> FromClause:
    rows = [(period.number, period.dates.reference_date, ymd(period.dates.reference_date)) for period in periods]
    return values(column("number", Integer), column("on_date", Date), column("on_ymd", Integer), name="days").data(rows)


def drawn(identity: ColumnElement[Any], purpose: str) -> ColumnElement[int]:
    """0 to 99 by an id: the same ones in every rehearsal, so that results can be compared."""
    return draw(identity, purpose, 100)


def draw(identity: ColumnElement[Any], purpose: str, sides: int) -> ColumnElement[int]:
    """0 to sides - 1 by an id and what is drawn for."""
    digest = func.hashtextextended(func.concat(literal(purpose, Text), cast(identity, Text)), 0)
    whole = literal(sides, BigInteger)
    return func.mod(func.mod(digest, whole) + whole, whole, type_=BigInteger())


def assumed(facts: CTE, request: RehearsalRequest, first_on: date) -> CTE:
    """The facts with the request's assumptions in place of some columns.

    Args:
        first_on: reference date of the first period: cards that are valid then are assumed to be renewed.
    """
    columns: dict[str, ColumnElement[Any]] = {item.name: item for item in facts.c}
    first = literal(first_on, Date)
    if request.assumptions.cards_renewed:
        lasting = or_(facts.c.card_valid_until.is_(None), facts.c.card_valid_until >= first)
        columns["card_valid_until"] = case((lasting, cast(null(), Date)), else_=facts.c.card_valid_until)
    if request.shock is not None:
        columns |= _struck(facts, request.shock, columns["card_valid_until"])
    statement: Select[Any] = select(*(item.label(name) for name, item in columns.items()))
    return statement.cte("assumed").prefix_with("MATERIALIZED")


def _struck(facts: CTE, shock: ShockScenario, until: ColumnElement[Any]) -> dict[str, ColumnElement[Any]]:
    here = (
        or_(*(facts.c.village_code.startswith(place, autoescape=True) for place in shock.places))
        if shock.places
        else true()
    )
    hit = and_(here, drawn(facts.c.household_id, "shock") < shock.share_percent)
    struck: dict[str, ColumnElement[Any]] = {}
    if shock.becomes_poverty_level is not None:
        level = facts.c.poverty_level
        poorer = and_(hit, or_(level == 0, level > shock.becomes_poverty_level))
        struck["poverty_level"] = cast(case((poorer, shock.becomes_poverty_level), else_=level), SmallInteger)
        struck["card_valid_from"] = case((poorer, cast(null(), Date)), else_=facts.c.card_valid_from)
        struck["card_valid_until"] = case((poorer, cast(null(), Date)), else_=until)
    if shock.becomes_at_risk:
        struck["at_risk"] = or_(facts.c.at_risk, hit)
    return struck
