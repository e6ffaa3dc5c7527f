"""One statement a range of households: judged by the draft and by what is in force, counted, and nothing stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Date,
    Integer,
    Numeric,
    Select,
    SmallInteger,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.decisions.exclusions import at_enrolment, at_payment
from services.eligibility.decisions.population import MONEY, Judged, judge_population
from services.eligibility.facts.household import ymd
from services.eligibility.facts.repository import MEMBER_FACT
from services.eligibility.facts.units import units_in_force
from services.eligibility.model import AnyRow
from services.eligibility.programmes.compiled import CompiledProgramme
from services.eligibility.programmes.periods import PeriodDates
from services.eligibility.rehearsal.schemas import RehearsalRequest, ShockScenario

EXACT = Numeric(38, 12)


async def count_chunk(
    session: AsyncSession,
    draft: CompiledProgramme,
    baseline: CompiledProgramme | None,
    request: RehearsalRequest,
    dates: PeriodDates,
    first_on: date,
    *,
    after: UUID | None,
    until: UUID,
    whole: bool,
) -> Sequence[AnyRow]:
    """Count a range of households on one period's reference date.

    Args:
        baseline: what is in force, of the same unit; None: nothing is.
        first_on: reference date of the first period: cards that are valid then are assumed to be renewed.
        whole: everybody, with all tables; else the sample, with sums alone.

    Returns:
        Rows (kind, k1, k2, k3, units, people, before, after): see `_tables`.
    """
    on = dates.reference_date
    facts = _assumed(units_in_force(draft, on, after=after, until=until), request, first_on, whole=whole)
    judged = _judge(draft, facts, dates, on, "_draft")
    other = _judge(baseline, facts, dates, on, "_base") if baseline is not None else None
    both = _both(judged, other, facts)
    tables = _tables(both, draft, request, on) if whole else [_sums(both)]
    return (await session.execute(union_all(*tables) if len(tables) > 1 else tables[0])).all()


def _judge(programme: CompiledProgramme, facts: CTE, dates: PeriodDates, on: date, suffix: str) -> Judged:
    rules = programme.file.exclusivity
    exclusions = dict.fromkeys((*at_enrolment(rules), *at_payment(rules, dates.payment_number)))
    return judge_population(programme, facts, on, exclusions=tuple(exclusions), suffix=suffix)


def _assumed(facts: CTE, request: RehearsalRequest, first_on: date, *, whole: bool) -> CTE:
    """The facts with the request's assumptions in place of some columns."""
    columns: dict[str, ColumnElement[Any]] = {column.name: column for column in facts.c}
    first = literal(first_on, Date)
    if request.assumptions.cards_renewed:
        lasting = or_(facts.c.card_valid_until.is_(None), facts.c.card_valid_until >= first)
        columns["card_valid_until"] = case((lasting, cast(null(), Date)), else_=facts.c.card_valid_until)
    if request.shock is not None:
        columns |= _struck(facts, request.shock, columns["card_valid_until"])
    statement = select(*(column.label(name) for name, column in columns.items()))
    if not whole and request.assumptions.sample_percent < 100:
        statement = statement.where(_drawn(facts, "sample") < request.assumptions.sample_percent)
    return statement.cte("assumed").prefix_with("MATERIALIZED")


def _drawn(facts: CTE, purpose: str) -> ColumnElement[int]:
    """0 to 99 by the household's id: the same households in every rehearsal, so that results can be compared."""
    digest = func.hashtextextended(func.concat(literal(purpose), cast(facts.c.household_id, Text)), 0)
    return func.mod(func.mod(digest, 100) + 100, 100, type_=BigInteger())


def _struck(facts: CTE, shock: ShockScenario, until: ColumnElement[Any]) -> dict[str, ColumnElement[Any]]:
    here = (
        or_(*(facts.c.village_code.startswith(place, autoescape=True) for place in shock.places))
        if shock.places
        else true()
    )
    hit = and_(here, _drawn(facts, "shock") < shock.share_percent)
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


def _amount(judged: Judged) -> ColumnElement[Any]:
    total: ColumnElement[Any] = cast(literal(0), MONEY)
    for benefit in judged.payable:
        total = total + case((judged.granted(benefit), judged.column(benefit.amount)), else_=cast(literal(0), MONEY))
    return total


def _both(judged: Judged, other: Judged | None, facts: CTE) -> CTE:
    """One row a unit: amounts before and after, what changed, and the facts that tables are made by."""
    row = judged.cte.c
    later = _amount(judged)
    earlier = _amount(other) if other is not None else cast(literal(0), MONEY)
    source = judged.cte.join(facts, facts.c.unit_id == row.unit_id)
    if other is not None:
        source = source.join(other.cte, other.cte.c.unit_id == row.unit_id)
    base = select(
        row.unit_id,
        row.household_id,
        row.beneficiary_id,
        row.version,
        func.left(row.village_code, 2).label("province_code"),
        facts.c.poverty_level,
        func.coalesce(row.failed[1], literal("", Text)).label("clause"),
        cast(earlier, MONEY).label("before"),
        cast(later, MONEY).label("later"),
    ).select_from(source)
    return base.cte("both_sides").prefix_with("MATERIALIZED")


