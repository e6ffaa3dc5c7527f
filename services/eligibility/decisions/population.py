"""Judge a population by one statement: facts in force -> member counts -> clauses and formula -> one row a household.

The twin of `CompiledProgramme.judge`, which does it for one household; a property test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Numeric,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from services.eligibility.facts.household import ymd
from services.eligibility.facts.repository import MEMBER_FACT, household_columns, member_columns
from services.eligibility.programmes.compiled import CompiledBenefit, CompiledLine, CompiledProgramme
from services.eligibility.programmes.rates import Key
from services.eligibility.rules.compile_sql import Scope, compile_rule, count_columns

MONEY = Numeric(18, 2)


@dataclass(frozen=True)
class BenefitColumns:
    """Names of the columns of `judged` for one payable component.

    Attributes:
        amount: exact sum of the lines.
        priced: every line has a rate.
        lines: jsonb list of {"component", "quantity", "rate", "amount"}.
        text: the lines as `component:quantity:rate:amount`, joined by `|`.
    """

    component: str
    amount: str
    priced: str
    lines: str
    text: str


@dataclass(frozen=True)
class Judged:
    """The CTE `judged`: household_id, version, reference, village_code, facts_hash, qualifies, clauses (jsonb),
    decision_id, and the columns of each benefit."""

    cte: CTE
    benefits: tuple[BenefitColumns, ...]

    def column(self, name: str) -> ColumnElement[Any]:
        """A column of the CTE."""
        return self.cte.c[name]

    def all_lines(self) -> ColumnElement[Any]:
        """jsonb of every benefit's lines by component."""
        parts = [(literal(b.component, Text), self.column(b.lines)) for b in self.benefits]
        return func.jsonb_build_object(*(item for pair in parts for item in pair))

    def priced(self) -> ColumnElement[bool]:
        """Every line of every benefit has a rate."""
        return and_(true(), *(self.column(b.priced) for b in self.benefits))


def judge_population(programme: CompiledProgramme, facts: CTE, on: date, *, decision_key: Sequence[str] = ()) -> Judged:
    """Build the judging of every household of `facts` (see facts/repository.py) on a reference date.

    Args:
        decision_key: with household and version of its facts, the identity of a decision: the same ones, the same id.
    """
    priced = _priced(programme, _seen(programme, facts, on))
    columns: list[ColumnElement[Any]] = [
        priced.c[name] for name in ("household_id", "version", "reference", "village_code", "facts_hash")
    ]
    clauses = [(literal(clause.id, Text), priced.c[f"clause_{i}"]) for i, clause in enumerate(programme.clauses)]
    columns.append(and_(*(column for _, column in clauses)).label("qualifies"))
    identity = [literal("decision", Text), *(literal(part, Text) for part in decision_key)]
    of_whom = (cast(priced.c.household_id, Text), cast(priced.c.version, Text))
    columns.append(func.deterministic_uuid(*identity, *of_whom, type_=UUID()).label("decision_id"))
    columns.append(func.jsonb_build_object(*(item for pair in clauses for item in pair)).label("clauses"))
    benefits = []
    for index, benefit in enumerate(programme.benefits):
        names = BenefitColumns(
            benefit.component, *(f"{name}_{index}" for name in ("amount", "priced", "lines", "text"))
        )
        columns.extend(_benefit_columns(benefit, index, names, priced))
        benefits.append(names)
    return Judged(select(*columns).cte("judged").prefix_with("MATERIALIZED"), tuple(benefits))


