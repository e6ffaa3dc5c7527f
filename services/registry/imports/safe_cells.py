"""CSV that a spreadsheet opens without computing anything (formula injection, CWE-1236). Pure."""

from __future__ import annotations

from typing import Final

_BEGINS_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(value: object) -> object:
    """The value, an apostrophe before it if a spreadsheet would take it for a formula. Our own import takes it off."""
    if isinstance(value, str) and value.startswith(_BEGINS_FORMULA):
        return "'" + value
    return value
