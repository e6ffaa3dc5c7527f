"""An external order, its lines, and what a source is told of each. Pure.

    received -> prepared -> (payment list, approval, rails: as any cycle)
            |-> refused     (no line of it can be paid)
            `-> cancelled   (an officer refused it before its list went on)

A prepared order is a closed cycle of the source's own programme: control totals, list, checks, approval, funds and
rails are the ordinary ones. Nothing is paid because a source said so.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from services.payments.lists.model import EXPLAINED as LIST_REASONS
from services.payments.reconciliation.model import reason_text
from shared.money import MAX_AMOUNT, MoneyError, check_amount

MAX_LINES: Final = 10_000
"""Instructions in one message: a larger programme sends several batches."""
WINDOW_DAYS: Final = 30
"""How long uncollected money of an order waits, where it is paid in cash."""
MAX_DAYS_AHEAD: Final = 90
MAX_TOTAL: Final = MAX_AMOUNT - 1
"""The sum of an order's lines, whatever their currency: what its column holds."""
_AMOUNT: Final = re.compile(r"[0-9]{1,16}(\.[0-9]{1,6})?")
"""Digits, and a fraction behind a point. (`Decimal` alone would read `1e5`, ` 7 `, `1_000`, digits of any script.)"""


class OrderState(StrEnum):
    """Where an order stands, before its payment list."""

    RECEIVED = "received"
    PREPARED = "prepared"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class Modality(StrEnum):
    """How an order is paid out: to the payees' accounts, or by vouchers that the source hands over."""

    ACCOUNT = "account"
    VOUCHER = "voucher"


class LineFault(StrEnum):
    """Why a line of an order is not put on a payment list."""

    BAD_AMOUNT = "bad_amount"
    BAD_CURRENCY = "bad_currency"
    MIXED_CURRENCY = "mixed_currency"
    REPEATED = "repeated_instruction"
    KNOWN = "known_instruction"
    UNKNOWN_PAYEE = "unknown_payee"
    INACTIVE_PAYEE = "inactive_payee"
    PAYER = "bad_payer"


class LineStatus(StrEnum):
    """What a source is told of an instruction."""

    PENDING = "pending"
    PAID = "paid"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"


FINAL: Final = frozenset({LineStatus.PAID, LineStatus.FAILED, LineStatus.REFUSED, LineStatus.CANCELLED})


EXPLAINED: Final[Mapping[str, str]] = {str(reason): words for reason, words in LIST_REASONS.items()} | {
    LineFault.BAD_AMOUNT: "The amount is not an exact amount of its currency above zero.",
    LineFault.BAD_CURRENCY: "The currency is not one that is paid here.",
    LineFault.MIXED_CURRENCY: "The batch is in another currency.",
    LineFault.REPEATED: "The instruction is in the batch twice.",
    LineFault.KNOWN: "The instruction was accepted in another batch.",
    LineFault.UNKNOWN_PAYEE: "The payee is not registered.",
    LineFault.INACTIVE_PAYEE: "The payee was switched off.",
    LineFault.PAYER: "The payer's address is not the one registered for you.",
    "order_cancelled": "The batch was refused by an officer.",
    "order_refused": "No instruction of the batch can be paid.",
    "voucher_cancelled": "The voucher was cancelled.",
    "expired": "The time to collect it was over.",
    "withheld": "It is withheld.",
}
_NOT_TOLD: Final = frozenset({"sanctions", "stopped", "hold"})
"""A source learns that a payment is withheld, not that somebody is being looked into: that would warn her."""


def told_code(reason: str) -> str:
    """A reason of ours as a source is told it."""
    return "withheld" if reason in _NOT_TOLD else reason


def reason_words(code: str) -> str:
    """A reason in words: of the order, of its payment list, or of the rail."""
    return EXPLAINED.get(code) or reason_text(code)


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One instruction as it is stored. `payee_hash` is a keyed hash: no id in clear."""

    instruction_id: str
    payee_hash: bytes = field(repr=False)
    amount: Decimal | None
    currency: str
    fault: str = ""


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order, read from any protocol's message."""

    protocol: str
    modality: Modality
    request_id: str
    batch_id: str
    callback_url: str
    lines: Sequence[OrderLine]
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LineReport:
    """What became of an instruction. `code` is a reason of ours or of the rail: no personal data."""

    line: int
    instruction_id: str
    status: LineStatus
    amount: Decimal | None
    currency: str
    code: str
    on: datetime | None


def read_money(amount: str, currency: str) -> tuple[Decimal | None, str]:
    """An amount on the wire, exact, and what is wrong with it.

    Returns:
        (amount, "") or (None, fault). Nothing is rounded (fault 5).
    """
    if not _AMOUNT.fullmatch(amount):
        return None, LineFault.BAD_AMOUNT
    try:
        exact = check_amount(Decimal(amount), currency)
    except MoneyError as error:
        return None, LineFault.BAD_CURRENCY if "currency" in str(error) else LineFault.BAD_AMOUNT
    return (exact, "") if exact > 0 else (None, LineFault.BAD_AMOUNT)


def judge_lines(lines: Sequence[OrderLine]) -> list[str]:
    """The fault of each line as far as the order alone shows it, by the rules of its preparation: no fault, ""."""
    currency, seen, faults = currency_of(lines), set[str](), []
    for line in lines:
        fault = line.fault or (LineFault.MIXED_CURRENCY if line.currency != currency else "")
        faults.append(str(fault or (LineFault.REPEATED if line.instruction_id in seen else "")))
        if not line.fault:
            seen.add(line.instruction_id)
    return faults


def total_of(lines: Iterable[OrderLine]) -> Decimal:
    """The sum of the amounts that could be read."""
    return sum((line.amount for line in lines if line.amount is not None), Decimal(0))


def currency_of(lines: Sequence[OrderLine]) -> str:
    """The currency of an order: that of its first good line. A cycle, and so an order, has one."""
    return next((line.currency for line in lines if not line.fault), lines[0].currency if lines else "KHR")


def finished(reports: Iterable[LineReport]) -> bool:
    """Whether every line has come to an end (which a late return may still change)."""
    return all(report.status in FINAL for report in reports)


def report_hash(reports: Iterable[LineReport]) -> bytes:
    """The hash of what a source would be told: it is told again only when this differs."""
    total = hashlib.sha256()
    for report in reports:
        total.update(f"{report.line}|{report.status}|{report.code}\n".encode())
    return total.digest()
