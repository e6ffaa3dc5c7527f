"""A programme whose rules are parsed, typed and bounded: what both evaluators and the SQL builder work from. Pure.

Parsing happens once per stored version and process (see programmes/repository.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from services.eligibility.programmes.file import FormulaLine, ProgrammeFile, ProgrammeFileError
from services.eligibility.programmes.rates import Key
from services.eligibility.rules.errors import RuleError
from services.eligibility.rules.evaluate import HouseholdView, evaluate
from services.eligibility.rules.parser import parse_predicate, parse_rule
from services.eligibility.rules.tree import Count, Node, counts_of
from services.eligibility.rules.vocabulary import MEMBER, Kind
from shared.errors import FieldError

MAX_QUANTITY = 10_000


@dataclass(frozen=True)
class CompiledClause:
    """An eligibility clause and its tree."""

    id: str
    rule: Node


@dataclass(frozen=True)
class CompiledLine:
    """A component of a formula: the tree of its quantity, and its rate table by name."""

    component: str
    quantity: Node
    rate: str


@dataclass(frozen=True)
class CompiledBenefit:
    """A payable component and the lines that are switched on."""

    component: str
    lines: tuple[CompiledLine, ...]


@dataclass(frozen=True)
class LineResult:
    """One computed component: quantity x rate = amount. `rate` None: the table has no amount for these facts."""

    component: str
    quantity: int
    rate: Decimal | None

    @property
    def amount(self) -> Decimal:
        """Exact; nothing without a rate."""
        # + 0: a decimal can be minus zero, an amount of money cannot
        return self.quantity * (self.rate or Decimal(0)) + 0


@dataclass(frozen=True)
class Judgement:
    """What the rules say of one household: each clause, and each benefit's lines."""

    clauses: Mapping[str, bool]
    benefits: Mapping[str, tuple[LineResult, ...]]

    @property
    def qualifies(self) -> bool:
        """All clauses hold."""
        return all(self.clauses.values())


@dataclass(frozen=True)
class CompiledProgramme:
    """The file with its trees."""

    file: ProgrammeFile
    clauses: tuple[CompiledClause, ...]
    benefits: tuple[CompiledBenefit, ...]

    def counts(self) -> list[Count]:
        """The distinct member counts that clauses and quantities need."""
        rules = [clause.rule for clause in self.clauses]
        return counts_of(*rules, *(line.quantity for benefit in self.benefits for line in benefit.lines))

    def rates_on(self, day: date) -> dict[str, dict[Key, Decimal]]:
        """Each rate table's amounts in force on a day."""
        return {name: table.on(day) for name, table in self.file.rates.items()}

    def missing_rates(self, day: date) -> list[str]:
        """Rate tables that a line uses and that have no amounts at all on this day."""
        rates = self.rates_on(day)
        used = dict.fromkeys(line.rate for benefit in self.benefits for line in benefit.lines)
        return [name for name in used if not rates[name]]

    def judge(self, view: HouseholdView, day: date) -> Judgement:
        """Judge one household: the single-case twin of decisions/population.py.

        Args:
            view: its facts on the reference date.
            day: the reference date, which picks the rates.
        """
        rates = self.rates_on(day)
        return Judgement(
            clauses={clause.id: bool(evaluate(clause.rule, view)) for clause in self.clauses},
            benefits={
                benefit.component: tuple(self._line(line, view, rates[line.rate]) for line in benefit.lines)
                for benefit in self.benefits
            },
        )

    def _line(self, line: CompiledLine, view: HouseholdView, rates: Mapping[Key, Decimal]) -> LineResult:
        key = tuple(view.household[name] for name in self.file.rates[line.rate].facts)
        return LineResult(line.component, int(evaluate(line.quantity, view)), rates.get(key))


def compile_programme(file: ProgrammeFile) -> CompiledProgramme:
    """Parse and type every rule of a file.

    Raises:
        ProgrammeFileError: each faulty rule with its path, code, line and column.
    """
    errors: list[FieldError] = []
    predicates: dict[str, Node] = {}
    for name, text in file.predicates.items():
        if name in MEMBER:
            errors.append(FieldError(f"predicates.{name}", "name_taken", f"`{name}` is a fact of the vocabulary"))
            continue
        node = _attempt(errors, f"predicates.{name}", lambda text=text: parse_predicate(text, predicates=predicates))
        if node is not None:
            predicates[name] = node
    clauses = [
        CompiledClause(clause.id, node)
        for index, clause in enumerate(file.eligibility)
        if (node := _rule(errors, f"eligibility[{index}].when", clause.when, predicates, Kind.BOOL)) is not None
    ]
    benefits = [
        CompiledBenefit(benefit.component, tuple(_lines(errors, f"benefits[{index}]", benefit.formula, predicates)))
        for index, benefit in enumerate(file.benefits)
    ]
    if errors:
        raise ProgrammeFileError(errors)
    return CompiledProgramme(file, tuple(clauses), tuple(benefits))


def _lines(
    errors: list[FieldError], path: str, formula: tuple[FormulaLine, ...], predicates: Mapping[str, Node]
) -> Iterator[CompiledLine]:
    for index, line in enumerate(formula):
        where = f"{path}.formula[{index}].quantity"
        node = _rule(errors, where, line.quantity, predicates, Kind.INT)
        if node is None:
            continue
        if node.low < 0:
            errors.append(
                FieldError(where, "may_be_negative", "the quantity can be negative: use math.greatest(0, ...)")
            )
        elif node.high > MAX_QUANTITY:
            errors.append(FieldError(where, "out_of_bounds", f"the quantity can pass {MAX_QUANTITY}: use math.least"))
        elif line.enabled:
            yield CompiledLine(line.component, node, line.rate)


def _rule(errors: list[FieldError], path: str, text: str, predicates: Mapping[str, Node], kind: Kind) -> Node | None:
    node = _attempt(errors, path, lambda: parse_rule(text, predicates=predicates))
    if node is not None and node.kind is not kind:
        errors.append(FieldError(path, "type_mismatch", f"this must be {kind}, not {node.kind}"))
        return None
    return node


def _attempt(errors: list[FieldError], path: str, parse: object) -> Node | None:
    assert callable(parse)
    try:
        node = parse()
    except RuleError as error:
        errors.append(FieldError(path, error.code, str(error)))
        return None
    assert isinstance(node, Node)
    return node
