"""Reads a bank's statement as CSV, for banks that offer nothing better.

UTF-8, comma or semicolon, a header row. Columns by name, in any order, further ones ignored:

    booking_date  required  YYYY-MM-DD
    amount        required  a plain decimal number above zero, e.g. 80000 or 80000.50
    currency      required  three letters
    direction     required  debit (left our account) or credit
    reference     the payment's end-to-end reference; may be empty
    entry         the bank's own reference of the booking
    return_code   on a credit: the reason why a payment came back (ISO 20022), which makes it a return
    payee_account the payee's account number

A row that cannot be read is reported by its number and the others go on; so is one with more cells than the header
names (an amount written 80,000 without quotes), for nobody knows which cell is which. Empty rows are passed over.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from io import BytesIO, TextIOWrapper
from typing import BinaryIO, Final

from services.payments.reconciliation.errors import StatementMalformed, StatementUnknownKind
from services.payments.reconciliation.model import (
    DocumentHead,
    Line,
    OutcomeKind,
    Scheme,
    Statement,
    own_reference,
)

KIND: Final = "csv"
REQUIRED: Final = frozenset({"booking_date", "amount", "currency", "direction"})
MAX_LINE: Final = 16_384
_AMOUNT = re.compile(r"[0-9]{1,16}(\.[0-9]{1,5})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
TOO_MANY: Final = ""
"""Column of the cells beyond the last named one."""
_EPOCH = date(1970, 1, 1)


class CsvReader:
    """Reads one file.

    Arguments:
        body: opens the raw bytes.
        digest: the file's hash, hex: such a file has no id of its own.
    """

    def __init__(self, body: bytes | Callable[[], BinaryIO], digest: str) -> None:
        self._open: Callable[[], BinaryIO] = body if callable(body) else lambda: BytesIO(body)
        self._digest = digest

    @property
    def head(self) -> DocumentHead:
        """A CSV file is known by its hash."""
        return DocumentHead(KIND, self._digest)

    def check(self) -> Sequence[Statement]:
        """To the end: text, with the columns. It has no balances.

        Raises:
            StatementMalformed: it is not text, or a quote is never closed.
            StatementUnknownKind: a required column is missing.
        """
        for _ in self._rows():
            pass
        return ()

    def lines(self) -> Iterator[Line]:
        """One line a row; one that cannot be read has a `problem`."""
        for number, row in enumerate(self._rows()):
            yield _line(number, row)

    def _rows(self) -> Iterator[dict[str, str]]:
        with self._open() as body, TextIOWrapper(body, encoding="utf-8-sig", newline="") as text:
            try:
                first = text.readline(MAX_LINE)
                delimiter = ";" if first.count(";") > first.count(",") else ","
                names = [name.strip().lower() for name in next(csv.reader([first], delimiter=delimiter), [])]
                if missing := REQUIRED - set(names):
                    raise StatementUnknownKind(f"the header lacks: {', '.join(sorted(missing))}")
                if len(told := [name for name in names if name]) != len(set(told)):
                    raise StatementMalformed("the header names a column twice")
                for cells in csv.reader(_bounded(text), delimiter=delimiter, strict=True):
                    if any(cell.strip() for cell in cells):
                        beyond = "".join(cells[len(names) :]).strip()
                        yield {**dict(zip(names, cells, strict=False)), TOO_MANY: beyond}
            except (UnicodeDecodeError, csv.Error):
                raise StatementMalformed("the file is not UTF-8 text with well-formed rows") from None


def _bounded(text: TextIOWrapper) -> Iterator[str]:
    while line := text.readline(MAX_LINE):
        if len(line) == MAX_LINE:
            raise StatementMalformed("a row is longer than accepted")
        if "\x00" in line:
            raise StatementMalformed("the file is not text")
        yield line


def _line(number: int, row: dict[str, str]) -> Line:
    cells = {name: value.strip() for name, value in row.items()}
    problem, on = "the row has more cells than the header" if cells[TOO_MANY] else "", _EPOCH
    try:
        on = date.fromisoformat(cells.get("booking_date", ""))
    except ValueError:
        problem = problem or "booking_date is not YYYY-MM-DD"
    if not _DAY.fullmatch(cells.get("booking_date", "")):
        problem = problem or "booking_date is not YYYY-MM-DD"
    amount = cells.get("amount", "")
    if not _AMOUNT.fullmatch(amount):
        problem = problem or "amount is not a plain decimal number"
    if not _CURRENCY.fullmatch(cells.get("currency", "")):
        problem = problem or "currency is not three letters"
    direction = cells.get("direction", "").lower()
    if direction not in ("debit", "credit"):
        problem = problem or "direction is neither debit nor credit"
    if problem:
        return Line(number, None, "", None, "", on, problem=problem)
    code = cells.get("return_code", "")[:35]
    kind: OutcomeKind | None = "settled" if direction == "debit" else "returned" if code else None
    payee = cells.get("payee_account", "")[:40]
    return Line(
        number=number,
        kind=kind,
        end_to_end_id=own_reference(cells.get("reference", "")),
        amount=Decimal(amount),
        currency=cells["currency"],
        on=on,
        entry=cells.get("entry", "")[:140],
        reason_code=code,
        payee_scheme=Scheme.OTHER if payee else Scheme.NONE,
        payee_number=payee,
        direction="debit" if direction == "debit" else "credit",
    )
