"""Evaluate a typed rule for one household: a small interpreter over the same tree that is compiled to SQL."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from services.eligibility.rules.tree import (
    Among,
    Arith,
    Choice,
    Compare,
    Constant,
    Count,
    HouseholdFact,
    In,
    Logic,
    MemberFact,
    Node,
    Not,
    StartsWith,
    UnitFact,
    walk,
)
from services.eligibility.rules.typing import truncated

Value = bool | int | str
Facts = Mapping[str, Value]


@dataclass(frozen=True)
class HouseholdView:
    """One household as rules see it on a reference date.

    Attributes:
        household: every household fact of the vocabulary but `size`.
        members: every member fact, per member born by the reference date.
        unit: facts of the unit by their full name, e.g. `person.age` or `reference.ymd`.
        shocks: codes of the shocks that hit the household by the reference date.
    """

    household: Facts
    members: Sequence[Facts]
    unit: Facts = field(default_factory=dict)
    shocks: frozenset[str] = frozenset()


# The order of two values is asked of whole numbers only: rules/typing.py sees to it.
_COMPARE: dict[str, Callable[[Value, Value], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ARITH: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": truncated,
    "%": lambda a, b: a - truncated(a, b) * b,
    "greatest": max,
    "least": min,
}


def evaluate(node: Node, view: HouseholdView, member: Facts | None = None) -> Value:
    """The value of the expression for this household; `member` is the one in scope inside a member macro."""
    match node:
        case Constant(value=value):
            return value
        case HouseholdFact(name=name):
            return view.household[name]
        case MemberFact(name=name):
            assert member is not None, "typing admits member facts only inside a member macro"
            return member[name]
        case UnitFact(name=name):
            return view.unit[name]
        case Among(item=item):
            return evaluate(item, view, member) in view.shocks
        case Not(operand=operand):
            return not evaluate(operand, view, member)
        case Logic(op=op, operands=operands):
            values = (bool(evaluate(operand, view, member)) for operand in operands)
            return all(values) if op == "&&" else any(values)
        case Compare(op=op, left=left, right=right):
            return _COMPARE[op](evaluate(left, view, member), evaluate(right, view, member))
        case Arith(op=op, left=left, right=right):
            return _ARITH[op](int(evaluate(left, view, member)), int(evaluate(right, view, member)))
        case In(item=item, options=options):
            return evaluate(item, view, member) in options
        case StartsWith(text=text, prefix=prefix):
            return str(evaluate(text, view, member)).startswith(prefix)
        case Choice(condition=condition, then=then, otherwise=otherwise):
            return evaluate(then if evaluate(condition, view, member) else otherwise, view, member)
        case Count(predicate=predicate):
            return sum(1 for person in view.members if predicate is None or evaluate(predicate, view, person))
    raise TypeError(f"no evaluation for {type(node).__name__}")


def facts_used(node: Node, view: HouseholdView) -> dict[str, Value]:
    """What the expression saw of this household: each household fact, and how many members each count found."""
    used: dict[str, Value] = {}
    pending = [node]
    while pending:
        for found in walk(pending.pop()):
            if isinstance(found, HouseholdFact):
                used[f"household.{found.name}"] = view.household[found.name]
            elif isinstance(found, UnitFact):
                used[found.name] = view.unit[found.name]
            elif isinstance(found, Among):
                used[f"household.{found.name}"] = ", ".join(sorted(view.shocks))
            elif isinstance(found, Count):
                name = "household.size" if found.predicate is None else "members counted"
                label = name if name not in used else f"{name} ({len(used)})"
                used[label] = evaluate(found, view)
    return used
