"""Both sides of a rehearsal in one pass: each unit judged by the draft and by what is in force, from the same row.

Clauses, quantities and rates are compiled by the very functions that compute a cycle; what a cycle keeps to explain
itself (lines, texts, identities) is left out, which is most of its cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    select,
    true,
)

from services.eligibility.decisions.exclusions import Exclusion, at_enrolment, at_payment, excluded_column
from services.eligibility.decisions.population import MONEY
from services.eligibility.facts.repository import MEMBER_FACT, Day, day_column, ymd_column
from services.eligibility.facts.units import ScopeColumns, scope_columns
from services.eligibility.programmes.compiled import CompiledProgramme
from services.eligibility.programmes.pricing import rate_column
from services.eligibility.rehearsal.lives_sql import alive
from services.eligibility.rehearsal.sources_sql import Period
from services.eligibility.rules.compile_sql import Scope, compile_rule, count_columns
from services.eligibility.rules.tree import Count, counts_of


@dataclass(frozen=True)
class Sources:
    """What is judged.

    Attributes:
        facts: a row a unit and period, with `number`.
        on: the reference date of its facts.
        paid_on: the date that rates and dated clauses go by: the same, but for projected events.
        people: members; with `gone_on` where lives are drawn.
        range_of_members: conditions that name the same range of households as the facts.
    """

    facts: CTE
    on: Day
    paid_on: Day
    people: FromClause = MEMBER_FACT
    range_of_members: tuple[ColumnElement[bool], ...] = ()


@dataclass(frozen=True)
class _Side:
    """One programme's names: clauses, lines and exclusions as columns with a prefix."""

    prefix: str
    programme: CompiledProgramme
    clauses: tuple[str, ...]
    exclusions: tuple[tuple[Exclusion, tuple[int, ...]], ...]


def both_sides(
    sources: Sources, draft: CompiledProgramme, baseline: CompiledProgramme | None, periods: Sequence[Period]
) -> CTE:
    """CTE `both_sides`: one row a unit and period.

    Returns:
        unit_id, household_id, beneficiary_id, version, reference, village_code, province_code, poverty_level, number,
        size (members), clause (the first of the draft's that does not hold), before, later (money).
    """
    sides = [_side("d", draft, periods)] + ([_side("b", baseline, periods)] if baseline is not None else [])
    scopes = {side.prefix: _scope(side.programme, sources) for side in sides}
    counts = {side.prefix: counts_of(*_rules(side.programme)) for side in sides}
    counted = _counted(sources, sides, scopes, counts)
    columns: list[ColumnElement[Any]] = []
    for side in sides:
        found = {count: counted.c[_name(side, counts, count)] for count in counts[side.prefix]}
        columns += _columns(side, scopes[side.prefix], found, sources)
    facts = sources.facts.c
    kept = ("unit_id", "household_id", "beneficiary_id", "version", "reference", "village_code", "poverty_level")
    here = and_(counted.c.unit_id == facts.unit_id, counted.c.number == facts.number)
    seen = (
        select(*(facts[name] for name in kept), facts.number, func.coalesce(counted.c.size, 0).label("size"), *columns)
        .join_from(sources.facts, counted, here, isouter=True)
        .cte("seen")
        .prefix_with("MATERIALIZED")
    )
    nothing = cast(literal(0), MONEY)
    return (
        select(
            *(seen.c[name] for name in kept),
            func.left(seen.c.village_code, 2).label("province_code"),
            seen.c.number,
            seen.c.size,
            _first_failing(sides[0], seen).label("clause"),
            (_amount(sides[1], seen) if baseline is not None else nothing).label("before"),
            _amount(sides[0], seen).label("later"),
        )
        .cte("both_sides")
        .prefix_with("MATERIALIZED")
    )


def _side(prefix: str, programme: CompiledProgramme, periods: Sequence[Period]) -> _Side:
    """Exclusions with the periods in which they hold: some skip payments by their number."""
    rules = programme.file.exclusivity
    held: dict[Exclusion, list[int]] = {}
    for period in periods:
        for item in dict.fromkeys((*at_enrolment(rules), *at_payment(rules, period.dates.payment_number))):
            held.setdefault(item, []).append(period.number)
    exclusions = tuple((item, tuple(numbers)) for item, numbers in held.items())
    return _Side(prefix, programme, tuple(clause.id for clause in programme.clauses), exclusions)


