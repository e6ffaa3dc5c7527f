"""From CEL text to the typed tree. cel-python parses; this file checks types, bounds and cost, and names the column.

Refused with a `RuleError`: syntax_error, unknown_name, unknown_fact, unknown_value, unknown_function, type_mismatch,
not_supported, division_by_zero, out_of_bounds, nested_members, too_long, too_complex.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from celpy.celparser import CELParseError, CELParser
from lark import Token, Tree

from services.eligibility.rules.errors import RuleError
from services.eligibility.rules.tree import (
    Compare,
    Constant,
    In,
    Logic,
    MemberFact,
    Node,
    Not,
    UnitFact,
    boolean,
    of_person,
)
from services.eligibility.rules.typing import (
    Members,
    Typed,
    among,
    arith,
    as_bool,
    as_value,
    choice,
    compare,
    constant,
    greatest_least,
    household_fact,
    member_fact,
    member_macro,
    size_of,
    starts_with,
    unit_fact,
)
from services.eligibility.rules.vocabulary import UNITS, Kind

MAX_LENGTH = 2_000
MAX_PARSE_DEPTH = 300
MAX_PARSE_NODES = 6_000

_COMPARISONS = {"relation_lt": "<", "relation_le": "<=", "relation_gt": ">", "relation_ge": ">="} | {
    "relation_eq": "==",
    "relation_ne": "!=",
}
_ARITHMETIC = {
    "addition_add": "+",
    "addition_sub": "-",
    "multiplication_mul": "*",
    "multiplication_div": "/",
    "multiplication_mod": "%",
}
_MACROS = frozenset({"exists", "exists_one", "all", "filter"})


def parse_rule(
    text: str,
    *,
    predicates: Mapping[str, Node] | None = None,
    unit: str = "household",
    conditions: Iterable[str] = (),
) -> Node:
    """Parse and type an expression over `household`, `members`, `reference` and what the unit adds.

    Args:
        text: CEL, at most 2,000 characters.
        predicates: the programme's own named member predicates: `m.<name>` (and `person.<name>`) stands for them.
        unit: the programme's unit: it decides whether there is a `person` and an `event`.
        conditions: the programme's own named conditions: `m.<name>` and `person.<name>` are true or false.

    Raises:
        RuleError: with code, line and column.
    """
    builder = _Builder(_Names(predicates or {}, UNITS[unit], frozenset(conditions)))
    return as_value(builder.build(_parse(text)), 1, 1)


def parse_predicate(
    text: str,
    *,
    predicates: Mapping[str, Node] | None = None,
    unit: str = "household",
    conditions: Iterable[str] = (),
) -> Node:
    """Parse a named member predicate: a condition over `member` (and `household`).

    Raises:
        RuleError: also when it is no condition.
    """
    owners = tuple(owner for owner in UNITS[unit] if owner == "reference")
    builder = _Builder(_Names(predicates or {}, owners, frozenset(conditions)), variable="member")
    return as_bool(builder.build(_parse(text)), 1, 1)


@dataclass(frozen=True)
class _Names:
    """What a rule may name besides the vocabulary of households and members."""

    predicates: Mapping[str, Node]
    owners: tuple[str, ...]
    conditions: frozenset[str]


@lru_cache(maxsize=1)
def _parser() -> CELParser:
    return CELParser()


def _parse(text: str) -> Tree[Token]:
    if len(text) > MAX_LENGTH:
        raise RuleError("too_long", f"the rule has {len(text)} characters; {MAX_LENGTH} is the most")
    try:
        tree: Tree[Token] = _parser().parse(text)
    except CELParseError as error:
        raise RuleError(
            "syntax_error", "this is not a CEL expression", line=error.line or 1, column=error.column or 1
        ) from error
    _check_size(tree)
    return tree


def _check_size(tree: Tree[Token]) -> None:
    """Bound depth and size before anything recurses over the tree."""
    pending, nodes = [(tree, 1)], 0
    while pending:
        node, depth = pending.pop()
        nodes += 1
        if depth > MAX_PARSE_DEPTH or nodes > MAX_PARSE_NODES:
            line, column = _position(node)
            raise RuleError("too_complex", "the rule is nested too deeply or too long", line=line, column=column)
        pending.extend((child, depth + 1) for child in node.children if isinstance(child, Tree))


def _position(node: Tree[Token] | Token) -> tuple[int, int]:
    if isinstance(node, Token):
        return node.line or 1, node.column or 1
    pending: list[Any] = [node]
    while pending:  # the first token below; lark's own scan recurses
        current = pending.pop()
        if isinstance(current, Token):
            return current.line or 1, current.column or 1
        pending.extend(reversed(current.children))
    return getattr(node.meta, "line", 1), getattr(node.meta, "column", 1)


class _Builder:
    """Walks the parse tree; `variable` names the member in scope, if any."""

    def __init__(self, names: _Names, variable: str | None = None) -> None:
        self.names = names
        self.variable = variable

    def build(self, tree: Tree[Token]) -> Typed:
        """The typed node of a parse tree; chains of single children are followed without recursion."""
        while len(_parts(tree)) == 1 and isinstance(_parts(tree)[0], Tree) and tree.data != "list_lit":
            tree = _parts(tree)[0]
        handler = getattr(self, f"_on_{tree.data}", None)
        if handler is None:
            line, column = _position(tree)
            raise RuleError(
                "not_supported", "this construct is not part of the rule language", line=line, column=column
            )
        result: Typed = handler(tree)
        return result

    def _value(self, tree: Tree[Token]) -> Node:
        return as_value(self.build(tree), *_position(tree))

    def _bool(self, tree: Tree[Token]) -> Node:
        return as_bool(self.build(tree), *_position(tree))

    def _on_expr(self, tree: Tree[Token]) -> Node:
        condition, then, otherwise = _parts(tree)
        return choice(self._bool(condition), self._value(then), self._value(otherwise), *_position(then))

    def _on_conditionalor(self, tree: Tree[Token]) -> Node:
        return self._logic("||", tree)

    def _on_conditionaland(self, tree: Tree[Token]) -> Node:
        return self._logic("&&", tree)

    def _logic(self, op: str, tree: Tree[Token]) -> Node:
        operands: list[Node] = []
        for child in _parts(tree):
            node = self._bool(child)
            operands.extend(node.operands if isinstance(node, Logic) and node.op == op else (node,))
        return boolean(Logic, op, tuple(operands))

    def _on_relation(self, tree: Tree[Token]) -> Node:
        head, right = _parts(tree)
        position = _position(right)
        if head.data == "relation_in":
            return self._membership(_parts(head)[0], right)
        return compare(_COMPARISONS[head.data], self._value(_parts(head)[0]), self._value(right), *position)

    def _membership(self, item: Tree[Token], options: Tree[Token]) -> Node:
        line, column = _position(options)
        subject = self._value(item)
        if (name := _household_list(options)) is not None:
            return among(subject, name, line, column)
        while options.data != "list_lit":
            if len(_parts(options)) != 1 or not isinstance(_parts(options)[0], Tree):
                raise RuleError("not_supported", "`in` needs a list of constants: [1, 2]", line=line, column=column)
            options = _parts(options)[0]
        values: list[bool | int | str] = []
        for element in _parts(_parts(options)[0]) if _parts(options) else ():
            node = self._value(element)
            if not isinstance(node, Constant):
                where = _position(element)
                raise RuleError("not_supported", "a list holds constants only", line=where[0], column=where[1])
            checked = compare("==", subject, node, *_position(element))
            assert isinstance(checked, Compare)
            values.append(node.value)
        return boolean(In, subject, tuple(dict.fromkeys(values)))

    def _on_addition(self, tree: Tree[Token]) -> Node:
        return self._arithmetic(tree)

    def _on_multiplication(self, tree: Tree[Token]) -> Node:
        return self._arithmetic(tree)

    def _arithmetic(self, tree: Tree[Token]) -> Node:
        head, right = _parts(tree)
        return arith(_ARITHMETIC[head.data], self._value(_parts(head)[0]), self._value(right), *_position(right))

    def _on_unary(self, tree: Tree[Token]) -> Node:
        sign, operand = _parts(tree)
        line, column = _position(operand)
        if sign.data == "unary_not":
            return boolean(Not, self._bool(operand))
        return arith("-", constant(0, line, column), self._value(operand), line, column)

    def _on_ident(self, tree: Tree[Token]) -> Typed:
        name = str(_parts(tree)[0])
        line, column = _position(tree)
        if name == "members":
            if self.variable is not None:
                raise RuleError(
                    "nested_members", "a member rule cannot look at all members again", line=line, column=column
                )
            return Members(None)
        if name in ("household", self.variable, *self.names.owners):
            raise RuleError("unknown_name", f"write {name}.<fact>", line=line, column=column)
        known = ", ".join(("household", "members", *self.names.owners))
        raise RuleError("unknown_name", f"`{name}` is not known; known: {known}", line=line, column=column)

    def _on_member_dot(self, tree: Tree[Token]) -> Typed:
        owner, name = _parts(tree)
        line, column = _position(name)
        owner_name = _plain_name(owner)
        if owner_name is not None and owner_name == self.variable:
            return self._of_member(str(name), line, column)
        if owner_name == "household":
            return household_fact(str(name), line, column, in_members=self.variable is not None)
        if owner_name in self.names.owners:
            return self._of_unit(str(owner_name), str(name), line, column)
        return self.build(owner) if owner_name else _refuse_select(line, column)

    def _of_member(self, name: str, line: int, column: int) -> Node:
        if name in self.names.predicates:
            return self.names.predicates[name]
        if name in self.names.conditions:
            return boolean(MemberFact, name)
        return member_fact(name, line, column)

    def _of_unit(self, owner: str, name: str, line: int, column: int) -> Node:
        if owner == "person" and name in self.names.predicates:
            return of_person(self.names.predicates[name])
        if owner == "person" and name in self.names.conditions:
            return boolean(UnitFact, f"person.{name}")
        return unit_fact(owner, name, line, column)

    def _on_member_dot_arg(self, tree: Tree[Token]) -> Typed:
        owner, name = _parts(tree)[0], str(_parts(tree)[1])
        arguments = _parts(_parts(tree)[2]) if len(_parts(tree)) > 2 else []
        line, column = _position(_parts(tree)[1])
        if _plain_name(owner) == "math" and name in ("greatest", "least") and len(arguments) == 2:
            return greatest_least(name, self._value(arguments[0]), self._value(arguments[1]), line, column)
        if name in _MACROS and len(arguments) == 2:
            return self._macro(owner, name, arguments, line, column)
        if name == "size" and not arguments:
            return size_of(self.build(owner), line, column)
        if name == "startsWith" and len(arguments) == 1:
            return starts_with(self._value(owner), self._value(arguments[0]), line, column)
        raise RuleError("unknown_function", f"there is no {name}() with these arguments", line=line, column=column)

    def _macro(self, owner: Tree[Token], name: str, arguments: list[Tree[Token]], line: int, column: int) -> Typed:
        people = self.build(owner)
        variable = _plain_name(arguments[0])
        if variable is None or variable in ("household", "members", *self.names.owners):
            raise RuleError("syntax_error", f"write members.{name}(m, ...)", line=line, column=column)
        inner = _Builder(self.names, variable=variable)
        return member_macro(name, people, inner._bool(arguments[1]), line, column)

    def _on_ident_arg(self, tree: Tree[Token]) -> Typed:
        name = str(_parts(tree)[0])
        line, column = _position(tree)
        arguments = _parts(_parts(tree)[1]) if len(_parts(tree)) > 1 else []
        if name == "size" and len(arguments) == 1:
            return size_of(self.build(arguments[0]), line, column)
        raise RuleError("unknown_function", f"there is no {name}() with these arguments", line=line, column=column)

    def _on_literal(self, tree: Tree[Token]) -> Node:
        token: Token = _parts(tree)[0]
        line, column = _position(token)
        if token.type == "INT_LIT":
            return constant(int(token, 16) if "x" in token.lower() else int(token), line, column)
        if token.type == "BOOL_LIT":
            return constant(str(token).startswith("t"), line, column)
        if token.type == "STRING_LIT" and token[0] in "'\"":
            return constant(_text(token, line, column), line, column)
        raise RuleError(
            "not_supported", "only whole numbers, texts in quotes, true and false", line=line, column=column
        )


def _text(token: Token, line: int, column: int) -> str:
    """The text of a quoted literal. Escapes are refused: no fact has a value that needs one."""
    if "\\" in token or "\x00" in token:
        raise RuleError("not_supported", "a text cannot hold a backslash", line=line, column=column)
    return str(ast.literal_eval(str(token)))


def _parts(tree: Tree[Token]) -> list[Any]:
    """Children; the grammar, not the type, says which are trees and which tokens."""
    return list(tree.children)


def _plain_name(tree: Tree[Token]) -> str | None:
    """The identifier that a parse tree is, if it is nothing else."""
    while len(_parts(tree)) == 1 and isinstance(_parts(tree)[0], Tree):
        tree = _parts(tree)[0]
    return str(_parts(tree)[0]) if tree.data == "ident" else None


def _household_list(tree: Tree[Token]) -> str | None:
    """The name of `household.<name>`, if the parse tree is nothing else."""
    while len(_parts(tree)) == 1 and isinstance(_parts(tree)[0], Tree):
        tree = _parts(tree)[0]
    if tree.data != "member_dot" or _plain_name(_parts(tree)[0]) != "household":
        return None
    return str(_parts(tree)[1])


def _refuse_select(line: int, column: int) -> Typed:
    raise RuleError("not_supported", "only household.<fact> and m.<fact> can be selected", line=line, column=column)


__all__ = ["MAX_LENGTH", "Kind", "parse_predicate", "parse_rule"]
