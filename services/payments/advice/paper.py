"""A printable paper as data. What prints it (`document`) is loaded by the process that prints, when it does."""

from __future__ import annotations

from dataclasses import dataclass

from services.payments.advice.words import Words


class FontMissing(RuntimeError):
    """The font that holds Khmer is not installed: `pip install fontpkg-noto-sans-khmer`."""


@dataclass(frozen=True, slots=True)
class Row:
    """A label and what stands beside it."""

    label: Words
    value: str


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. `widths` are shares of the page; columns in `right` hold amounts; the last row is bold when `total`."""

    columns: tuple[Words, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...]
    right: frozenset[int] = frozenset()
    total: bool = False


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper of one or more pages."""

    title: Words
    rows: tuple[Row, ...]
    grid: Grid | None
    notes: tuple[Words, ...]
