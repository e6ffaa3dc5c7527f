"""The message gateway's adapter against a gateway that listens on a port: what goes over the wire, and what comes back.

Slow, broken, lying and full gateways: a message counts as taken only when the gateway named it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest
from sqlalchemy import text

from services.payments.rails.cash import messages as adapter
from services.payments.rails.cash.messages import HttpMessageGateway, Message, send_cash_messages
from services.payments.rails.cash.tests.builders import CASH, SETTINGS, Desk
from services.payments.tests.builders import grants
from shared.testing.plugin import MakeService

TOKEN = "bearer of the tests"


@dataclass
class SmsGateway:
    """A gateway in the raw: keeps each request, sends each message id once, answers as told."""

    answer: Any = None
    status: int = 200
    hang: bool = False
    requests: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    sent: dict[str, str] = field(default_factory=dict)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = orjson.loads(await reader.readexactly(int(headers["content-length"])))
        self.requests.append((first, headers, body))
        for message in body["messages"]:
            self.sent.setdefault(message["id"], message["text"])
        if self.hang:
            await self.released.wait()
        answer = self.answer if self.answer is not None else {"accepted": [m["id"] for m in body["messages"]]}
        content = answer if isinstance(answer, bytes) else orjson.dumps(answer)
        writer.write(
            f"HTTP/1.1 {self.status} x\r\nContent-Length: {len(content)}\r\nConnection: close\r\n"
            "Location: http://127.0.0.1:9/elsewhere\r\n\r\n".encode()
            + content
        )
        await writer.drain()
        writer.close()


@asynccontextmanager
async def listening(gateway: SmsGateway) -> AsyncIterator[str]:
    server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/sms"
    finally:
        gateway.released.set()
        server.close()
        await server.wait_closed()


def two() -> list[Message]:
    return [Message(uuid4(), f"8551200000{n}", f"លេខកូដ {n}") for n in range(2)]


async def hand_over(url: str, messages: list[Message], timeout: float = 10) -> set[UUID]:
    async with httpx.AsyncClient(timeout=timeout, trust_env=False, follow_redirects=False) as client:
        return await HttpMessageGateway(client, url, TOKEN).send(messages)


async def test_messages_go_over_the_wire_as_documented_and_those_named_are_taken():
    gateway, messages = SmsGateway(), two()
    async with listening(gateway) as url:
        assert await hand_over(url, messages) == {message.id for message in messages}
        gateway.answer = {"accepted": [str(messages[1].id)]}
        assert await hand_over(url, messages) == {messages[1].id}
    first, headers, body = gateway.requests[0]
    assert first == "POST /sms HTTP/1.1"
    assert (headers["authorization"], headers["content-type"]) == (f"Bearer {TOKEN}", "application/json")
    assert body == {"messages": [{"id": str(m.id), "to": m.number, "text": m.text} for m in messages]}


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, {"accepted": []}),
        (429, {}),
        (302, {}),
        (200, b"not json"),
        (200, b""),
        (200, {"taken": []}),
        (200, {"accepted": None}),
        (200, {"accepted": ["not an id"]}),
        (200, [1]),
    ],
)
async def test_an_answer_that_names_nobody_leaves_every_message_to_be_tried_again(
    status: int, answer: Any, capsys: pytest.CaptureFixture[str]
):
    gateway, messages = SmsGateway(answer=answer, status=status), two()
    async with listening(gateway) as url:
        assert await hand_over(url, messages) == set()
    assert len(gateway.requests) == 1  # a redirect is not followed: codes go to one address
    told = capsys.readouterr()
    assert messages[0].number not in told.out + told.err


async def test_a_gateway_that_hangs_or_is_away_takes_nothing_and_holds_nobody_up():
    gateway, messages = SmsGateway(hang=True), two()
    async with listening(gateway) as url:
        assert await asyncio.wait_for(hand_over(url, messages, timeout=0.2), 10) == set()
    assert await hand_over(url, messages) == set()


async def test_codes_reach_payees_over_http_once_each_though_the_first_answer_was_lost(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
):
    gateway = SmsGateway(answer=b"lost")
    async with listening(gateway) as url:
        service = await make_service(CASH, **SETTINGS | {"cash_message_url": url, "cash_message_token": TOKEN})
        desk = Desk(service)
        await desk.register_agent()
        await desk.open(grants(2))
        await send_cash_messages(service.context)
        gateway.answer = None
        service.clock.advance(adapter.LEASE + adapter.FIRST_PAUSE * 2)
        await send_cash_messages(service.context)
        await send_cash_messages(service.context)
    assert len(gateway.requests) == 2  # nothing was left to send the third time
    assert len(gateway.sent) == 2
    assert gateway.requests[0][2] == gateway.requests[1][2]  # the same ids, numbers and words
    async with service.database.session() as session:
        rows = (await session.execute(text("SELECT state, code_encrypted FROM cash_message"))).all()
    assert [(row.state, row.code_encrypted) for row in rows] == [("sent", None)] * 2
