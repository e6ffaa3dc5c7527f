"""Reads SWIFT MT940 statements: `:20:` message, `:25:` account, `:28C:` sequence, `:60F:` and `:62F:` balances, `:61:`
entries with their `:86:` details.

One `:61:` is one line. The payment's reference is looked for where banks put it: in `:86:` behind `EREF+` or `/EREF/`,
also where it runs on over the subfields `?20` to `?29`; else in `:61:` after the transaction type (the account owner's
reference, where 16 characters fit). A batch booked as one sum is named by its message id. `RC` and `RD` reverse an
entry: a credit whose `:86:` carries a return code (`/RTRN/`, `?34`, `RTRN+`) and a reversal of a debit are returns; a
reversal of a credit is money that left, which no payment explains.

Several statements may follow each other in one file, and one statement may have several pages (`:62M:`, `:60M:`): they
are put together. Source: SWIFT Standards, Category 9, MT940.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from io import BytesIO
from typing import BinaryIO, Final

from services.payments.reconciliation.errors import StatementMalformed, StatementUnknownKind
from services.payments.reconciliation.model import (
    Direction,
    DocumentHead,
    Line,
    OutcomeKind,
    Scheme,
    Statement,
    own_reference,
)

KIND: Final = "mt940"
MAX_LINE: Final = 4_096
_TAG = re.compile(r":(\d{2}[A-Z]?):(.*)", re.ASCII)
_ENTRY = re.compile(
    r"(?P<value>\d{6})(?P<booked>\d{4})?(?P<mark>R?[CD])(?P<funds>[A-Z])?(?P<amount>\d{1,15},\d{0,5})"
    r"(?P<type>[NFS][A-Z0-9]{3})(?P<reference>[^/]*)(?://(?P<bank>.*))?",
    re.ASCII,
)
_BALANCE = re.compile(r"(?P<mark>[CD])(?P<day>\d{6})(?P<currency>[A-Z]{3})(?P<amount>\d{1,15},\d{0,5})", re.ASCII)
_END_TO_END = re.compile(
    r"(?:EREF\+|/EREF/|EREF:\s?)(?:([0-9A-Fa-f]{32})|([A-Za-z0-9-]{1,35}?)(?=[A-Z]{3,4}\+|[^A-Za-z0-9-]|$))", re.ASCII
)
"""Ours first: in some banks' texts the next keyword follows a reference without anything between."""
_BATCH = re.compile(r"SMK[0-9A-Fa-f]{32}", re.ASCII)
_RETURN = re.compile(r"(?:RTRN\+|/RTRN/|\?34)([A-Z0-9]{2,4})", re.ASCII)
_PAYEE = re.compile(r"(?:\?31|/CACC/|CACC\+)([A-Z0-9]{4,34})", re.ASCII)
_NEXT_SUBFIELD = re.compile(r"\?(?:2[1-9]|6[0-3])", re.ASCII)
"""Where a text is cut into pieces of 27 characters that belong together."""
_AFTER_CLOSING = frozenset({"64", "65", "86"})
_EPOCH = date(1970, 1, 1)
Field = tuple[str, str]


class Mt940Reader:
    """Reads one file.

    Arguments:
        body: opens the raw bytes.
        digest: the file's hash, hex: names a file whose `:20:` says nothing of its own.
    """

    def __init__(self, body: bytes | Callable[[], BinaryIO], digest: str = "") -> None:
        self._open: Callable[[], BinaryIO] = body if callable(body) else lambda: BytesIO(body)
        self._digest = digest
        self._reference = ""

    @property
    def head(self) -> DocumentHead:
        """`:20:` is often the same every day, so the hash is part of the name."""
        name = f"{self._reference}/{self._digest[:16]}" if self._digest else self._reference
        return DocumentHead(KIND, name[:140])

    def check(self) -> Sequence[Statement]:
        """To the end: every statement is closed by its `:62F:` (or `:62M:`).

        Raises:
            StatementMalformed: it is cut short, or not text.
            StatementUnknownKind: no `:20:` begins it.
        """
        pages: list[Statement] = []
        present: dict[str, str] = {}
        moved, entries = Decimal(0), 0
        for tag, value in self._fields():
            if tag == "20":
                if present:
                    raise StatementMalformed("a statement has no closing balance (:62F:)")
                present, moved, entries = {"20": value}, Decimal(0), 0
            elif not present:
                if not pages or tag not in _AFTER_CLOSING:
                    raise StatementUnknownKind("an MT940 statement begins with :20:")
            elif tag in ("25", "28C", "60F", "60M"):
                present[tag] = value
            elif tag == "61" and (match := _ENTRY.match(value)):
                entries += 1
                moved += _signed(match["mark"], match["amount"])
            elif tag in ("62F", "62M"):
                _add_page(pages, _page(present, tag, value, moved, entries), continues="60M" in present)
                present = {}
        if present or not pages:
            raise StatementMalformed("the file ends before the closing balance (:62F:)")
        return pages

    def lines(self) -> Iterator[Line]:
        """One line for each `:61:`; one that cannot be read has a `problem`."""
        number, currency, waiting = 0, "", ""
        for tag, value in self._fields():
            if tag in ("60F", "60M"):
                match = _BALANCE.match(value)
                currency = match["currency"] if match else ""
            if waiting and tag != "86":
                yield _line(number, waiting, "", currency)
                number, waiting = number + 1, ""
            if tag == "61":
                waiting = value
            elif tag == "86" and waiting:
                yield _line(number, waiting, value, currency)
                number, waiting = number + 1, ""

    def _fields(self) -> Iterator[Field]:
        """Tags with their values; a value's further lines are joined by a line feed."""
        tag, value = "", ""
        with self._open() as body:
            while raw := body.readline(MAX_LINE):
                if len(raw) == MAX_LINE:
                    raise StatementMalformed("a line is longer than the format allows")
                text = _decoded(raw).strip("\r\n").removeprefix("\ufeff")
                if "\x00" in text:
                    raise StatementMalformed("the file is not text")
                match = _TAG.match(text)
                if match is None:
                    ends = text == "-" or text.startswith(("-}", "{"))
                    value = f"{value}\n{text}" if tag and not ends and len(value) < MAX_LINE else value
                    continue
                if tag:
                    yield self._seen(tag, value)
                tag, value = match[1], match[2]
        if tag:
            yield self._seen(tag, value)

    def _seen(self, tag: str, value: str) -> Field:
        if tag == "20" and not self._reference:
            self._reference = value.strip()[:80] or "-"
        return tag, value


