"""Errors of rules: RuleError, with a stable code and the column it points at. Pure: no HTTP."""

from __future__ import annotations


class RuleError(Exception):
    """A rule or formula cannot be accepted.

    Attributes:
        code: stable, e.g. `syntax_error`, `unknown_fact`, `type_mismatch`, `too_complex`.
        column: 1-based column in the rule's text (lines count on: a rule is one expression).
        line: 1-based line.
        message: what is wrong and what to write instead.
    """

    def __init__(self, code: str, message: str, *, line: int = 1, column: int = 1) -> None:
        super().__init__(f"line {line}, column {column}: {message}")
        self.code = code
        self.message = message
        self.line = line
        self.column = column
