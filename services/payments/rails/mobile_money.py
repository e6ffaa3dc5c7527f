"""A mobile money operator by the GSMA Mobile Money API 1.2, disbursement use cases (single and batch).

    POST /batchtransactions                     several payments; POST /transactions/type/disbursement: one
                                                X-CorrelationID = the batch's id, X-Callback-URL; 202 + request state
    GET  /responses/{correlationId}             after a lost answer: where it is, or 404: the operator never had it
    GET  /requeststates/{id}                    the operator's id, where the 202 did not carry it
    GET  /batchtransactions/{id}                counts
    GET  /batchtransactions/{id}/completions, /rejections      the lines, in pages
    GET  /transactions/{reference}              the state of a single one
    POST /transactions/{reference}/reversals    asks for one back
    GET  /accounts/msisdn/{number}/status, /accountname     whether a wallet can be paid, and whose it is

The operator deduplicates on X-CorrelationID, so the same batch sent again is the same batch.

The account calls are those of the API's service definition, version 1.2 ("Accounts Status API", "Account Holder Name
API"); the disbursement OpenAPI is a part of the whole and leaves them out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import UUID

import httpx
import orjson

from services.payments.rails.holder_names import name_agrees
from services.payments.rails.http import TooMuch, classify, open_http, read_capped
from services.payments.rails.kind import RailKind
from services.payments.rails.names import MOBILE_MONEY
from services.payments.rails.pain001 import plain
from services.payments.rails.policy import RailPolicy
from services.payments.rails.port import Answer, BatchHeader, Document, Instruction, Media, NameCheck, Rail, Submission
from services.payments.reconciliation.gsma import (
    COMPLETIONS,
    DUPLICATE_REQUEST,
    ERROR_CODES,
    GENERIC_ERROR,
    REJECTIONS,
    TRANSACTION,
    GsmaReader,
)
from shared.telemetry import get_logger

if TYPE_CHECKING:
    from services.payments.settings import PaymentsSettings

SOURCE = MOBILE_MONEY
OUR_REFERENCE = "requestingOrganisationTransactionReference"
PAGE = 500
MAX_PAGES = 2_000
MAX_ANSWER = 16 * 1024 * 1024
_ANSWERS = frozenset({"status", "serverCorrelationId", "objectReference", "transactionReference"})
"""Members of a requestStateObject or of a transaction: one of them is there in whatever takes a request."""
NOT_NOW = frozenset({"rateLimitError", "clientAuthorisationError"})
"""Error codes that speak of us, not of the batch, whatever HTTP status they come with: it was not taken, try again."""
SINGLE = "transactions/"
"""Begins the reference of a batch of one, which is a transaction at the operator."""

log = get_logger(__name__)


class MobileMoneyRail:
    """The operator as a rail.

    Arguments:
        client: with the operator's base address and a time-out on every call.
        callback_url: where the operator sends its callbacks.
        account: the organisation's own account at the operator (the debit party).
    """

    name = SOURCE

    def __init__(self, client: httpx.AsyncClient, callback_url: str, account: str) -> None:
        self._client = client
        self._callback_url = callback_url
        self._account = account

    async def submit(self, batch: BatchHeader, instructions: Sequence[Instruction]) -> Submission:
        """Send the batch under its correlation id; a batch of one as a single disbursement.

        Raises:
            ValueError: the instructions are not what the batch promises; nothing was sent.
        """
        if len(instructions) != batch.count or sum(i.amount for i in instructions) != batch.amount:
            raise ValueError(f"batch {batch.id} does not hold what its count and amount promise")
        if len(instructions) == 1:
            path, body = "/transactions/type/disbursement", self._transaction(instructions[0])
        else:
            path, body = "/batchtransactions", self._batch(batch, instructions)
        try:
            response = await self._client.post(path, content=orjson.dumps(body), headers=self._headers(batch))
        except httpx.HTTPError as error:
            return classify(error)
        submission = classify(response)
        if submission.answer is Answer.ACCEPTED:
            return await self._taken(response, batch)
        if submission.answer is Answer.REJECTED:
            return await self._refused(_json(response), batch)
        return submission

    async def _taken(self, response: httpx.Response, batch: BatchHeader) -> Submission:
        """What a 2xx says: an answer that is none of the API, or another request's, is as good as a lost one."""
        state = _json(response)
        answers = response.headers.get("X-CorrelationID", str(batch.id))
        if correlation(answers) != batch.id or not _ANSWERS & state.keys():
            return Submission(Answer.UNKNOWN, reason=f"HTTP {response.status_code} without a request state")
        return await self._located(state, batch)

    async def _refused(self, error: dict[str, Any], batch: BatchHeader) -> Submission:
        """What an errorObject about a batch means: refused, taken before, or not looked at."""
        code = _code(error)
        if code == DUPLICATE_REQUEST:
            known = await self.query(batch)
            # An operator that calls it a duplicate and has no trace of it contradicts itself: a person looks.
            return Submission(Answer.UNKNOWN, reason=code) if known.answer is Answer.ABSENT else known
        if code in NOT_NOW:
            return Submission(Answer.DEFERRED, reason=code)
        return Submission(Answer.REJECTED, reason_code=code, reason="the operator refused the batch")

    async def query(self, batch: BatchHeader) -> Submission:
        """Ask by our own correlation id what became of the batch."""
        answer = await self._get(f"/responses/{batch.id}")
        if isinstance(answer, Submission):
            return answer
        link = str(answer.get("link") or "")
        kind, _, identifier = link.strip("/").rpartition("/")
        if identifier and kind.endswith("batchtransactions"):
            return Submission(Answer.ACCEPTED, reference=identifier[:256])
        if identifier and kind.endswith("transactions"):
            return Submission(Answer.ACCEPTED, reference=SINGLE + identifier[:240])
        if identifier and kind.endswith("requeststates"):
            state = await self._get(f"/requeststates/{quote(identifier, safe='')}")
            return state if isinstance(state, Submission) else await self._located(state, batch)
        return Submission(Answer.UNKNOWN, reason="the operator's link cannot be read")

    async def fetch(self, open_batches: Sequence[BatchHeader]) -> AsyncIterator[Document]:
        """The lines of each batch that has news, a page at a time."""
        for batch in open_batches:
            if batch.reference.startswith(SINGLE):
                if document := await self._single(batch):
                    yield document
            elif batch.reference:
                async for document in self._lines(batch):
                    yield document

    async def acknowledge(self, documents: Sequence[Document]) -> None:
        """Nothing to do: an operator's pages can be read again."""

    async def reverse(self, reference: str, correlation_id: UUID, at: datetime) -> Submission:
        """Ask the operator to take a completed transaction back; that it did is told by a callback or a later look.

        Arguments:
            reference: the operator's own transaction reference.
            correlation_id: the same on every repetition of this request.
        """
        headers = {
            "Content-Type": "application/json",
            "X-CorrelationID": str(correlation_id),
            "X-Date": at.astimezone(UTC).isoformat(),
            "X-Callback-URL": self._callback_url,
        }
        path = f"/transactions/{quote(reference, safe='')}"
        body: dict[str, Any] = {"type": "reversal"}
        original = await self._get(path)
        if isinstance(original, dict) and original.get(OUR_REFERENCE):
            body[OUR_REFERENCE] = str(original[OUR_REFERENCE])[:256]  # so that its callback names the payment
        try:
            response = await self._client.post(f"{path}/reversals", content=orjson.dumps(body), headers=headers)
        except httpx.HTTPError as error:
            return classify(error)
        submission = classify(response, reference=reference)
        answer = _json(response)
        if submission.answer is Answer.ACCEPTED and answer.get("status") == "failed":
            submission, answer = Submission(Answer.REJECTED), _object(answer.get("error"))
        if submission.answer is Answer.REJECTED:
            code = _code(answer)
            if code in NOT_NOW:
                return Submission(Answer.DEFERRED, reason=code)
            if code == DUPLICATE_REQUEST:
                return Submission(Answer.ACCEPTED, reference=reference)  # a repetition of what it has
            return Submission(Answer.REJECTED, reason_code=code, reason="the operator refused the reversal")
        return submission

    async def look(self, reference: str, batch_id: UUID) -> Document | None:
        """The state of one transaction, as a document."""
        body = await self._read(f"/transactions/{quote(reference, safe='')}", {}, batch_id)
        if body is None:
            return None
        return Document(SOURCE, Media.GSMA, SINGLE + reference, body, TRANSACTION, str(batch_id))

    async def check_account(self, provider: str, number: str, holder_name: str) -> NameCheck | None:
        """Ask for a wallet's status, then for its holder's name; an operator that offers neither says nothing."""
        wallet = f"/accounts/msisdn/{quote(number.lstrip('+'), safe='')}"
        status = await self._about(f"{wallet}/status")
        if status is None:
            return None
        state = str(status.get("accountStatus") or status.get("status") or "").lower()
        if status.get("errorCode") == "identifierError" or state == "unregistered":
            return NameCheck(exists=False, payable=False, reason_code="identifierError")
        if state != "available":
            return NameCheck(exists=True, payable=False, reason_code="incorrectState") if state else None
        named = await self._about(f"{wallet}/accountname")
        agrees = None if named is None else name_agrees(holder_name, named.get("name"))
        return NameCheck(exists=True, payable=True, name_agrees=agrees)

    async def _about(self, path: str) -> dict[str, Any] | None:
        """A small answer about an account; None where there is none. An errorObject is an answer."""
        try:
            response = await self._client.get(path)
        except httpx.HTTPError as error:
            log.warning("operator_account_unanswered", error=type(error).__name__)
            return None
        body = _json(response)
        known = response.status_code == httpx.codes.NOT_FOUND and body.get("errorCode") == "identifierError"
        return body if response.is_success or known else None

    async def _lines(self, batch: BatchHeader) -> AsyncIterator[Document]:
        summary = await self._get(f"/batchtransactions/{quote(batch.reference, safe='')}")
        if isinstance(summary, Submission):
            return
        for kind, name in ((COMPLETIONS, "completedCount"), (REJECTIONS, "rejectionCount")):
            told = summary.get(name)  # optional, and any JSON number
            count = min(int(told), batch.count) if isinstance(told, (int, float)) else batch.count
            async for document in self._pages(batch, kind, count):
                yield document

    async def _single(self, batch: BatchHeader) -> Document | None:
        return await self.look(batch.reference.removeprefix(SINGLE), batch.id)

    async def _pages(self, batch: BatchHeader, kind: str, count: int) -> AsyncIterator[Document]:
        """So many lines, page by page: an operator may give fewer than it is asked for, so they are counted."""
        path = f"/batchtransactions/{quote(batch.reference, safe='')}/{kind}"
        offset = 0
        for _ in range(MAX_PAGES):
            if offset >= count:
                return
            body = await self._read(path, {"limit": PAGE, "offset": offset}, batch.id)
            rows = 0 if body is None else _rows(body)
            if body is None or rows == 0:
                return
            yield Document(SOURCE, Media.GSMA, f"{batch.reference}/{kind}/{offset}", body, kind, str(batch.id))
            offset += rows

    async def _read(self, path: str, params: dict[str, int], batch_id: UUID) -> bytes | None:
        try:
            async with self._client.stream("GET", path, params=params) as response:
                response.raise_for_status()
                return await read_capped(response, MAX_ANSWER)
        except (httpx.HTTPError, TooMuch) as error:
            log.warning("operator_page_unreadable", batch_id=str(batch_id), error=type(error).__name__)
            return None

    async def _located(self, state: dict[str, Any], batch: BatchHeader) -> Submission:
        """The operator's id of the batch, from a request state."""
        if state.get("status") == "failed":
            code = _code(_object(state.get("error")))
            if code == DUPLICATE_REQUEST:
                return Submission(Answer.UNKNOWN, reason=code)
            return Submission(Answer.REJECTED, reason_code=code, reason="the batch failed")
        reference = str(state.get("objectReference") or state.get("transactionReference") or "")[:240]
        return Submission(
            Answer.ACCEPTED, reference=SINGLE + reference if reference and batch.count == 1 else reference
        )

    async def _get(self, path: str) -> dict[str, Any] | Submission:
        """A small JSON object, or what its absence means for a query."""
        try:
            response = await self._client.get(path)
        except httpx.HTTPError as error:
            return Submission(Answer.UNKNOWN, reason=type(error).__name__)
        if response.status_code == httpx.codes.NOT_FOUND:
            return Submission(Answer.ABSENT, reason="the operator has no trace of it")
        if not response.is_success:
            return Submission(Answer.UNKNOWN, reason=f"HTTP {response.status_code}")
        return _json(response)

    def _headers(self, batch: BatchHeader) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "X-CorrelationID": str(batch.id),
            "X-Date": batch.created_at.astimezone(UTC).isoformat(),
            "X-Callback-URL": self._callback_url,
        }

    def _transaction(self, i: Instruction) -> dict[str, Any]:
        return {
            "type": "disbursement",
            OUR_REFERENCE: i.end_to_end_id,
            "amount": plain(i.amount),
            "currency": i.currency,
            "debitParty": [{"key": "accountid", "value": self._account}],
            "creditParty": [{"key": "msisdn", "value": i.number}],
        }

    def _batch(self, batch: BatchHeader, instructions: Sequence[Instruction]) -> dict[str, Any]:
        return {
            "batchTitle": batch.message_id,
            "requestDate": batch.created_at.astimezone(UTC).isoformat(),
            "transactions": [self._transaction(i) for i in instructions],
        }