def _line(number: int, entry: str, details: str, currency: str) -> Line:
    match = _ENTRY.match(entry)
    on = _booked(match["value"], match["booked"]) if match else None
    if match is None or on is None:
        return Line(number, None, "", None, currency, _EPOCH, problem="an entry (:61:) is not what the format allows")
    text = _NEXT_SUBFIELD.sub("", details.replace("\n", ""))
    code = _RETURN.search(text)
    payee = _PAYEE.search(text)
    mark = match["mark"]
    direction: Direction = "debit" if mark in ("D", "RC") else "credit"
    kind: OutcomeKind | None = "settled" if direction == "debit" else None
    if direction == "credit" and (code or mark == "RD"):
        kind = "returned"
    if direction == "credit":  # the other side of a credit is who sends it, not whom we paid
        payee = None
    return Line(
        number=number,
        kind=kind,
        end_to_end_id="" if mark == "RC" else _named(match["reference"], text),
        amount=Decimal(match["amount"].replace(",", ".").rstrip(".")),
        currency=currency,
        on=on,
        entry=(match["bank"] or "").split("\n")[0].strip()[:140],
        reason_code=code[1] if code else "",
        payee_scheme=Scheme.OTHER if payee else Scheme.NONE,
        payee_number=payee[1] if payee else "",
        direction=direction,
    )


def _named(own: str, text: str) -> str:
    """The reference of the payment, or of the batch, that an entry is about; empty where it names none."""
    named = _END_TO_END.search(text)
    if named:
        return own_reference(named[1] or named[2])
    batch = _BATCH.search(text)
    written = batch[0] if batch else own.split("\n")[0].strip()
    return "" if written == "NONREF" else own_reference(written)


def _decoded(raw: bytes) -> str:
    """A line as text: UTF-8, or the Latin alphabet of older systems. What is read of it is ASCII in both."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _page(present: dict[str, str], tag: str, closing: str, moved: Decimal, entries: int) -> Statement:
    """One page of a statement; the balances between pages (`M`) are none of the statement's."""
    opened = _BALANCE.match(present.get("60F", ""))
    closed = _BALANCE.match(closing)
    if closed is None:
        raise StatementMalformed("a closing balance (:62F:) cannot be read")
    day = _day(closed["day"]) or _EPOCH
    number = present.get("28C", "").split("/")[0].strip()
    return Statement(
        position=0,
        statement_id=present["20"][:140],
        account=present.get("25", "").strip(),
        currency=closed["currency"],
        year=day.year,
        number=Decimal(number) if number.isdecimal() and len(number) <= 18 else None,
        opened=_signed(opened["mark"], opened["amount"]) if opened else None,
        closed=_signed(closed["mark"], closed["amount"]) if tag == "62F" else None,
        closed_on=day,
        moved=moved,
        entries=entries,
    )


def _add_page(pages: list[Statement], page: Statement, *, continues: bool) -> None:
    """Add a page, to the statement before it where it continues that one."""
    last = pages[-1] if pages else None
    same = last is not None and (last.account, last.currency, last.number) == (page.account, page.currency, page.number)
    if last is None or not continues or not same or last.closed is not None:
        pages.append(replace(page, position=len(pages)))
        return
    pages[-1] = replace(
        page,
        position=last.position,
        statement_id=last.statement_id,
        opened=last.opened,
        moved=last.moved + page.moved,
        entries=last.entries + page.entries,
    )


def _signed(mark: str, amount: str) -> Decimal:
    """Credit positive. `RC` takes a credit back, `RD` a debit."""
    value = Decimal(amount.replace(",", ".").rstrip("."))
    return value if mark in ("C", "RD") else -value


def _day(text: str) -> date | None:
    try:
        return date(2000 + int(text[:2]), int(text[2:4]), int(text[4:6]))
    except ValueError:
        return None


def _booked(value: str, booked: str | None) -> date | None:
    """The entry date (MMDD) in the year nearest to the value date; the value date where it is absent."""
    day = _day(value)
    if day is None or booked is None:
        return day
    near = [found for offset in (-1, 0, 1) if (found := _date(day.year + offset, booked)) is not None]
    return min(near, key=lambda one: abs((one - day).days)) if near else None


def _date(year: int, month_and_day: str) -> date | None:
    """A day of a year; None where that year has no such day (29 February)."""
    try:
        return date(year, int(month_and_day[:2]), int(month_and_day[2:]))
    except ValueError:
        return None
