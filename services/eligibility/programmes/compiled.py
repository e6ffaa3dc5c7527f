"""A programme whose rules are parsed, typed and bounded: what both evaluators and the SQL builder work from. Pure.

Parsing happens once per stored version and process (see programmes/repository.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial

from services.eligibility.programmes.file import ProgrammeFile, ProgrammeFileError, load_document, read_source
from services.eligibility.programmes.parts import Clause, Dated, FormulaLine, Suspension
from services.eligibility.programmes.rates import Key
from services.eligibility.rules.errors import RuleError
from services.eligibility.rules.evaluate import HouseholdView, Value, evaluate
from services.eligibility.rules.parser import parse_predicate, parse_rule
from services.eligibility.rules.tree import (
    Choice,
    Compare,
    CompareOp,
    Constant,
    Count,
    Logic,
    Node,
    Not,
    UnitFact,
    boolean,
    counts_of,
)
from services.eligibility.rules.vocabulary import MEMBER, REFERENCE, Kind
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
    recorded_only: bool = False
    """Somebody else pays it: it is computed and shown, and never an entitlement."""


@dataclass(frozen=True)
class CompiledRank:
    """One key of the waiting list's order: a whole number or a condition."""

    rule: Node
    descending: bool


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
    suspensions: tuple[CompiledClause, ...] = ()
    ranking: tuple[CompiledRank, ...] = ()
    duration: Node | None = None

    def rates_used_by_enabled_lines(self) -> set[str]:
        """Names of the rate tables that payable lines use."""
        return {line.rate for benefit in self.benefits if not benefit.recorded_only for line in benefit.lines}

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
        key = tuple(_fact(view, name) for name in self.file.rates[line.rate].by)
        return LineResult(line.component, int(evaluate(line.quantity, view)), rates.get(key))


def _fact(view: HouseholdView, name: str) -> Value:
    owner, _, fact = name.partition(".")
    return view.household[fact] if owner == "household" else view.unit[name]


def compile_source(source: bytes) -> CompiledProgramme:
    """Read, validate and compile a programme file.

    Raises:
        ProgrammeFileError: every error by path, code, line and column.
    """
    document, positions = read_source(source)
    try:
        return compile_programme(load_document(document))
    except ProgrammeFileError as error:
        raise error.located(positions) from error


def compile_programme(file: ProgrammeFile) -> CompiledProgramme:
    """Parse and type every rule of a file.

    Raises:
        ProgrammeFileError: each faulty rule with its path, code, line and column.
    """
    compiler = _Compiler(file)
    compiler.read_predicates()
    programme = CompiledProgramme(
        file=file,
        clauses=compiler.clauses("eligibility", file.eligibility),
        benefits=tuple(
            CompiledBenefit(
                benefit.component,
                tuple(compiler.lines(f"benefits[{index}]", benefit.formula)),
                recorded_only=benefit.payer is not None,
            )
            for index, benefit in enumerate(file.benefits)
        ),
        suspensions=compiler.clauses("suspensions", file.suspensions),
        ranking=compiler.ranking(),
        duration=compiler.duration(),
    )
    if compiler.errors:
        raise ProgrammeFileError(compiler.errors)
    return programme