def _scope(programme: CompiledProgramme, sources: Sources) -> ScopeColumns:
    own = scope_columns(programme, sources.facts, sources.on, people=sources.people)
    number = ymd_column(sources.paid_on)
    reference = {"ymd": number, "year": number // 10_000, "month": (number // 100) % 100}
    unit = dict(own.unit) | {f"reference.{name}": value for name, value in reference.items()}
    return ScopeColumns(own.household, own.members, unit)


def _rules(programme: CompiledProgramme) -> list[Any]:
    rules = [clause.rule for clause in programme.clauses]
    return rules + [line.quantity for benefit in programme.benefits for line in benefit.lines]


def _name(side: _Side, counts: dict[str, list[Count]], count: Count) -> str:
    """Counts that both sides make in the same way are made once: those of the draft serve both."""
    if side.prefix == "b" and count in counts["d"] and not side.programme.file.conditions:
        return f"count_d_{counts['d'].index(count)}"
    return f"count_{side.prefix}_{counts[side.prefix].index(count)}"


def _counted(
    sources: Sources, sides: Sequence[_Side], scopes: dict[str, ScopeColumns], counts: dict[str, list[Count]]
) -> CTE:
    """Member counts of each unit and period: one look at the members of the whole range."""
    facts, member = sources.facts.c, sources.people.c
    columns: dict[str, ColumnElement[Any]] = {}
    for side in sides:
        own, wanted = scopes[side.prefix], counts[side.prefix]
        made = count_columns(wanted, own.household, own.members, member.person_id, own.unit)
        for count, column in zip(wanted, made, strict=True):
            columns.setdefault(_name(side, counts, count), column)
    statement = (
        select(
            facts.unit_id,
            facts.number,
            func.count(member.person_id).label("size"),
            *(column.label(name) for name, column in columns.items()),
        )
        .join_from(
            sources.facts,
            sources.people,
            and_(member.household_id == facts.household_id, member.version == facts.version),
        )
        .where(member.birth_ymd <= ymd_column(sources.on), *sources.range_of_members)
        .group_by(facts.unit_id, facts.number)
    )
    if "gone_on" in member:
        statement = statement.where(alive(sources.people, day_column(sources.on)))
    return statement.cte("counted").prefix_with("MATERIALIZED")


def _columns(
    side: _Side, own: ScopeColumns, found: Mapping[Count, ColumnElement[Any]], sources: Sources
) -> list[ColumnElement[Any]]:
    """Each clause, exclusion, quantity and rate as a column of its own, so that none is computed twice."""
    programme, prefix = side.programme, side.prefix
    scope = Scope(own.household, {}, found, own.unit)
    columns: list[ColumnElement[Any]] = [
        compile_rule(clause.rule, scope).label(f"{prefix}_clause_{n}") for n, clause in enumerate(programme.clauses)
    ]
    for n, (exclusion, numbers) in enumerate(side.exclusions):
        out = excluded_column(exclusion, sources.facts, sources.on)
        columns.append(and_(sources.facts.c.number.in_(numbers), out).label(f"{prefix}_excluded_{n}"))
    if programme.file.unit == "event":
        columns.append(sources.facts.c.e_kind.in_(programme.file.events).label(f"{prefix}_listed"))
    rates = own.rates()
    for b, benefit in enumerate(programme.benefits):
        for n, line in enumerate(benefit.lines):
            columns.append(compile_rule(line.quantity, scope).label(f"{prefix}_quantity_{b}_{n}"))
            table = programme.file.rates[line.rate]
            columns.append(rate_column(table, sources.paid_on, rates).label(f"{prefix}_rate_{b}_{n}"))
    return columns


def _tests(side: _Side, seen: CTE) -> list[tuple[str, ColumnElement[bool]]]:
    """Clauses by name, those of exclusivity among them."""
    own = [(name, seen.c[f"{side.prefix}_clause_{n}"]) for n, name in enumerate(side.clauses)]
    return own + [
        (exclusion.clause, ~seen.c[f"{side.prefix}_excluded_{n}"]) for n, (exclusion, _) in enumerate(side.exclusions)
    ]


def _first_failing(side: _Side, seen: CTE) -> ColumnElement[str]:
    branches = [(~holds, literal(name, Text)) for name, holds in _tests(side, seen)]
    return case(*branches, else_=literal("", Text)) if branches else literal("", Text)


def _amount(side: _Side, seen: CTE) -> ColumnElement[Any]:
    """What one period pays to a unit: every payable component that is granted, as a cycle would."""
    qualifies = and_(true(), *(holds for _, holds in _tests(side, seen)))
    if side.programme.file.unit == "event":
        qualifies = and_(qualifies, seen.c[f"{side.prefix}_listed"])
    total: ColumnElement[Any] = cast(literal(0), MONEY)
    for b, benefit in enumerate(side.programme.benefits):
        if benefit.recorded_only or not benefit.lines:
            continue
        rates = [seen.c[f"{side.prefix}_rate_{b}_{n}"] for n in range(len(benefit.lines))]
        products = [
            cast(seen.c[f"{side.prefix}_quantity_{b}_{n}"] * func.coalesce(rate, 0), MONEY)
            for n, rate in enumerate(rates)
        ]
        amount: ColumnElement[Any] = products[0]
        for product in products[1:]:
            amount = amount + product
        priced = and_(true(), *(rate.is_not(None) for rate in rates))
        total = total + case((priced, amount), else_=cast(literal(0), MONEY))
    return cast(case((qualifies, total), else_=cast(literal(0), MONEY)), MONEY)


__all__ = ["Sources", "both_sides"]