def _change(both: CTE) -> ColumnElement[Any]:
    before, later = both.c.before, both.c.later
    return case(
        (and_(before == 0, later > 0), "gains"),
        (and_(before > 0, later == 0), "loses"),
        (later > before, "more"),
        (later < before, "less"),
        (later > 0, "same"),
        else_="none",
    )


def _row(kind: str, keys: Sequence[Any], both: CTE, **counts: Any) -> Select[Any]:
    k1, k2, k3 = [cast(key, Text) for key in (*keys, "", "", "")[:3]]
    return select(
        literal(kind, Text).label("kind"),
        k1.label("k1"),
        k2.label("k2"),
        k3.label("k3"),
        counts.get("units", func.count()).label("units"),
        cast(counts.get("people", literal(0)), BigInteger).label("people"),
        cast(func.coalesce(counts.get("before", func.sum(both.c.before)), 0), EXACT).label("before"),
        cast(func.coalesce(counts.get("after", func.sum(both.c.later)), 0), EXACT).label("after"),
    ).group_by(k1, k2, k3)


def _sums(both: CTE) -> Select[Any]:
    """Beneficiaries and money: k1 `units` before, in `people`; after, in `units`."""
    return _row(
        "sums", (), both,
        units=func.count().filter(both.c.later > 0), people=func.count().filter(both.c.before > 0),
    ).select_from(both)  # fmt: skip


def _tables(both: CTE, draft: CompiledProgramme, request: RehearsalRequest, on: date) -> list[Select[Any]]:
    """The tables of the first period:

    sums: as `_sums`.  change: k1 what changed, k2 province, k3 the first clause that is not met.
    level: k1 poverty level; `units` all, `people` those who receive after; level_before the same before.
    person: k1 sex, k2 age band, k3 disability; people of beneficiaries; money shared equally among a household's
    members.
    welfare_before, welfare_after: k1 whole currency units a person has; people.
    """
    change = _change(both)
    tables = [_sums(both)]
    why = case((change == "loses", both.c.clause), else_="")
    tables.append(_row("change", (change, both.c.province_code, why), both).where(change != "none"))
    level = both.c.poverty_level
    tables.append(_row("level", (level,), both, people=func.count().filter(both.c.later > 0)))
    tables.append(_row("level_before", (level,), both, people=func.count().filter(both.c.before > 0)))
    people = _people(both, draft, on)
    tables.append(
        _row("person", (people.c.sex, people.c.age_band, people.c.disability), both, units=func.count(),
             people=func.count(), before=func.sum(people.c.before), after=func.sum(people.c.later))
        .select_from(people).where(or_(people.c.before > 0, people.c.later > 0))
    )  # fmt: skip
    if request.welfare is not None:
        own = case(
            *(
                (people.c.poverty_level == int(level), literal(amount))
                for level, amount in request.welfare.per_person.items()
            ),
            else_=0,
        )
        for kind, amount in (("welfare_before", people.c.before), ("welfare_after", people.c.later)):
            has = cast(func.floor(amount), BigInteger) + cast(own, BigInteger)
            tables.append(
                _row(kind, (has,), both, units=func.count(), people=func.count(), before=literal(0), after=literal(0))
                .select_from(people)
            )  # fmt: skip
    return tables


def _people(both: CTE, draft: CompiledProgramme, on: date) -> CTE:
    """Each person with her share of the amounts: her own where she is the unit, else an equal part."""
    member = MEMBER_FACT.c
    number = ymd(on)
    age = (literal(number, Integer) - member.birth_ymd) // 10_000
    band = case((age <= 5, "0-5"), (age <= 17, "6-17"), (age <= 59, "18-59"), else_="60+")
    joined = and_(member.household_id == both.c.household_id, member.version == both.c.version)
    size: ColumnElement[Any] = func.count().over(partition_by=both.c.unit_id)
    if draft.file.unit != "household":
        joined, size = and_(joined, member.person_id == both.c.beneficiary_id), literal(1)
    return (
        select(
            member.sex,
            band.label("age_band"),
            member.disability,
            both.c.poverty_level,
            (cast(both.c.before, EXACT) / size).label("before"),
            (cast(both.c.later, EXACT) / size).label("later"),
        )
        .join_from(both, MEMBER_FACT, joined)
        .where(member.birth_ymd <= number)
        .cte("people")
        .prefix_with("MATERIALIZED")
    )
