"""Sends the operator's callbacks, signed as agreed:

X-Signature = hex(HMAC-SHA256(secret, X-Date + "\\n" + X-CorrelationID + "\\n" + body)). Written apart from the
platform's own check on purpose: two readings of one agreement.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

import httpx
import orjson

from deploy.simulators.mobile_money.behaviour import Wallet
from deploy.simulators.mobile_money.schemas import CATEGORIES, error_object
from deploy.simulators.mobile_money.state import Batch, Books, Reversal, now

TRIES = 4
FIRST_PAUSE_SECONDS = 0.5


class CallbackSender:
    """Sends a batch's callbacks, with a few tries each.

    Arguments:
        client: for calling the subscriber.
        secret: the shared key.
        books: tells how to misbehave, and counts what was sent.
    """

    def __init__(self, client: httpx.AsyncClient, secret: str, books: Books) -> None:
        self._client = client
        self._secret = secret
        self._books = books

    async def send(self, batch: Batch) -> None:
        """All callbacks of a decided batch."""
        behaviour = self._books.behaviour
        if not batch.callback_url or behaviour.callbacks == "off":
            return
        if behaviour.callback_delay_ms:
            await asyncio.sleep(behaviour.callback_delay_ms / 1000)
        for body in _bodies(batch, one_each=batch.single or behaviour.callbacks == "transaction"):
            if behaviour.forge:
                await self._put(batch, body, "not the secret", tries=1)
            for _ in range(behaviour.callback_copies):
                await self._put(batch, body, self._secret)

    async def tell(self, reversal: Reversal) -> None:
        """The callback of a reversal: what it became, or the error it failed with."""
        if not reversal.callback_url or self._books.behaviour.callbacks == "off":
            return
        failed = error_object("businessRule", "incorrectState")
        await self._put(
            reversal, orjson.dumps(failed if reversal.status == "failed" else reversal.view()), self._secret
        )

    async def _put(self, batch: Batch | Reversal, body: bytes, secret: str, tries: int = TRIES) -> None:
        for attempt in range(tries):
            sent_at = now()
            message = sent_at.encode() + b"\n" + batch.correlation_id.encode() + b"\n" + body
            headers = {
                "Content-Type": "application/json",
                "X-Date": sent_at,
                "X-CorrelationID": batch.correlation_id,
                "X-Signature": hmac.new(secret.encode(), message, hashlib.sha256).hexdigest(),
            }
            try:
                response = await self._client.put(batch.callback_url, content=body, headers=headers)
            except httpx.HTTPError:
                outcome = "unreachable"
            else:
                outcome = str(response.status_code)
            self._books.callbacks[outcome] += 1
            if outcome != "unreachable" and not outcome.startswith("5"):
                return
            if attempt + 1 < tries:
                await asyncio.sleep(FIRST_PAUSE_SECONDS * 2**attempt)


def _bodies(batch: Batch, *, one_each: bool) -> Iterator[bytes]:
    if not one_each:
        yield orjson.dumps(batch.view())
    for transaction in [*batch.completed, *batch.rejected]:
        if batch.single and transaction.status == "failed":  # a request that failed is told of as an error
            code = str(transaction.fate)
            yield orjson.dumps(error_object(CATEGORIES.get(code, "businessRule"), code))
        elif one_each:
            yield orjson.dumps(transaction.view())
        if transaction.fate is Wallet.CONTRADICTORY:
            contradiction: dict[str, Any] = {**transaction.view(), "transactionStatus": "failed"}
            yield orjson.dumps(contradiction)
