"""Reads the entries of camt.054 and camt.053: what was booked on our account, and of which payments it is made up.

An entry may list its transactions, each a payment of ours; be the sum over a batch, or over anything; take an earlier
one back; and move more than its transactions, which is then a line of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final, NamedTuple

from services.payments.reconciliation.iso20022_fields import FieldReader, Fields
from services.payments.reconciliation.iso20022_values import amount_of, currency_of, day_of, payee_of, reference_of
from services.payments.reconciliation.model import (
    BATCH_PREFIX,
    Direction,
    Line,
    OutcomeKind,
    Scheme,
    own_reference,
)

_DETAILS = "NtryDtls/TxDtls"
_DETAIL_FIELDS = (
    "Refs/EndToEndId",
    "Refs/AcctSvcrRef",
    "CdtDbtInd",
    "RtrInf",
    "RtrInf/Rsn/Cd",
    "Amt",
    "Amt@Ccy",
    "AmtDtls/TxAmt/Amt",
    "AmtDtls/TxAmt/Amt@Ccy",
    "RltdPties/CdtrAcct/Id/IBAN",
    "RltdPties/CdtrAcct/Id/Othr/Id",
)
_OWN_FIELDS = (
    "CdtDbtInd",
    "Sts",
    "Sts/Cd",
    "BookgDt/Dt",
    "BookgDt/DtTm",
    "AcctSvcrRef",
    "Amt",
    "Amt@Ccy",
    "RvslInd",
    "BkTxCd/Domn/Fmly/SubFmlyCd",
)
_OWN = len(_OWN_FIELDS)
_ENTRY_FIELDS = (*_OWN_FIELDS, *(f"{_DETAILS}/{name}" for name in _DETAIL_FIELDS))
"""An entry's own fields, and those of the first transaction in it: most have one."""
_BATCH_NAMES = ("NtryDtls/Btch/PmtInfId", "NtryDtls/Btch/MsgId", f"{_DETAILS}/Refs/PmtInfId", f"{_DETAILS}/Refs/MsgId")
"""Where a booking that names no payment names the batch it is the sum of."""
_RETURNS = "RRTN"
"""ISO 20022 bank transaction sub-family of what comes back."""
_DIRECTIONS: Final[dict[str, Direction]] = {"DBIT": "debit", "CRDT": "credit"}


class EntryReader:
    """Reads the entries of one document.

    Arguments:
        prefix: of the document's tags: `{namespace}`.
    """

    def __init__(self, prefix: str) -> None:
        self._in = prefix
        self._entries = FieldReader(_ENTRY_FIELDS, prefix, _DETAILS)
        self._details = FieldReader(_DETAIL_FIELDS, prefix)

    def read(self, element: Any, number: int, created: date) -> list[Line]:
        """One line per transaction of a booked entry (an entry may bundle many); none for a pending one.

        Arguments:
            number: of the first line.
            created: the day of an entry that names none.

        Raises:
            Unreadable: a field of it is not what the schema allows.
        """
        fields, times = self._entries.read(element)
        way, status, status_code, on, at, own, amount, currency, reversed_, family = fields[:_OWN]
        if (status_code or status) != "BOOK":
            return []
        booked = _Booked(
            way or "",
            own or "",
            day_of(on or at, created),
            amount_of(amount),
            currency_of(amount, currency),
            reversed_ in ("true", "1"),
            family == _RETURNS,
        )
        if times == 0:
            return [_whole(booked, self._batch_of(element), number)]
        if times > 1:
            details = element.findall("/".join(self._in + name for name in _DETAILS.split("/")))
            several = [
                _detail(self._details.read(detail)[0], number + offset, booked, is_whole=False)
                for offset, detail in enumerate(details)
            ]
            return [*several, *_remainder(several, booked, number + times)]
        one = _detail(fields[_OWN:], number, booked, is_whole=True)
        if one.amount != booked.amount:
            return [one, *_remainder([one], booked, number + 1)]
        if not one.end_to_end_id and not booked.takes_back:
            one = one._replace(end_to_end_id=self._batch_of(element))
        return [one]

    def _batch_of(self, element: Any) -> str:
        """The batch of ours that an entry without a payment's reference is about; empty where it names none."""
        for path in _BATCH_NAMES:
            named = own_reference(element.findtext("/".join(self._in + name for name in path.split("/"))) or "")
            if named.startswith(BATCH_PREFIX):
                return named
        return ""


def _whole(booked: _Booked, batch: str, number: int) -> Line:
    """The line of an entry that names no payment: of a batch booked as one sum, or of nothing that is known."""
    reference = "" if booked.takes_back else batch
    return Line(
        number,
        booked.kind(),
        reference,
        booked.amount,
        booked.currency,
        booked.on,
        booked.own[:140],
        direction=_DIRECTIONS.get(booked.way, ""),
    )


def _detail(fields: Fields, number: int, booked: _Booked, *, is_whole: bool) -> Line:
    """The line of one transaction of an entry; where it is the entry's only one, the entry's amount is its own."""
    reference, entry, own_way, returned, reason, amount, currency, inner, inner_currency, iban, other = fields
    if amount is None:
        amount, currency = inner, inner_currency
    exact, unit = amount_of(amount), currency_of(amount, currency)
    if exact is None and is_whole:
        exact, unit = booked.amount, booked.currency
    one = booked
    if returned is not None or (own_way and own_way != booked.way):
        one = booked._replace(way=own_way or booked.way, returns=booked.returns or returned is not None)
    # A credit that is taken back is money that left, and no payment's; who is credited by a credit is ourselves.
    return Line(
        number,
        one.kind(),
        "" if one.takes_back else reference_of(reference),
        exact,
        unit,
        one.on,
        (entry or one.own)[:140],
        (reason or "")[:35],
        *(payee_of(iban, other) if one.way == "DBIT" else (Scheme.NONE, "")),
        _DIRECTIONS.get(one.way, ""),
    )


def _remainder(lines: Sequence[Line], booked: _Booked, number: int) -> list[Line]:
    """What an entry moved besides its transactions (a charge, or one that the bank left out), as a line of its own."""
    if booked.amount is None or any(line.amount is None or line.currency != booked.currency for line in lines):
        return []
    own = _DIRECTIONS.get(booked.way, "")
    moved = sum((line.amount if line.direction == own else -line.amount for line in lines if line.amount), Decimal(0))
    if moved == booked.amount:
        return []
    if moved > booked.amount:
        problem = "the transactions of this entry are more than its amount"
        return [Line(number, None, "", None, "", booked.on, problem=problem)]
    rest = _whole(booked._replace(amount=booked.amount - moved, returns=False), "", number)
    return [rest._replace(entry=f"{rest.entry}/rest"[-140:])]


class _Booked(NamedTuple):
    """An entry's own fields: credit or debit, the bank's reference, the day, the amount.

    `reversal`: it undoes an earlier entry of the other direction. `returns`: it is a payment that came back.
    """

    way: str
    own: str
    on: date
    amount: Decimal | None
    currency: str
    reversal: bool
    returns: bool

    @property
    def takes_back(self) -> bool:
        """Whether it takes back a credit: money that left."""
        return self.way == "DBIT" and self.reversal

    def kind(self) -> OutcomeKind | None:
        """What it says of a payment."""
        if self.way == "DBIT":
            return "settled"
        return "returned" if self.way == "CRDT" and (self.returns or self.reversal) else None
