"""What a rail's line means, and when it does not agree with what was sent: pure rules, no I/O.

Which source wins
-----------------
Money moves only on a line that carries reference, amount and currency, and all three agree with the instruction (and
the payee's account, where the line names one in the scheme we used). So:

    pain.002 ACCP/ACTC/ACSP/ACWC/RCVD/PDNG   accepted: a promise; moves no money
    pain.002 ACSC/ACCC with an amount        settled;  without one: accepted (the booked entry settles it)
    pain.002 RJCT                            failed    (group or payment block: the whole batch, except DUPL: see below)
    camt.054/053 DBIT booked                 settled: the money left; it confirms, and outranks a promise
    camt.054/053 CRDT with RtrInf, pacs.004  returned: it had settled, and came back (implies that it had settled)
    GSMA completion / status completed       settled
    GSMA rejection / status failed, declined failed

The final state of consistent messages does not depend on their order or repetition. Messages that exclude each other
(rejected, yet booked) leave the first state standing and become a break for a person: never a silent overwrite.

Money on our own account that no instruction explains (a booking without a known reference, a second booking of one
payment, a credit that is no return) goes to suspense until a person explains it (`breaks/`).

A group RJCT with reason DUPL (DU01, DU02, AM05) answers a *repeated* MsgId: it proves that the bank has the batch, so
it fails nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal, NamedTuple, Protocol

from services.payments.days import local_day

OutcomeKind = Literal["accepted", "settled", "failed", "returned", "expired"]

DUPLICATE_MESSAGE: Final = frozenset({"DUPL", "DU01", "DU02", "AM05"})
"""ISO 20022 external status reasons of a whole file: a message with this id (or its payments) was received before."""
DUPLICATE_REFERENCE: Final = "DU04"
"""The same of one transaction: our references are never used twice, so that the bank has this very one."""
BATCH_PREFIX: Final = "SMK"
"""Begins a batch's message id: what a bank names that books a batch as one sum."""
_AS_WRITTEN = re.compile(r"[0-9a-f]{32}", re.ASCII)
_OURS = re.compile(r"(smk)?([0-9a-f]{32})", re.ASCII)


Direction = Literal["", "debit", "credit"]


def own_reference(text: str) -> str:
    """A reference as we wrote it: banks pad it with spaces, and old systems write it in capitals."""
    if _AS_WRITTEN.fullmatch(text):  # nearly all of them, a million in a file
        return text
    written = text.strip()
    ours = _OURS.fullmatch(written.lower())
    if ours is None:
        return written[:35]
    return f"{BATCH_PREFIX}{ours[2]}" if ours[1] else ours[2]


def rails_day(moment: datetime) -> date:
    """The rails' own day at a moment; one without an offset is in their time already."""
    return local_day(moment) if moment.tzinfo is not None else moment.date()


class BreakKind(StrEnum):
    """Why a line could not be reconciled."""

    UNKNOWN_REFERENCE = "unknown_reference"  # names an instruction that was never sent
    ORPHAN = "orphan"  # names no instruction at all
    AMOUNT_MISMATCH = "amount_mismatch"  # also: a settlement that states no amount
    CURRENCY_MISMATCH = "currency_mismatch"
    PAYEE_MISMATCH = "payee_mismatch"
    DUPLICATE = "duplicate"  # a second booking of the same payment
    CONTRADICTION = "contradiction"  # excludes what is already known
    UNREADABLE = "unreadable"  # one line that is not what its format allows; the others go on
    UNKNOWN_CREDIT = "unknown_credit"  # money came in, and is no return of ours
    GAP = "gap"  # statements are missing before this one
    BALANCE = "balance"  # a statement's balances and entries do not add up, or not to the statement before
    TOTALS = "totals"  # the file holds other entries than its own totals promise


class Scheme(StrEnum):
    """How an account number was identified: numbers are compared only within one scheme."""

    NONE = ""
    IBAN = "IBAN"
    OTHER = "Othr"
    MSISDN = "msisdn"


class Line(NamedTuple):
    """One line of a document, in the platform's words.

    `kind` is None where the line concerns the whole batch or means nothing for an outcome. `direction` is set where the
    line books money on our own account: `debit` left it, `credit` came in. `problem` says what cannot be read in it.
    `payee_number` is personal data: compared, never stored or shown. `entry` is the rail's own id of the booking, the
    same in camt.054 and camt.053: two different ones for one payment are two bookings.
    """

    number: int
    kind: OutcomeKind | None
    end_to_end_id: str
    amount: Decimal | None
    currency: str
    on: date
    entry: str = ""
    reason_code: str = ""
    payee_scheme: Scheme = Scheme.NONE
    payee_number: str = ""
    direction: Direction = ""
    problem: str = ""

    def __repr__(self) -> str:
        """Without whom it names."""
        return f"Line({self.number}, {self.kind}, {self.end_to_end_id!r}, {self.amount} {self.currency}, {self.on})"


