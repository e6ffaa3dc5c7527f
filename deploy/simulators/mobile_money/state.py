"""The operator's books, in memory and bounded: batches, their transactions, and the money each reference was paid."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from deploy.simulators.mobile_money.behaviour import REJECTING, Behaviour, Wallet, wallet
from deploy.simulators.mobile_money.schemas import RequestTransactionType, error_object

MAX_HELD = 2_000_000
"""Transactions held in all; beyond it the operator answers serviceUnavailable."""


class Full(Exception):
    """The operator holds as much as it may."""


class NotReversible(Exception):
    """The transaction was not completed, or was taken back before."""


class Duplicate(Exception):
    """The correlation id was used for another request."""


UNNAMED = [{"key": "organisationid", "value": "client"}]
"""The party that a request need not name: whoever is connected."""


@dataclass
class Transaction:
    """One disbursement. `status` is pending, completed or failed."""

    reference: str
    client_reference: str
    amount: str
    currency: str
    msisdn: str
    credit: list[dict[str, str]]
    debit: list[dict[str, str]]
    fate: Wallet
    created: str
    status: str = "pending"
    decided: str = ""

    def paid_amount(self) -> str:
        """What the operator says it paid."""
        return str(Decimal(self.amount) - 1) if self.fate is Wallet.WRONG_AMOUNT else self.amount

    def view(self) -> dict[str, Any]:
        """A responseTransactionType."""
        return {
            "transactionReference": self.reference,
            "requestingOrganisationTransactionReference": self.client_reference,
            "type": "disbursement",
            "transactionStatus": self.status,
            "amount": self.paid_amount(),
            "currency": self.currency,
            "creditParty": self.credit,
            "debitParty": self.debit,
            "creationDate": self.created,
            "modificationDate": self.decided or self.created,
            **(
                {"customData": [{"key": "errorCode", "value": str(self.fate)}]}
                if self.status == "failed" and self.fate in REJECTING
                else {}
            ),
        }


@dataclass
class Reversal:
    """A transaction that takes another back. `status` is completed or failed."""

    reference: str
    client_reference: str
    correlation_id: str
    request_state: str
    callback_url: str
    original: Transaction
    status: str
    decided: str

    def view(self) -> dict[str, Any]:
        """A responseReversal."""
        return {
            "transactionReference": self.reference,
            "originalTransactionReference": self.original.reference,
            **({"requestingOrganisationTransactionReference": self.client_reference} if self.client_reference else {}),
            "type": "reversal",
            "transactionStatus": self.status,
            "amount": self.original.paid_amount(),
            "currency": self.original.currency,
            "creditParty": self.original.debit,
            "debitParty": self.original.credit,
            "creationDate": self.decided,
            "modificationDate": self.decided,
        }

    def request_state_object(self) -> dict[str, Any]:
        """A requestStateObject."""
        failed = {"error": error_object("businessRule", "incorrectState")} if self.status == "failed" else {}
        return {
            "serverCorrelationId": self.request_state,
            "objectReference": self.reference,
            "status": self.status,
            "notificationMethod": "callback" if self.callback_url else "polling",
            **failed,
        }


@dataclass
class Batch:
    """A batch of disbursements, or a single one (`single`)."""

    id: str
    correlation_id: str
    request_state: str
    callback_url: str
    transactions: list[Transaction]
    created: str
    title: str = ""
    single: bool = False
    said: str = ""
    completed: list[Transaction] = field(default_factory=list)
    rejected: list[Transaction] = field(default_factory=list)

    @property
    def open(self) -> int:
        """Transactions not decided."""
        return len(self.transactions) - len(self.completed) - len(self.rejected)

    def view(self) -> dict[str, Any]:
        """A responseBatchTransaction."""
        return {
            "batchId": self.id,
            "batchTitle": self.title,
            "batchStatus": "approved" if self.open else "completed",
            "processingFlag": bool(self.open),
            "approvalDate": self.created,
            "completionDate": now(),
            "completedCount": len(self.completed),
            "rejectionCount": len(self.rejected),
            "parsingSuccessCount": len(self.transactions),
        }


def now() -> str:
    """The present, as the API writes it."""
    return datetime.now(UTC).isoformat()


class Books:
    """Everything the operator knows."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self.reset()

    def reset(self) -> None:
        """A new operator."""
        self.behaviour = Behaviour()
        self.by_id: dict[str, Batch] = {}
        self.by_correlation: dict[str, Batch] = {}
        self.by_state: dict[str, Batch] = {}
        self.transactions: dict[str, Transaction] = {}
        self.reversals: dict[str, Reversal] = {}
        self.payments: Counter[str] = Counter()
        self.submissions: Counter[str] = Counter()
        self.callbacks: Counter[str] = Counter()

    def accept(
        self, correlation_id: str, callback_url: str, requests: list[RequestTransactionType], title: str, single: bool
    ) -> tuple[Batch, bool]:
        """Take a batch in, or find the one with this correlation id.

        Returns:
            The batch, and whether it is new.

        Raises:
            Full: there is no room.
            Duplicate: the correlation id came with another body.
        """
        self.submissions[correlation_id] += 1
        known = self.by_correlation.get(correlation_id)
        said = hashlib.sha256("".join(request.model_dump_json() for request in requests).encode()).hexdigest()
        if known is not None:
            if known.said != said:
                raise Duplicate
            return known, False
        if len(self.transactions) + len(requests) > MAX_HELD:
            raise Full
        batch = Batch(
            id=f"B{uuid4().hex[:16]}",
            correlation_id=correlation_id,
            request_state=str(uuid4()),
            callback_url=callback_url,
            transactions=[_transaction(request) for request in requests],
            created=now(),
            title=title,
            single=single,
            said=said,
        )
        self.by_id[batch.id] = self.by_correlation[correlation_id] = self.by_state[batch.request_state] = batch
        self.transactions.update({transaction.reference: transaction for transaction in batch.transactions})
        return batch, True

    def decide(self, batch: Batch) -> None:
        """Pay and refuse what is still open."""
        most = self.behaviour.partial or len(batch.transactions)
        for transaction in batch.transactions[:most]:
            if transaction.status != "pending" or transaction.fate is Wallet.UNDECIDED:
                continue
            transaction.decided = now()
            if transaction.fate in REJECTING:
                transaction.status = "failed"
                batch.rejected.append(transaction)
            else:
                transaction.status = "completed"
                batch.completed.append(transaction)
                self.payments[transaction.client_reference] += 1

    def reverse(
        self, reference: str, correlation_id: str, callback_url: str, client_reference: str
    ) -> tuple[Reversal, bool]:
        """Take a completed transaction back, once for each correlation id.

        Returns:
            The reversal, and whether it is new.

        Raises:
            NotReversible, Duplicate.
        """
        known = self.reversals.get(correlation_id)
        transaction = self.transactions[reference]
        if known is not None:
            if known.original is not transaction:
                raise Duplicate
            return known, False
        if transaction.status != "completed" or self.behaviour.reversals == "refuse":
            raise NotReversible
        made = Reversal(
            reference=f"R{uuid4().hex[:20]}",
            client_reference=client_reference,
            correlation_id=correlation_id,
            request_state=str(uuid4()),
            callback_url=callback_url,
            original=transaction,
            status="failed" if self.behaviour.reversals == "fail" else "completed",
            decided=now(),
        )
        self.reversals[correlation_id] = made
        if made.status == "completed":
            transaction.status, transaction.decided = "reversed", made.decided
            self.payments[transaction.client_reference] -= 1
        return made, True

    def completion(self, transaction: Transaction) -> dict[str, Any]:
        """A responseBatchTransactionCompletion."""
        amounts = [
            {"key": "amount", "value": transaction.paid_amount()},
            {"key": "currency", "value": transaction.currency},
        ]
        return {
            **_common(transaction),
            "completionDate": transaction.decided,
            "link": f"/transactions/{transaction.reference}",
            "customData": amounts if self.behaviour.echo_amounts else [],
        }

    def request_state(self, batch: Batch) -> dict[str, Any]:
        """A requestStateObject."""
        return {
            "serverCorrelationId": batch.request_state,
            "objectReference": batch.transactions[0].reference if batch.single else batch.id,
            "status": "pending" if batch.open else "completed",
            "notificationMethod": "callback" if batch.callback_url else "polling",
            "pollLimit": 100,
        }


def rejection(transaction: Transaction) -> dict[str, Any]:
    """A responseBatchTransactionRejection; the reason is the harmonised error code."""
    return {
        **_common(transaction),
        "rejectionReason": str(transaction.fate),
        "rejectionDate": transaction.decided,
    }


def _common(transaction: Transaction) -> dict[str, Any]:
    return {
        "transactionReference": transaction.reference,
        "requestingOrganisationTransactionReference": transaction.client_reference,
        "creditParty": transaction.credit,
        "debitParty": transaction.debit,
    }


def _transaction(request: RequestTransactionType) -> Transaction:
    msisdn = next((party.value for party in request.creditParty if party.key == "msisdn"), "")
    return Transaction(
        reference=f"T{uuid4().hex[:20]}",
        client_reference=request.requestingOrganisationTransactionReference,
        amount=request.amount,
        currency=request.currency,
        msisdn=msisdn,
        credit=[party.model_dump() for party in request.creditParty],
        debit=[party.model_dump() for party in request.debitParty or []] or UNNAMED,
        fate=wallet(msisdn),
        created=now(),
    )


def is_uuid(text: str) -> bool:
    """Whether a correlation id is what the API asks for."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
