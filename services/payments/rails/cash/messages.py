"""Codes by message: a port for the gateway that sends them, and the schedule that hands messages over.

A message leaves the database in one request of hundreds, is counted as tried before it leaves, and its code is
forgotten once the gateway has it. The gateway is asked to send a message id once, however often it hears of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, Protocol
from uuid import UUID

import httpx
import orjson

from services.payments.fields import plain
from services.payments.rails.cash import repository
from services.payments.rails.cash.model import CODE_CONTEXT, NUMBER_CONTEXT
from shared.service import Context
from shared.telemetry import get_logger

MOST: Final = 500
MOST_TRIES: Final = 10
ROUNDS: Final = 20
LEASE: Final = timedelta(seconds=60)
FIRST_PAUSE: Final = timedelta(seconds=10)
LONGEST_PAUSE: Final = timedelta(hours=2)
TIMEOUT_SECONDS: Final = 20.0
MAX_ANSWER: Final = 1024 * 1024

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """A text for one number. Number and text are personal data."""

    id: UUID
    number: str = field(repr=False)
    text: str = field(repr=False)


class MessageGateway(Protocol):
    """Sends text messages."""

    async def send(self, messages: Sequence[Message]) -> set[UUID]:
        """Hand messages over; those taken. Nothing is raised: what was not taken is tried again."""
        ...


class HttpMessageGateway:
    """A gateway over HTTP: `POST {url}` with `{"messages": [{"id", "to", "text"}]}`, answered by `{"accepted": [id]}`.

    Args:
        client: with a time-out on every call.
        url: of the gateway; a message id is sent once there, however often it is handed over.
        token: bearer token, where it asks for one.
    """

    def __init__(self, client: httpx.AsyncClient, url: str, token: str = "") -> None:
        self._client = client
        self._url = url
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})

    async def send(self, messages: Sequence[Message]) -> set[UUID]:
        """Hand them over in one request."""
        body = orjson.dumps({"messages": [{"id": str(m.id), "to": m.number, "text": m.text} for m in messages]})
        try:
            response = await self._client.post(self._url, content=body, headers=self._headers)
            response.raise_for_status()
            accepted = orjson.loads(response.content[:MAX_ANSWER])["accepted"]
            return {UUID(str(item)) for item in accepted}
        except (httpx.HTTPError, orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            log.warning("message_gateway_failed", error=type(error).__name__, count=len(messages))
            return set()


def text_of(reference: str, code: str, amount: Decimal, currency: str, until: date) -> str:
    """What a payee reads: Khmer, then English."""
    money = f"{plain(amount)} {currency}"
    return (
        f"សមាគី៖ លោកអ្នកអាចបើកប្រាក់ {money} នៅភ្នាក់ងារ រហូតដល់ {until.isoformat()}។ លេខយោង {reference} លេខកូដ {code}។ "
        f"Samaki: collect {money} at an agent until {until.isoformat()}. Reference {reference}, code {code}. "
        "Tell nobody but the agent."
    )


async def send_messages(context: Context, gateway: MessageGateway) -> int:
    """Hand over what is due, some hundreds at a time.

    Returns:
        How many the gateway took.
    """
    sent = 0
    for _ in range(ROUNDS):
        now = context.clock.now()
        async with context.database.session() as session:
            rows = await repository.take_messages(session, now, now + LEASE, MOST)
        if not rows:
            break
        taken = await gateway.send([_message(context, row) for row in rows])
        await _record(context, rows, taken)
        sent += len(taken)
    return sent


def _message(context: Context, row: Any) -> Message:
    cipher = context.resources.cipher
    code = cipher.decrypt(bytes(row.code_encrypted), CODE_CONTEXT)
    number = cipher.decrypt(bytes(row.number_encrypted), NUMBER_CONTEXT)
    return Message(row.id, number, text_of(row.reference, code, row.amount, row.currency, row.window_until))


async def _record(context: Context, rows: Sequence[Any], taken: set[UUID]) -> None:
    now = context.clock.now()
    failed: dict[int, list[UUID]] = {}
    for row in rows:
        if row.id not in taken:
            failed.setdefault(row.tries, []).append(row.id)
    async with context.database.session() as session:
        await repository.sent(session, [row.id for row in rows if row.id in taken], now)
        for tries, ids in failed.items():
            pause = min(FIRST_PAUSE * (1 << min(tries - 1, 12)), LONGEST_PAUSE)
            await repository.not_sent(session, ids, "not_taken", MOST_TRIES, now + pause)


async def send_cash_messages(context: Context) -> None:
    """The schedule: nothing happens while no gateway is configured; codes then wait, encrypted."""
    settings = context.settings
    if not settings.cash_message_url:
        return
    token = settings.cash_message_token.get_secret_value() if settings.cash_message_token else ""
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False) as client:
        await send_messages(context, HttpMessageGateway(client, settings.cash_message_url, token))