class _Compiler:
    """Parses the rules of one file and gathers what is wrong with them."""

    def __init__(self, file: ProgrammeFile) -> None:
        self.file = file
        self.errors: list[FieldError] = []
        self.predicates: dict[str, Node] = {}

    def _refuse(self, path: str, code: str, message: str) -> None:
        self.errors.append(FieldError(path, code, message))

    def read_predicates(self) -> None:
        """The programme's own names, which the other rules may use."""
        for name in self.file.conditions:
            if name in MEMBER:
                self._refuse(f"conditions.{name}", "name_taken", f"`{name}` is a fact of the vocabulary")
        for name, text in self.file.predicates.items():
            path = f"predicates.{name}"
            if name in MEMBER or name in self.file.conditions:
                self._refuse(path, "name_taken", f"`{name}` is a fact of the vocabulary or a condition")
                continue
            node = self._attempt(path, partial(parse_predicate, text))
            if node is not None:
                self.predicates[name] = node

    def clauses(self, path: str, clauses: Sequence[Clause | Suspension]) -> tuple[CompiledClause, ...]:
        """Conditions, each under its id."""
        compiled = []
        for index, clause in enumerate(clauses):
            node = self._rule(f"{path}[{index}].when", clause.when, Kind.BOOL)
            if node is not None:
                rule = node if not isinstance(clause, Clause) else holds_when_in_force(clause, node)
                compiled.append(CompiledClause(clause.id, rule))
        return tuple(compiled)

    def lines(self, path: str, formula: Sequence[FormulaLine]) -> Iterator[CompiledLine]:
        """The lines of a formula that are switched on."""
        for index, line in enumerate(formula):
            where = f"{path}.formula[{index}].quantity"
            node = self._number(where, line.quantity)
            if node is not None and line.enabled:
                yield CompiledLine(line.component, nothing_unless_in_force(line, node), line.rate)

    def ranking(self) -> tuple[CompiledRank, ...]:
        """The keys of the waiting list."""
        ranks = []
        for index, rank in enumerate(self.file.capacity.ranking if self.file.capacity else ()):
            path = f"capacity.ranking[{index}].by"
            node = self._attempt(path, partial(parse_rule, rank.by))
            if node is not None and node.kind is Kind.STRING:
                self._refuse(path, "type_mismatch", "an order needs a whole number or a condition")
            elif node is not None:
                ranks.append(CompiledRank(node, rank.order == "desc"))
        return tuple(ranks)

    def duration(self) -> Node | None:
        """Months of taking part."""
        return self._number("duration.months", self.file.duration.months) if self.file.duration else None

    def _number(self, path: str, text: str) -> Node | None:
        node = self._rule(path, text, Kind.INT)
        if node is None:
            return None
        if node.low < 0:
            self._refuse(path, "may_be_negative", "the quantity can be negative: use math.greatest(0, ...)")
            return None
        if node.high > MAX_QUANTITY:
            self._refuse(path, "out_of_bounds", f"the quantity can pass {MAX_QUANTITY}: use math.least")
            return None
        return node

    def _rule(self, path: str, text: str, kind: Kind) -> Node | None:
        node = self._attempt(path, partial(parse_rule, text))
        if node is not None and node.kind is not kind:
            self._refuse(path, "type_mismatch", f"this must be {kind}, not {node.kind}")
            return None
        return node

    def _attempt(self, path: str, parse: Callable[..., Node]) -> Node | None:
        try:
            return parse(predicates=self.predicates, unit=self.file.unit, conditions=self.file.conditions)
        except RuleError as error:
            self._refuse(path, error.code, str(error))
            return None


def holds_when_in_force(clause: Dated, rule: Node) -> Node:
    """A clause with dates holds of itself on every other reference date."""
    if clause.always:
        return rule
    return boolean(Logic, "||", (boolean(Not, _in_force(clause)), rule))


def nothing_unless_in_force(line: Dated, quantity: Node) -> Node:
    """A line with dates counts nothing on every other reference date."""
    if line.always:
        return quantity
    zero = Constant(Kind.INT, 0, 0, 0)
    return Choice(Kind.INT, 0, quantity.high, _in_force(line), quantity, zero)


def _in_force(dated: Dated) -> Node:
    spec = REFERENCE["ymd"]
    today = UnitFact(Kind.INT, spec.low, spec.high, "reference.ymd")
    bounds: list[Node] = []
    ends: tuple[tuple[CompareOp, date | None], ...] = ((">=", dated.valid_from), ("<=", dated.valid_until))
    for op, day in ends:
        if day is not None:
            number = day.year * 10_000 + day.month * 100 + day.day
            bounds.append(boolean(Compare, op, today, Constant(Kind.INT, number, number, number)))
    return bounds[0] if len(bounds) == 1 else boolean(Logic, "&&", tuple(bounds))
