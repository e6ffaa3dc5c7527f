"""The port between Samaki and a payment rail: one shape for a bank and for a mobile money operator.

A rail takes a *batch* of instructions under a message id that never changes, and answers later, in documents
(status reports, statements, completions) that reconciliation reads line by line. What a call achieved is one of:

    accepted   the other side has the batch; the outcome of each instruction comes later, in a document
    rejected   the other side has refused the batch as a whole; nobody in it will be paid by it
    deferred   the batch did not reach the other side (no connection, not authorised, told to slow down)
    unknown    it may have reached it: a time-out, a broken connection, a 5xx. Query before anything is re-sent.

A query answers `accepted`, `rejected`, `unknown` (could not ask) or `absent`: the other side has no trace of the
message id, so the *same* batch may be sent again under the *same* message id, by which the other side refuses a second.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable
from uuid import UUID


class Answer(StrEnum):
    """What is known of a batch after a call to its rail."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    UNKNOWN = "unknown"
    ABSENT = "absent"


@dataclass(frozen=True)
class Submission:
    """The rail's answer to a submission or a query.

    `reference` is the rail's own id of the batch, when it gave one. `reason` is for operators: no personal data.
    """

    answer: Answer
    reference: str = ""
    reason_code: str = ""
    reason: str = ""


@dataclass(frozen=True)
class BatchHeader:
    """What identifies a batch to its rail. From its first sending on everything in it is fixed (safe to re-send).

    `repeated`: it was handed over before, and may have arrived.
    """

    id: UUID
    rail: str
    provider: str
    message_id: str
    count: int
    amount: Decimal
    currency: str
    created_at: datetime
    execution_on: date
    reference: str = ""
    repeated: bool = False


@dataclass(frozen=True)
class Instruction:
    """Pay this amount to this payee. `end_to_end_id` comes back in every document about it.

    The name and the number are personal data: kept out of `repr`, so that no log or traceback shows them.
    """

    end_to_end_id: str
    amount: Decimal
    currency: str
    provider: str
    number: str = field(repr=False)
    holder_name: str = field(repr=False)


class Media(StrEnum):
    """Which reader a document needs. A rail may add media of its own (`RailKind.readers`)."""

    ISO20022 = "iso20022"
    GSMA = "gsma"
    MT940 = "mt940"
    CSV = "csv"


@dataclass(frozen=True)
class Document:
    """One thing a rail said: the raw bytes, to be recorded once by their hash.

    `reference` is the transport's own id (to acknowledge it by). `kind` names what a GSMA body is; ISO 20022 says it
    itself. `correlation_id` is the operator's X-CorrelationID: the batch it answers. A large body stands in a file:
    `path`, and `body` is empty.
    """

    source: str
    media: str
    reference: str
    body: bytes = field(repr=False)
    kind: str = ""
    correlation_id: str = ""
    path: Path | None = None

    def open(self) -> BinaryIO:
        """The raw bytes from their beginning, from memory or from `path`; close it."""
        return BytesIO(self.body) if self.path is None else self.path.open("rb")


class Rail(Protocol):
    """A payment rail. Every implementation passes `tests/contract.py` (see docs/rails.md for adding one).

    No method raises for what the other side does: network faults and refusals are answers. `fetch` may stop early when
    the other side is unreachable; what it did not hand over is handed over next time.
    """

    name: str

    async def submit(self, batch: BatchHeader, instructions: Sequence[Instruction]) -> Submission:
        """Hand the batch over under its message id. Sending it again never pays twice."""
        ...

    async def query(self, batch: BatchHeader) -> Submission:
        """What became of a batch whose submission has an unknown outcome."""
        ...

    def fetch(self, open_batches: Sequence[BatchHeader]) -> AsyncIterator[Document]:
        """The documents waiting, oldest first; at least once each. `open_batches` are those still without an end."""
        ...

    async def acknowledge(self, documents: Sequence[Document]) -> None:
        """Tell the other side that these documents are safely recorded (called after the commit)."""
        ...


@dataclass(frozen=True)
class NameCheck:
    """What a provider says of an account: whether it exists and can be paid, and whether the name is its holder's.

    `name_agrees` is None where the provider does not say.
    """

    exists: bool
    payable: bool
    name_agrees: bool | None = None
    reason_code: str = ""


@runtime_checkable
class ChecksAccounts(Protocol):
    """A rail that can be asked about an account before anything is paid to it."""

    async def check_account(self, provider: str, number: str, holder_name: str) -> NameCheck | None:
        """What the provider says; None where it could not be asked."""
        ...


@runtime_checkable
class Reverses(Protocol):
    """A rail that can be asked to take a settled payment back."""

    async def reverse(self, reference: str, correlation_id: UUID, at: datetime) -> Submission:
        """Ask for it: accepted, rejected, or to be asked again under the same correlation id.

        Arguments:
            reference: the rail's own name for the payment.
            correlation_id: the same on every repetition.
            at: when it was decided; the same on every repetition.
        """
        ...

    async def look(self, reference: str, batch_id: UUID) -> Document | None:
        """What the rail says of the payment now; None where it could not be asked."""
        ...
