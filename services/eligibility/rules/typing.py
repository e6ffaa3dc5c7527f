"""Typing of rule nodes: every constructor checks kinds, bounds and cost and raises a RuleError at its column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from services.eligibility.rules.errors import RuleError
from services.eligibility.rules.tree import (
    Among,
    Arith,
    ArithOp,
    Choice,
    Compare,
    CompareOp,
    Constant,
    Count,
    HouseholdFact,
    Logic,
    MemberFact,
    Node,
    Not,
    StartsWith,
    UnitFact,
    boolean,
    walk,
)
from services.eligibility.rules.vocabulary import HOUSEHOLD, MAX_MEMBERS, MEMBER, OWNERS, FactSpec, Kind

MAX_NUMBER = 10**15
"""No number in a rule, and no result on the way, may pass this: far inside a 64-bit integer."""
MAX_NODES = 400


@dataclass(frozen=True)
class Members:
    """The members that satisfy a predicate (None: all): only a step on the way to a Count."""

    predicate: Node | None


Typed = Node | Members


def as_value(typed: Typed, line: int, column: int) -> Node:
    """Refuse a bare list of members; bound the size of the tree."""
    if isinstance(typed, Members):
        raise RuleError(
            "type_mismatch",
            "this is a list of members; end it with .size(), or use exists/all",
            line=line,
            column=column,
        )
    if sum(1 for _ in walk(typed)) > MAX_NODES:
        raise RuleError("too_complex", f"the rule has more than {MAX_NODES} parts", line=line, column=column)
    return typed


def as_bool(typed: Typed, line: int, column: int) -> Node:
    """Refuse what is no condition."""
    node = as_value(typed, line, column)
    if node.kind is not Kind.BOOL:
        raise RuleError("type_mismatch", f"a condition is needed here, not {node.kind}", line=line, column=column)
    return node


def constant(value: bool | int | str, line: int, column: int) -> Node:
    """A literal."""
    if isinstance(value, bool):
        return Constant(Kind.BOOL, 0, 0, value)
    if isinstance(value, str):
        return Constant(Kind.STRING, 0, 0, value)
    return _number(Constant(Kind.INT, value, value, value), line, column)


def household_fact(name: str, line: int, column: int, *, in_members: bool) -> Node:
    """`household.<name>`; `size` is a count of members."""
    spec = _lookup(HOUSEHOLD, "household", name, line, column)
    if spec.kind is Kind.TEXTS:
        raise RuleError("type_mismatch", f"write '...' in household.{name}", line=line, column=column)
    if name != "size":
        return HouseholdFact(spec.kind, spec.low, spec.high, name)
    if in_members:
        raise RuleError("nested_members", "household.size cannot be used in a member rule", line=line, column=column)
    return Count(Kind.INT, 0, MAX_MEMBERS, None)


def member_fact(name: str, line: int, column: int) -> Node:
    """`m.<name>`."""
    spec = _lookup(MEMBER, "a member", name, line, column)
    return MemberFact(spec.kind, spec.low, spec.high, name)


def unit_fact(owner: str, name: str, line: int, column: int) -> Node:
    """`person.<name>`, `event.<name>` or `reference.<name>`."""
    spec = _lookup(OWNERS[owner], owner, name, line, column)
    return UnitFact(spec.kind, spec.low, spec.high, f"{owner}.{name}")


def among(item: Node, name: str, line: int, column: int) -> Node:
    """`item in household.<name>`."""
    spec = _lookup(HOUSEHOLD, "household", name, line, column)
    if spec.kind is not Kind.TEXTS:
        raise RuleError("not_supported", "`in` needs a list of constants: [1, 2]", line=line, column=column)
    if item.kind is not Kind.STRING:
        raise RuleError("type_mismatch", f"household.{name} holds texts", line=line, column=column)
    return boolean(Among, item, name)


def _lookup(facts: object, owner: str, name: str, line: int, column: int) -> FactSpec:
    known = cast("dict[str, FactSpec]", facts)
    if name not in known:
        names = ", ".join(sorted(known))
        raise RuleError("unknown_fact", f"{owner} has no fact `{name}`; known: {names}", line=line, column=column)
    return known[name]


def compare(op: str, left: Node, right: Node, line: int, column: int) -> Node:
    """Comparison; order is for whole numbers only, and a closed list of texts refuses a text outside it."""
    if left.kind is not right.kind:
        raise RuleError("type_mismatch", f"{left.kind} cannot be compared with {right.kind}", line=line, column=column)
    if op not in ("==", "!=") and left.kind is not Kind.INT:
        raise RuleError("type_mismatch", f"{op} compares whole numbers, not {left.kind}", line=line, column=column)
    for fact, other in ((left, right), (right, left)):
        _check_value(fact, other, line, column)
    return boolean(Compare, cast(CompareOp, op), left, right)


def _check_value(fact: Node, other: Node, line: int, column: int) -> None:
    spec = _spec(fact)
    if spec is None or not isinstance(fact, HouseholdFact | MemberFact | UnitFact) or not isinstance(other, Constant):
        return
    if spec.values and other.value not in spec.values:
        allowed = ", ".join(spec.values)
        raise RuleError("unknown_value", f"`{fact.name}` is one of: {allowed}", line=line, column=column)


def _spec(fact: Node) -> FactSpec | None:
    """The vocabulary's entry of a fact; none for a programme's own named condition."""
    if isinstance(fact, HouseholdFact):
        return HOUSEHOLD[fact.name]
    if isinstance(fact, MemberFact):
        return MEMBER.get(fact.name)
    if isinstance(fact, UnitFact):
        owner, _, name = fact.name.partition(".")
        return OWNERS[owner].get(name)
    return None


def arith(op: str, left: Node, right: Node, line: int, column: int) -> Node:
    """Whole-number arithmetic with proven bounds."""
    _need_ints(op, left, right, line, column)
    if op in ("/", "%"):
        if not isinstance(right, Constant):
            raise RuleError("not_supported", f"{op} needs a constant on its right", line=line, column=column)
        if right.value == 0:
            raise RuleError("division_by_zero", "division by zero", line=line, column=column)
    low, high = _bounds(op, left, right)
    return _number(Arith(Kind.INT, low, high, cast(ArithOp, op), left, right), line, column)


def greatest_least(name: str, left: Node, right: Node, line: int, column: int) -> Node:
    """`math.greatest(a, b)` or `math.least(a, b)`."""
    _need_ints(name, left, right, line, column)
    pick = max if name == "greatest" else min
    low, high = pick(left.low, right.low), pick(left.high, right.high)
    return Arith(Kind.INT, low, high, cast(ArithOp, name), left, right)


def _need_ints(op: str, left: Node, right: Node, line: int, column: int) -> None:
    if left.kind is not Kind.INT or right.kind is not Kind.INT:
        raise RuleError("type_mismatch", f"{op} is for whole numbers", line=line, column=column)


def truncated(a: int, b: int) -> int:
    """a / b cut towards zero, as CEL, SQL and C do."""
    return abs(a) // abs(b) * (1 if (a >= 0) == (b >= 0) else -1)


def _bounds(op: str, left: Node, right: Node) -> tuple[int, int]:
    if op == "+":
        return left.low + right.low, left.high + right.high
    if op == "-":
        return left.low - right.high, left.high - right.low
    if op == "*":
        ends = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
        return min(ends), max(ends)
    if op == "/":
        ends = [truncated(a, right.low) for a in (left.low, left.high)]
        return min(ends), max(ends)
    most = abs(right.low) - 1
    return (0 if left.low >= 0 else -most), (most if left.high > 0 else 0)


def _number(node: Node, line: int, column: int) -> Node:
    if node.low < -MAX_NUMBER or node.high > MAX_NUMBER:
        raise RuleError("out_of_bounds", "the number can grow beyond what is safe", line=line, column=column)
    return node


def choice(condition: Node, then: Node, otherwise: Node, line: int, column: int) -> Node:
    """`condition ? then : otherwise`, both of one type."""
    if then.kind is not otherwise.kind:
        raise RuleError("type_mismatch", f"{then.kind} or {otherwise.kind}: both must agree", line=line, column=column)
    low, high = min(then.low, otherwise.low), max(then.high, otherwise.high)
    return Choice(then.kind, low, high, condition, then, otherwise)


def starts_with(text: Node, prefix: Node, line: int, column: int) -> Node:
    """`text.startsWith('prefix')`."""
    if text.kind is not Kind.STRING or not isinstance(prefix, Constant) or prefix.kind is not Kind.STRING:
        raise RuleError("type_mismatch", "startsWith is for texts and needs a text constant", line=line, column=column)
    return boolean(StartsWith, text, prefix.value)


def member_macro(name: str, people: Typed, predicate: Node, line: int, column: int) -> Typed:
    """exists, exists_one, all or filter, as a count of members."""
    if not isinstance(people, Members):
        raise RuleError("type_mismatch", f"{name} is for members", line=line, column=column)
    if name == "filter":
        return Members(_both(people.predicate, predicate))
    if name == "all":
        return _count_is("==", 0, _both(people.predicate, boolean(Not, predicate)))
    return _count_is(*((">", 0) if name == "exists" else ("==", 1)), _both(people.predicate, predicate))


def _both(first: Node | None, second: Node) -> Node:
    return second if first is None else boolean(Logic, "&&", (first, second))


def _count_is(op: str, number: int, predicate: Node) -> Node:
    count = Count(Kind.INT, 0, MAX_MEMBERS, predicate)
    return boolean(Compare, cast(CompareOp, op), count, Constant(Kind.INT, number, number, number))


def size_of(people: Typed, line: int, column: int) -> Node:
    """`.size()` of a list of members."""
    if not isinstance(people, Members):
        raise RuleError("type_mismatch", "size() is for members", line=line, column=column)
    return Count(Kind.INT, 0, MAX_MEMBERS, people.predicate)