@dataclass(frozen=True)
class Statement:
    """One account statement of a document: what tells whether any is missing, and whether it adds up.

    Attributes:
        account: the number of our own account; compared by its keyed hash, never stored.
        year, number: its place in the bank's sequence; number None where the bank gives none.
        opened, closed: the balances, signed (credit positive); None where absent.
        moved: the sum of its booked entries, signed.
        entries: how many there are; `promised`: how many it says there are.
    """

    position: int
    statement_id: str
    account: str = field(repr=False)
    currency: str
    year: int
    number: Decimal | None
    opened: Decimal | None
    closed: Decimal | None
    closed_on: date
    moved: Decimal
    entries: int
    promised: int | None = None

    @property
    def adds_up(self) -> bool:
        """Whether opening balance and entries make the closing balance; true where a balance is missing."""
        return self.opened is None or self.closed is None or self.opened + self.moved == self.closed


class Reader(Protocol):
    """What reads a document: first `check` to its end, then `lines`."""

    @property
    def head(self) -> DocumentHead:
        """What the document is; complete after `check`."""
        ...

    def check(self) -> Sequence[Statement]:
        """Read it to the end without its lines' fields: whole, well-formed, of a kind we know. Its statements.

        Raises:
            StatementMalformed, StatementUnknownKind.
        """
        ...

    def lines(self) -> Iterator[Line]:
        """Its lines, numbered from 0. One that cannot be read is a line with a `problem`."""
        ...


@dataclass(frozen=True)
class DocumentHead:
    """What a document is: its kind (`pain.002`, `camt.054`, ...), its own id, and the batch it answers, if one."""

    kind: str
    message_id: str
    original_message_id: str = ""
    group_status: str = ""
    group_reason: str = ""


_ACCEPTED = frozenset({"ACCP", "ACTC", "ACSP", "ACWC", "RCVD", "PDNG", "ACFC"})
_SETTLED = frozenset({"ACSC", "ACCC"})


def status_kind(status: str, has_amount: bool) -> OutcomeKind | None:
    """What a pain.002 transaction status means (ISO 20022 ExternalPaymentTransactionStatus1Code)."""
    if status in _SETTLED:
        return "settled" if has_amount else "accepted"
    if status in _ACCEPTED:
        return "accepted"
    return "failed" if status == "RJCT" else None


def rejects_batch(head: DocumentHead) -> bool:
    """Whether a status report refuses the batch it answers as a whole, nobody in it having been paid."""
    return head.kind == "pain.002" and head.group_status == "RJCT" and head.group_reason not in DUPLICATE_MESSAGE


def confirms_batch(head: DocumentHead) -> bool:
    """Whether a document proves that the other side has the batch it answers."""
    return head.kind == "pain.002" and bool(head.original_message_id) and not rejects_batch(head)


REASONS = {
    "AC01": "The account number is not correct.",
    "AC02": "The paying account is not correct.",
    "AC03": "The account number is not known to the bank.",
    "AC04": "The account is closed.",
    "AC06": "The account is blocked.",
    "AG01": "This kind of payment is not allowed on the account.",
    "AM02": "The amount is above the limit allowed.",
    "AM03": "The currency is not the account's.",
    "AM04": "The paying account lacks funds.",
    "AM05": "The payment was seen as a duplicate.",
    "AM10": "The control sum of the file is wrong.",
    "AM18": "The number of payments in the file is wrong.",
    "BE04": "The beneficiary's address is missing or wrong.",
    "BE06": "The beneficiary is not known.",
    "FF01": "The file or the message is not valid.",
    "MD07": "The beneficiary has died.",
    "MS02": "Refused; the customer gave no reason.",
    "MS03": "Refused; the agent gave no reason.",
    "NARR": "Refused; the reason is in the rail's own words.",
    "RC01": "The bank identifier is not correct.",
    "RR04": "Refused for a regulatory reason.",
    "identifierError": "The wallet is not known to the operator.",
    "incorrectState": "The wallet is closed or blocked.",
    "maxBalanceExceeded": "The wallet would exceed its largest balance.",
    "accountMaxTotalValueExceeded": "The wallet's limit is exceeded.",
    "dailyValueLimitExceeded": "The wallet's daily limit is exceeded.",
    "greaterThanTransactionMaxValue": "The amount is above the operator's limit.",
    "insufficientFunds": "The paying wallet lacks funds.",
    "duplicateRequest": "The operator saw a duplicate.",
    "currencyNotSupported": "The currency is not supported.",
}
"""Reason codes (ISO 20022 ExternalStatusReason1Code, ExternalReturnReason1Code; GSMA error codes) in words.

The rail's free text is not kept: banks put names and account numbers in it (law 8)."""


def reason_text(code: str) -> str:
    """A reason in words, free of personal data."""
    return REASONS.get(code, f"Refused by the rail with reason {code}." if code else "Refused; no reason was given.")
