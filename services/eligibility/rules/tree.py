"""The typed tree of a rule: small, total (every node always has a value) and pure. Two back ends read it.

`exists`, `all`, `exists_one` and `size` over members are all one node, `Count`: how many members satisfy a predicate.
Columns are kept for messages and take no part in equality, so equal counts are computed once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from services.eligibility.rules.vocabulary import Kind

CompareOp = Literal["==", "!=", "<", "<=", ">", ">="]
ArithOp = Literal["+", "-", "*", "/", "%", "greatest", "least"]


@dataclass(frozen=True)
class Node:
    """Base. `low` and `high` bound an INT (inclusive) and are 0 otherwise."""

    kind: Kind
    low: int
    high: int


@dataclass(frozen=True)
class Constant(Node):
    """A literal."""

    value: bool | int | str


@dataclass(frozen=True)
class HouseholdFact(Node):
    """`household.<name>`."""

    name: str


@dataclass(frozen=True)
class MemberFact(Node):
    """`<variable>.<name>` inside a member macro."""

    name: str


@dataclass(frozen=True)
class UnitFact(Node):
    """`person.<name>`, `event.<name>` or `reference.<name>`: a fact of the unit that is judged, with its owner."""

    name: str


@dataclass(frozen=True)
class Among(Node):
    """`item in household.<name>`, a list of texts."""

    item: Node
    name: str


@dataclass(frozen=True)
class Not(Node):
    """`!operand`."""

    operand: Node


@dataclass(frozen=True)
class Logic(Node):
    """`&&` or `||` over two or more operands."""

    op: Literal["&&", "||"]
    operands: tuple[Node, ...]


@dataclass(frozen=True)
class Compare(Node):
    """Comparison of two values of one type."""

    op: CompareOp
    left: Node
    right: Node


@dataclass(frozen=True)
class Arith(Node):
    """Whole-number arithmetic; `/` and `%` cut towards zero as CEL and PostgreSQL do, by a constant other than 0."""

    op: ArithOp
    left: Node
    right: Node


@dataclass(frozen=True)
class In(Node):
    """`item in [constants]`."""

    item: Node
    options: tuple[bool | int | str, ...]


@dataclass(frozen=True)
class StartsWith(Node):
    """`text.startsWith('prefix')`."""

    text: Node
    prefix: str


@dataclass(frozen=True)
class Choice(Node):
    """`condition ? then : otherwise`."""

    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True)
class Count(Node):
    """Number of members that satisfy the predicate; all of them when it is None."""

    predicate: Node | None


def boolean(cls: type[Node], *args: object) -> Node:
    """Build a BOOL node of class `cls`."""
    return cls(Kind.BOOL, 0, 0, *args)


def children(node: Node) -> Iterator[Node]:
    """Direct children, in reading order."""
    for field in fields(node):
        value = getattr(node, field.name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from (item for item in value if isinstance(item, Node))


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, without recursion."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(reversed(list(children(current))))


def of_person(node: Node) -> Node:
    """A member predicate as said of the person that is the unit: every `m.<fact>` becomes `person.<fact>`."""
    if isinstance(node, MemberFact):
        return UnitFact(node.kind, node.low, node.high, f"person.{node.name}")
    changes: dict[str, Any] = {}
    for field in fields(node):
        value = getattr(node, field.name)
        if isinstance(value, Node):
            changes[field.name] = of_person(value)
        elif isinstance(value, tuple) and any(isinstance(item, Node) for item in value):
            changes[field.name] = tuple(of_person(item) if isinstance(item, Node) else item for item in value)
    return replace(node, **changes) if changes else node


def counts_of(*nodes: Node) -> list[Count]:
    """The distinct member counts that these expressions need, in order of first use."""
    return list(dict.fromkeys(found for node in nodes for found in walk(node) if isinstance(found, Count)))