def correlation(text: str) -> UUID | None:
    """An X-CorrelationID as an id, or nothing."""
    try:
        return UUID(text)
    except ValueError:
        return None


def _code(error: dict[str, Any]) -> str:
    """The harmonised code of an errorObject."""
    code = str(error.get("errorCode"))
    return code if code in ERROR_CODES else GENERIC_ERROR


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _rows(body: bytes) -> int:
    """How many rows a page has; a body that is no page counts as one, for its reader to refuse."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return 1
    return len(document) if isinstance(document, list) else 1


def _json(response: httpx.Response) -> dict[str, Any]:
    """An answer's JSON object; an empty one where it is none."""
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


@asynccontextmanager
async def _open(settings: PaymentsSettings) -> AsyncIterator[Rail | None]:
    key = settings.mobile_money_api_key
    given = {
        "X-API-Key": key.get_secret_value() if key is not None else "",
        "X-Client-Id": settings.mobile_money_client_id,
    }
    headers = {name: value for name, value in given.items() if value}
    async with open_http(settings.mobile_money_url, settings.rail_timeout_seconds, headers) as client:
        yield MobileMoneyRail(client, settings.mobile_money_callback_url, settings.mobile_money_account)


def _reader(document: Document, digest: bytes) -> GsmaReader:
    """An operator's body has no id of its own: its hash is."""
    return GsmaReader(document.body, document.kind, digest.hex(), document.correlation_id)


KIND = RailKind(
    name=MOBILE_MONEY,
    title="Mobile money (GSMA API)",
    one_provider=True,
    policy=lambda settings: RailPolicy(batch_size=settings.mobile_money_batch_size),
    open=_open,
    readers={Media.GSMA: _reader},
)