def _seen(programme: CompiledProgramme, facts: CTE, on: date) -> CTE:
    """A CTE with each clause, quantity and rate as a column of its own, so that none is computed twice."""
    household = household_columns(facts, on)
    counts = programme.counts()
    member = MEMBER_FACT.c
    labels = [
        column.label(f"count_{i}")
        for i, column in enumerate(count_columns(counts, household, member_columns(on), member.person_id))
    ]
    counted = (
        select(*labels)
        .where(member.household_id == facts.c.household_id, member.version == facts.c.version)
        .where(member.birth_ymd <= ymd(on))
        .correlate(facts)
        .lateral("counted")
    )
    scope = Scope(household, {}, {count: counted.c[f"count_{i}"] for i, count in enumerate(counts)})
    rates = programme.rates_on(on)
    columns = [compile_rule(clause.rule, scope).label(f"clause_{i}") for i, clause in enumerate(programme.clauses)]
    for b, benefit in enumerate(programme.benefits):
        for n, line in enumerate(benefit.lines):
            columns.append(compile_rule(line.quantity, scope).label(f"quantity_{b}_{n}"))
            columns.append(_rate(programme, line, rates[line.rate], household).label(f"rate_{b}_{n}"))
    # One look into the members' primary key per household, whatever the planner believes about how many there are.
    source = facts.join(counted, true()) if counts else facts
    return select(facts, *columns).select_from(source).cte("seen").prefix_with("MATERIALIZED")


def _rate(
    programme: CompiledProgramme, line: CompiledLine, cells: Mapping[Key, Decimal], household: Mapping[str, Any]
) -> ColumnElement[Decimal | None]:
    """The rate of a line by the household's facts; NULL where the table has none."""
    facts = programme.file.rates[line.rate].facts
    if not cells:
        return cast(null(), MONEY)
    branches = [
        (
            and_(true(), *(household[name] == value for name, value in zip(facts, key, strict=True))),
            literal(amount, MONEY),
        )
        for key, amount in cells.items()
    ]
    return cast(case(*branches, else_=null()), MONEY)


def _priced(programme: CompiledProgramme, seen: CTE) -> CTE:
    """`seen` with each line's product, and quantity, rate and product as text: each written out once, used twice."""
    columns: list[ColumnElement[Any]] = []
    for b, benefit in enumerate(programme.benefits):
        for n in range(len(benefit.lines)):
            quantity, rate = seen.c[f"quantity_{b}_{n}"], seen.c[f"rate_{b}_{n}"]
            product = cast(quantity * func.coalesce(rate, 0), MONEY)
            columns.append(product.label(f"product_{b}_{n}"))
            for name, value in (("quantity", quantity), ("rate", rate), ("product", product)):
                columns.append(cast(value, Text).label(f"{name}_text_{b}_{n}"))
    return select(seen, *columns).cte("priced").prefix_with("MATERIALIZED")


def _benefit_columns(
    benefit: CompiledBenefit, index: int, names: BenefitColumns, priced: FromClause
) -> list[ColumnElement[Any]]:
    amount: ColumnElement[Any] = cast(literal(0), MONEY)
    has_rates: ColumnElement[bool] = true()
    objects: list[ColumnElement[Any]] = []
    texts: list[ColumnElement[Any]] = []
    for n, line in enumerate(benefit.lines):
        amount = amount + priced.c[f"product_{index}_{n}"]
        has_rates = and_(has_rates, priced.c[f"rate_{index}_{n}"].is_not(None))
        parts = [priced.c[f"{name}_text_{index}_{n}"] for name in ("quantity", "rate", "product")]
        objects.append(_line_json(line.component, *parts))
        texts.append(func.concat_ws(":", literal(line.component, Text), *parts))
    lines = func.concat("[", func.concat_ws(", ", *objects), "]") if objects else literal("[]", Text)
    return [
        cast(amount, MONEY).label(names.amount),
        has_rates.label(names.priced),
        cast(lines, JSONB).label(names.lines),
        (func.concat_ws("|", *texts) if texts else literal("", Text)).label(names.text),
    ]


def _line_json(component: str, quantity: Any, rate: Any, product: Any) -> ColumnElement[Any]:
    """A line as JSON text: four times as fast as jsonb_build_object over a population.

    Nothing needs escaping: a component's name is a word by its pattern, the rest are numbers.
    """
    quoted = func.coalesce(literal('"', Text) + rate + literal('"', Text), literal("null", Text))
    head = literal(f'{{"component": "{component}", "quantity": ', Text)
    before_amount, tail = literal(', "amount": "', Text), literal('"}', Text)
    text: ColumnElement[Any] = head + quantity + literal(', "rate": ', Text) + quoted + before_amount + product + tail
    return text
