"""What a camt.053 says of its statements as a whole: their place in the sequence, their balances, their totals.

Read in the first pass, so that gaps and sums that do not add up are known before any line is applied.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from services.payments.reconciliation.model import Statement

_OPENING = ("OPBD", "PRCD")
_CLOSING = ("CLBD",)
_EPOCH = date(1970, 1, 1)


class StatementCollector:
    """Takes the elements Acct, Bal, TxsSummry, Ntry and the end of Stmt, in document order."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self._reset()

    def _reset(self) -> None:
        self._id = self._account = self._currency = ""
        self._number: Decimal | None = None
        self._opened: Decimal | None = None
        self._closed: Decimal | None = None
        self._closed_on = _EPOCH
        self._moved = Decimal(0)
        self._entries = 0
        self._promised: int | None = None

    def take(self, element: Any, name: str, prefix: str) -> None:
        """One element, complete."""
        if name == "Ntry":
            self._entry(element, prefix)
        elif name == "Stmt":
            self._end()
        elif element.getparent() is not None and element.getparent().tag == prefix + "Stmt":
            if name == "Acct":
                self._begin(element, prefix)
            elif name == "Bal":
                self._balance(element, prefix)
            elif name == "TxsSummry":
                count = _text(element, prefix, "TtlNtries", "NbOfNtries")
                self._promised = int(count) if count.isdecimal() and len(count) < 16 else None

    def _begin(self, element: Any, prefix: str) -> None:
        statement = element.getparent()
        self._id = _text(statement, prefix, "Id")[:140]
        number = _text(statement, prefix, "LglSeqNb") or _text(statement, prefix, "ElctrncSeqNb")
        self._number = Decimal(number) if number.isdecimal() and len(number) <= 18 else None
        self._account = _text(element, prefix, "Id", "IBAN") or _text(element, prefix, "Id", "Othr", "Id")
        self._currency = _text(element, prefix, "Ccy")[:3]
        # Until its closing balance tells, which a page that others follow has not.
        self._closed_on = _date(_text(statement, prefix, "FrToDt", "ToDtTm") or _text(statement, prefix, "CreDtTm"))

    def _balance(self, element: Any, prefix: str) -> None:
        code = _text(element, prefix, "Tp", "CdOrPrtry", "Cd")
        amount = _signed(element, prefix)
        if amount is None:
            return
        if code in _OPENING:
            self._opened = amount
        elif code in _CLOSING:
            self._closed = amount
            self._closed_on = _date(_text(element, prefix, "Dt", "Dt") or _text(element, prefix, "Dt", "DtTm"))
            node = element.find(prefix + "Amt")
            self._currency = self._currency or (node.get("Ccy") or "")[:3]

    def _entry(self, element: Any, prefix: str) -> None:
        self._entries += 1
        status = element.find(prefix + "Sts")
        booked = status is not None and ((status.text or "").strip() or _text(status, prefix, "Cd")) == "BOOK"
        amount = _signed(element, prefix) if booked else None
        if amount is not None:
            self._moved += amount

    def _end(self) -> None:
        self.statements.append(
            Statement(
                position=len(self.statements),
                statement_id=self._id,
                account=self._account,
                currency=self._currency,
                year=self._closed_on.year,
                number=self._number,
                opened=self._opened,
                closed=self._closed,
                closed_on=self._closed_on,
                moved=self._moved,
                entries=self._entries,
                promised=self._promised,
            )
        )
        self._reset()


def _text(element: Any, prefix: str, *path: str) -> str:
    for name in path:
        element = element.find(prefix + name)
        if element is None:
            return ""
    return (element.text or "").strip()


def _signed(element: Any, prefix: str) -> Decimal | None:
    try:
        amount = Decimal(_text(element, prefix, "Amt"))
    except InvalidOperation:
        return None
    if not amount.is_finite():
        return None
    return -amount if _text(element, prefix, "CdtDbtInd") == "DBIT" else amount


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return _EPOCH
