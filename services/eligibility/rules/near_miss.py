"""What a rule that does not hold would need: the fewest of its comparisons that, turned round, make it hold. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from services.eligibility.rules.evaluate import HouseholdView, Value, evaluate
from services.eligibility.rules.tree import (
    Among,
    Choice,
    Compare,
    CompareOp,
    Constant,
    Count,
    HouseholdFact,
    In,
    Logic,
    Node,
    Not,
    StartsWith,
    UnitFact,
)

_OPPOSITE: Final[dict[CompareOp, CompareOp]] = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_SWAPPED: Final[dict[CompareOp, CompareOp]] = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}


@dataclass(frozen=True)
class Missing:
    """One comparison that stands in the way.

    Attributes:
        fact: e.g. `person.age`; `members counted`, or `computed`, where it is no single fact.
        has: its value now.
        needs: `==`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `not in`, `starts with`, `not starts with`,
            `with`, `without` (of a list).
        than: what it is compared with, a list joined by commas.
    """

    fact: str
    has: Value
    needs: str
    than: Value


def missing(rule: Node, view: HouseholdView, *, wanted: bool = True) -> list[Missing]:
    """What stands between the rule and the value that is wanted; empty where it has it.

    Of several ways (an OR), the one with the fewest steps, the first of those; of an AND, all that fail.
    """
    if bool(evaluate(rule, view)) == wanted:
        return []
    match rule:
        case Not(operand=operand):
            return missing(operand, view, wanted=not wanted)
        case Logic(op=op, operands=operands):
            ways = [missing(operand, view, wanted=wanted) for operand in operands]
            every = (op == "&&") == wanted
            return [step for way in ways for step in way] if every else min(ways, key=len)
        case Choice(condition=condition, then=then, otherwise=otherwise):
            return missing(then if evaluate(condition, view) else otherwise, view, wanted=wanted)
        case Compare():
            return [_comparison(rule, view, wanted=wanted)]
        case In(item=item, options=options):
            return [_step(item, view, "in", _joined(options), wanted=wanted)]
        case StartsWith(text=text, prefix=prefix):
            return [_step(text, view, "starts with", prefix, wanted=wanted)]
        case Among(item=item, name=name):
            has = ", ".join(sorted(view.shocks))
            return [Missing(f"household.{name}", has, "with" if wanted else "without", evaluate(item, view))]
    return [Missing(_name(rule), evaluate(rule, view), "==", wanted)]


def _comparison(rule: Compare, view: HouseholdView, *, wanted: bool) -> Missing:
    op = rule.op if wanted else _OPPOSITE[rule.op]
    left, right = rule.left, rule.right
    if isinstance(left, Constant):
        left, right, op = right, left, _SWAPPED[op]
    return Missing(_name(left), evaluate(left, view), op, evaluate(right, view))


def _step(item: Node, view: HouseholdView, needs: str, than: Value, *, wanted: bool) -> Missing:
    return Missing(_name(item), evaluate(item, view), needs if wanted else f"not {needs}", than)


def _joined(options: Iterable[Value]) -> str:
    return ", ".join(str(option) for option in options)


def _name(node: Node) -> str:
    match node:
        case HouseholdFact(name=name):
            return f"household.{name}"
        case UnitFact(name=name):
            return name
        case Count(predicate=None):
            return "household.size"
        case Count():
            return "members counted"
    return "computed"
