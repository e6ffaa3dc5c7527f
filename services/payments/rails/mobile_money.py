"""A mobile money operator by the GSMA Mobile Money API 1.2, disbursement use cases (batch transactions).

    POST /batchtransactions             X-CorrelationID = the batch's id, X-Callback-URL; 202 with a request state
    GET  /responses/{correlationId}     after a lost answer: where the batch is, or 404: the operator never had it
    GET  /requeststates/{id}            the operator's id of the batch, where the 202 did not carry it
    GET  /batchtransactions/{id}        counts
    GET  /batchtransactions/{id}/completions, /rejections      the lines, in pages

The operator deduplicates on X-CorrelationID, so the same batch sent again is the same batch.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC
from typing import Any
from uuid import UUID

import httpx
import orjson

from services.payments.rails.http import TooMuch, classify, read_capped
from services.payments.rails.pain001 import plain
from services.payments.rails.port import Answer, BatchHeader, Document, Instruction, Media, Submission
from services.payments.reconciliation.gsma import COMPLETIONS, REJECTIONS
from shared.telemetry import get_logger

SOURCE = "mobile_money"
PAGE = 500
MAX_PAGES = 2_000
MAX_ANSWER = 16 * 1024 * 1024

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
        """Send the batch under its correlation id.

        Raises:
            ValueError: the instructions are not what the batch promises; nothing was sent.
        """
        body = self._body(batch, instructions)
        try:
            response = await self._client.post(
                "/batchtransactions",
                content=body,
                headers={
                    "Content-Type": "application/json",
                    "X-CorrelationID": str(batch.id),
                    "X-Date": batch.created_at.astimezone(UTC).isoformat(),
                    "X-Callback-URL": self._callback_url,
                },
            )
        except httpx.HTTPError as error:
            return classify(error)
        if response.is_success:
            return await self._located(_json(response))
        submission = classify(response)
        if submission.answer is Answer.REJECTED:
            code = str(_json(response).get("errorCode") or "genericError")[:35]
            if code == "duplicateRequest":
                return await self.query(batch)
            return Submission(Answer.REJECTED, reason_code=code, reason="the operator refused the batch")
        return submission

    async def query(self, batch: BatchHeader) -> Submission:
        """Ask by our own correlation id what became of the batch."""
        answer = await self._get(f"/responses/{batch.id}")
        if isinstance(answer, Submission):
            return answer
        link = str(answer.get("link") or "")
        kind, _, identifier = link.strip("/").rpartition("/")
        if kind.endswith("batchtransactions") and identifier:
            return Submission(Answer.ACCEPTED, reference=identifier)
        if kind.endswith("requeststates") and identifier:
            state = await self._get(f"/requeststates/{identifier}")
            return state if isinstance(state, Submission) else await self._located(state)
        return Submission(Answer.UNKNOWN, reason="the operator's link cannot be read")

    async def fetch(self, open_batches: Sequence[BatchHeader]) -> AsyncIterator[Document]:
        """The lines of each batch that has news, a page at a time."""
        for batch in open_batches:
            if not batch.reference:
                continue
            summary = await self._get(f"/batchtransactions/{batch.reference}")
            if isinstance(summary, Submission):
                continue
            for kind, count in ((COMPLETIONS, "completedCount"), (REJECTIONS, "rejectionCount")):
                async for document in self._pages(batch, kind, int(summary.get(count) or 0)):
                    yield document

    async def acknowledge(self, documents: Sequence[Document]) -> None:
        """Nothing to do: an operator's pages can be read again."""

    async def _pages(self, batch: BatchHeader, kind: str, count: int) -> AsyncIterator[Document]:
        for offset in range(0, min(count, PAGE * MAX_PAGES), PAGE):
            path = f"/batchtransactions/{batch.reference}/{kind}"
            try:
                async with self._client.stream("GET", path, params={"limit": PAGE, "offset": offset}) as response:
                    response.raise_for_status()
                    body = await read_capped(response, MAX_ANSWER)
            except (httpx.HTTPError, TooMuch) as error:
                log.warning("operator_page_unreadable", batch_id=str(batch.id), error=type(error).__name__)
                return
            yield Document(SOURCE, Media.GSMA, f"{batch.reference}/{kind}/{offset}", body, kind, str(batch.id))

    async def _located(self, state: dict[str, Any]) -> Submission:
        """The operator's id of the batch, from a request state."""
        if state.get("status") == "failed":
            error = state.get("error") or {}
            return Submission(
                Answer.REJECTED,
                reason_code=str(error.get("errorCode") or "genericError")[:35],
                reason="the batch failed",
            )
        return Submission(Answer.ACCEPTED, reference=str(state.get("objectReference") or "")[:256])

    async def _get(self, path: str) -> dict[str, Any] | Submission:
        """A small JSON object, or what its absence means for a query."""
        try:
            response = await self._client.get(path)
        except httpx.HTTPError as error:
            return Submission(Answer.UNKNOWN, reason=type(error).__name__)
        if response.status_code == 404:
            return Submission(Answer.ABSENT, reason="the operator has no trace of it")
        if not response.is_success:
            return Submission(Answer.UNKNOWN, reason=f"HTTP {response.status_code}")
        return _json(response)

    def _body(self, batch: BatchHeader, instructions: Sequence[Instruction]) -> bytes:
        if len(instructions) != batch.count or sum(i.amount for i in instructions) != batch.amount:
            raise ValueError(f"batch {batch.id} does not hold what its count and amount promise")
        debit = [{"key": "accountid", "value": self._account}]
        return orjson.dumps(
            {
                "batchTitle": batch.message_id,
                "requestDate": batch.created_at.astimezone(UTC).isoformat(),
                "transactions": [
                    {
                        "type": "disbursement",
                        "requestingOrganisationTransactionReference": i.end_to_end_id,
                        "amount": plain(i.amount),
                        "currency": i.currency,
                        "debitParty": debit,
                        "creditParty": [{"key": "msisdn", "value": i.number}],
                    }
                    for i in instructions
                ],
            }
        )


def correlation(text: str) -> UUID | None:
    """An X-CorrelationID as an id, or nothing."""
    try:
        return UUID(text)
    except ValueError:
        return None


def _json(response: httpx.Response) -> dict[str, Any]:
    """An answer's JSON object; an empty one where it is none."""
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
