"""Compile typed rules to SQLAlchemy expressions: one statement judges a whole population (laws 5; faults 15, 17, 18).

Values only ever become bound parameters and names come from the vocabulary's columns: text is never pasted.
Member counts become `count(...) FILTER (WHERE predicate)` of one look at the members, not a query each.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BigInteger, Boolean, ColumnElement, String, and_, case, cast, func, literal, not_, or_
from sqlalchemy.sql.elements import Grouping
from sqlalchemy.types import TypeEngine

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
)
from services.eligibility.rules.vocabulary import Kind

Columns = Mapping[str, ColumnElement[object]]
_TYPES: dict[Kind, TypeEngine[Any]] = {Kind.BOOL: Boolean(), Kind.INT: BigInteger(), Kind.STRING: String()}


@dataclass(frozen=True)
class Scope:
    """Where facts are found in SQL.

    Attributes:
        household: a column per household fact but `size`.
        members: a column per member fact; empty outside the grouped pass over members.
        counts: a column per member count; empty inside that pass.
        unit: a column per fact of the unit by its full name, e.g. `person.age`.
    """

    household: Columns
    members: Columns
    counts: Mapping[Count, ColumnElement[int]]
    unit: Columns = field(default_factory=dict)


def count_columns(
    counts: Sequence[Count],
    household: Columns,
    members: Columns,
    person: ColumnElement[Any],
    unit: Columns | None = None,
) -> list[ColumnElement[int]]:
    """A count for each, to select from one household's members.

    Args:
        person: a member's id. Counting it, rather than rows, ties the aggregate to the members even where a predicate
            names only household facts: PostgreSQL would take it for an aggregate over households.
    """
    scope = Scope(household, members, {}, unit or {})
    return [
        func.count(person)
        if count.predicate is None
        else func.count(person).filter(compile_rule(count.predicate, scope))
        for count in counts
    ]


def compile_rule(node: Node, scope: Scope) -> ColumnElement[Any]:
    """The SQL expression of a typed rule in this scope, in parentheses: no operator around it can tear it apart."""
    return Grouping(_compile(node, scope))


def _compile(node: Node, scope: Scope) -> ColumnElement[Any]:
    match node:
        case Constant(value=value):
            return cast(literal(value, _TYPES[node.kind]), _TYPES[node.kind])
        case HouseholdFact(name=name):
            return scope.household[name]
        case MemberFact(name=name):
            return scope.members[name]
        case UnitFact(name=name):
            return scope.unit[name]
        case Among(item=item, name=name):
            return compile_rule(item, scope) == func.any(scope.household[name])
        case Count():
            return func.coalesce(scope.counts[node], 0)
        case Not(operand=operand):
            return not_(compile_rule(operand, scope))
        case Logic(op=op, operands=operands):
            join = and_ if op == "&&" else or_
            return join(*(compile_rule(operand, scope) for operand in operands))
        case Compare(op=op, left=left, right=right):
            return compile_rule(left, scope).bool_op(_SQL_COMPARE[op])(compile_rule(right, scope))
        case Arith(op=op, left=left, right=right):
            # bigint on both sides: facts are smaller integers, and would overflow where the tree's bounds forbid it
            sides = [cast(compile_rule(side, scope), BigInteger) for side in (left, right)]
            return _SQL_ARITH[op](*sides)
        case In(item=item, options=options):
            return compile_rule(item, scope).in_(options)
        case StartsWith(text=text, prefix=prefix):
            return func.starts_with(compile_rule(text, scope), prefix)
        case Choice(condition=condition, then=then, otherwise=otherwise):
            branch = (compile_rule(condition, scope), compile_rule(then, scope))
            return case(branch, else_=compile_rule(otherwise, scope))
    raise TypeError(f"no SQL for {type(node).__name__}")


_SQL_COMPARE = {"==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_SQL_ARITH: dict[str, Callable[[Any, Any], ColumnElement[Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.floordiv,  # rendered as `/`: PostgreSQL cuts whole numbers towards zero, as CEL does
    "%": operator.mod,
    "greatest": func.greatest,
    "least": func.least,
}
