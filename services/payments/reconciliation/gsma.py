"""Reads what a mobile money operator says (GSMA Mobile Money API 1.2) into lines.

The kinds of body, by the endpoint they come from:

    transaction    callback or GET of one transaction (responseTransactionType)
    batch          callback about a batch (responseBatchTransaction): counts only, no line; its lines are fetched
    callbacks      several of the first kind, in the order they came
    error          callback about a request that failed (errorObject): refuses the batch its X-CorrelationID names;
                   `duplicateRequest` refuses nothing: it proves that the operator has the batch
    completions    page of /batchtransactions/{id}/completions
    rejections     page of /batchtransactions/{id}/rejections

A reversal (responseReversal) is a transaction of its own, of type `reversal`, about another: completed, the payment it
names came back. Where it names no payment or amount it says nothing here; the reversed transaction is looked at.

A transaction need not carry a date; without one its day is today (UTC): what says it was just sent.

Version 1.2 gives completions no amount. Money does not move on a line without one, so the operator must echo `amount`
and `currency` in each completion's `customData` (a condition of the contract with it; else a break `amount_mismatch`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from services.payments.rails.model import message_id
from services.payments.reconciliation.errors import StatementMalformed, StatementUnknownKind
from services.payments.reconciliation.model import (
    REASONS,
    DocumentHead,
    Line,
    OutcomeKind,
    Scheme,
    Statement,
    own_reference,
    rails_day,
)

TRANSACTION, BATCH, ERROR, COMPLETIONS, REJECTIONS = "transaction", "batch", "error", "completions", "rejections"
CALLBACKS = "callbacks"
GENERIC_ERROR = "genericError"
DUPLICATE_REQUEST = "duplicateRequest"
ERROR_CODES = frozenset((
    "genericError", "dailyVolumeLimitExceeded", "dailyValueLimitExceeded", "weeklyVolumeLimitExceeded",
    "weeklyValueLimitExceeded", "monthlyVolumeLimitExceeded", "monthlyValueLimitExceeded",
    "accountMaxTotalVolumeExceeded", "accountMaxTotalValueExceeded", "lessThanTransactionMinValue",
    "greaterThanTransactionMaxValue", "maxBalanceExceeded", "samePartiesError", "duplicateRequest",
    "insufficientFunds", "incorrectState", "underPaymentNotAllowed", "overPaymentNotAllowed", "rateLimitError",
    "transactionTypeError", "noMandateAuthority", "linkViolation", "countryofOriginNotPermitted",
    "nationalityNotPermitted", "idDocumentNotSupported", "issuingCountryNotSupported", "quoteHasExpired",
    "identifierError", "lengthError", "formatError", "negativeValue", "currencyNotSupported",
    "mandatoryValueNotSupplied", "invalidOffset", "clientAuthorisationError", "requestDeclined",
    "servicingPartyAuthorisationError", "requestingPartyAuthorisationError",
))  # fmt: skip
"""The harmonised codes of version 1.2. Any other word of an operator's is not kept: it might name a person."""
_DUPLICATE = "DUPL"
"""What a status report says of a message that the other side has already: see `model.DUPLICATE_MESSAGE`."""
_REVERSALS = frozenset({"reversal", "adjustment"})
_EPOCH = date(1970, 1, 1)
_AMOUNT = re.compile(r"[0-9]{1,16}(\.[0-9]{1,5})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)

_KINDS: dict[str, OutcomeKind] = {
    "completed": "settled",
    "failed": "failed",
    "declined": "failed",
    "rejected": "failed",
    "pending": "accepted",
    "reversed": "returned",
}


class GsmaReader:
    """Reads one JSON body. The counterpart of `iso20022.StatementReader`, with the same two members."""

    def __init__(self, body: bytes, kind: str, reference: str, correlation_id: str) -> None:
        self._document = _load(body)
        self._kind = kind or _guess(self._document)
        self._reference = reference
        self._correlation_id = correlation_id

    @property
    def head(self) -> DocumentHead:
        """What the body is; `original_message_id` is the batch that its X-CorrelationID names."""
        failed = self._kind == ERROR
        return DocumentHead(
            kind="pain.002" if failed else TRANSACTION if self._kind == CALLBACKS else self._kind,
            message_id=self._reference,
            original_message_id=_batch_of(self._correlation_id),
            group_status="RJCT" if failed else "",
            group_reason=_group_reason(self._document.get("errorCode")) if failed else "",
        )

    def check(self) -> Sequence[Statement]:
        """An operator makes no statements.

        Raises:
            StatementMalformed: the body is no list of objects; the one line of a callback cannot be read.
        """
        if self._kind == TRANSACTION:
            self._line(self._rows()[0], 0)  # its sender is told at once
        elif self._kind not in (BATCH, ERROR):
            self._rows()
        return ()

    def lines(self) -> Iterator[Line]:
        """The body's lines, in order; one whose fields are not what the API specifies has a `problem`."""
        if self._kind in (BATCH, ERROR):
            return
        for number, row in enumerate(self._rows()):
            try:
                yield self._line(row, number)
            except StatementMalformed as problem:
                yield Line(number, None, "", None, "", _EPOCH, problem=problem.detail or "a field cannot be read")

    def _rows(self) -> list[dict[str, Any]]:
        rows = [self._document] if self._kind == TRANSACTION else self._document
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise StatementMalformed("a list of objects was expected")
        return rows

    def _line(self, row: dict[str, Any], number: int) -> Line:
        extra = {str(i.get("key")): str(i.get("value")) for i in _objects(row.get("customData"))}
        parties = _objects(row.get("creditParty"))
        msisdn = next((str(p.get("value"))[:40] for p in parties if p.get("key") == "msisdn"), "")
        when = (
            row.get("completionDate")
            or row.get("rejectionDate")
            or row.get("modificationDate")
            or row.get("creationDate")
            or row.get("requestDate")
        )
        kind = self._outcome(row)
        if kind and self._is_reversal(row):
            kind = _reversal(kind, row)
        return Line(
            number=number,
            kind=kind,
            end_to_end_id=own_reference(_word(row.get("requestingOrganisationTransactionReference"), 140)),
            amount=_amount(row.get("amount") or extra.get("amount")),
            currency=_currency(row.get("currency") or extra.get("currency")),
            on=_day(when) if when or self._kind in (COMPLETIONS, REJECTIONS) else rails_day(datetime.now(UTC)),
            entry=_word(row.get("transactionReference"), 140),
            reason_code=_code(row.get("rejectionReason") or extra.get("errorCode")) if kind == "failed" else "",
            payee_scheme=Scheme.MSISDN if msisdn else Scheme.NONE,
            payee_number=msisdn,
        )

    def _is_reversal(self, row: dict[str, Any]) -> bool:
        return self._kind in (TRANSACTION, CALLBACKS) and str(row.get("type") or "").lower() in _REVERSALS

    def _outcome(self, row: dict[str, Any]) -> OutcomeKind | None:
        if self._kind == COMPLETIONS:
            return "settled"
        if self._kind == REJECTIONS:
            return "failed"
        return _KINDS.get(str(row.get("transactionStatus") or "").lower())


def _reversal(kind: OutcomeKind, row: dict[str, Any]) -> OutcomeKind | None:
    """What a reversal says of the payment that it names: that it came back, or nothing (refused, or it names none)."""
    named = all(row.get(name) for name in ("requestingOrganisationTransactionReference", "amount", "currency"))
    return "returned" if kind == "settled" and named else None


def _word(value: Any, most: int) -> str:
    """A value as text that the database takes: without the character NUL, which JSON allows and it does not."""
    return str(value or "").replace("\x00", "")[:most]


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _load(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise StatementMalformed("the body is not JSON") from None


def _guess(document: Any) -> str:
    """What a callback's body is: the API tells them apart by their members only."""
    if isinstance(document, dict):
        if "transactionReference" in document:
            return TRANSACTION
        if "batchId" in document:
            return BATCH
        if "errorCode" in document:
            return ERROR
    raise StatementUnknownKind("a transaction, a batch or an error object was expected")


def _code(value: Any) -> str:
    """A harmonised error code, or a bank's; free text (which may name a person) is not kept."""
    return str(value) if str(value) in ERROR_CODES or str(value) in REASONS else GENERIC_ERROR


def _group_reason(value: Any) -> str:
    """Why a request failed, in the words of batches."""
    return _DUPLICATE if value == DUPLICATE_REQUEST else _code(value)


def _batch_of(correlation_id: str) -> str:
    try:
        return message_id(UUID(correlation_id))
    except ValueError:
        return ""


def _amount(value: Any) -> Decimal | None:
    if value in (None, ""):
        return None
    if not _AMOUNT.fullmatch(str(value)):
        raise StatementMalformed("an amount is not a plain decimal number, or outside what the API allows")
    return Decimal(str(value))


def _currency(value: Any) -> str:
    if value in (None, ""):
        return ""
    if not _CURRENCY.fullmatch(str(value)):
        raise StatementMalformed("a currency is not three capital letters")
    return str(value)


def _day(value: Any) -> date:
    try:
        return rails_day(datetime.fromisoformat(str(value)))
    except (ValueError, OverflowError):
        raise StatementMalformed("a date is missing or is not a date") from None


def kind_of(body: bytes) -> str:
    """What a callback is about: a transaction, a batch that has news (its lines are fetched), or an error.

    Raises:
        StatementMalformed, StatementUnknownKind: it is nothing that the API specifies.
    """
    return _guess(_load(body))
