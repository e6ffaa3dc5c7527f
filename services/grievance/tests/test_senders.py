"""What every sender of messages keeps to: accepted once, told apart what never arrives, no address in errors or logs.

The contract runs against the file sender, the HTTP sender (before a real server on this machine) and a plugged-in one.
Whoever writes a sender adds it to RIGS.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.grievance.cases.categories import ConfigurationError
from services.grievance.notifications.senders import HttpSender, Message, Sender, Undeliverable, load_sender
from services.grievance.tests.building import Officer, run_schedule, start
from shared.ids import uuid7
from shared.testing.plugin import MakeService

PHONE = "+855 12 345 678"
MINUTES = timedelta(minutes=5)
AT = datetime(2020, 7, 1, 9, 0, tzinfo=UTC)


@dataclass
class Rig:
    """A sender before whoever takes its messages.

    Attributes:
        answer: status that the receiver gives; 0: it hangs up.
    """

    sender: Sender
    arrived: Callable[[], list[dict[str, Any]]]
    answer: list[int] = field(default_factory=lambda: [202])
    requests: list[dict[str, str]] = field(default_factory=list)


@asynccontextmanager
async def file_rig(folder: Path) -> AsyncIterator[Rig]:
    def arrived() -> list[dict[str, Any]]:
        file = folder / "messages.jsonl"
        return [orjson.loads(line) for line in file.read_bytes().splitlines()] if file.exists() else []

    yield Rig(load_sender("file", folder), arrived)


@asynccontextmanager
async def http_rig(_folder: Path) -> AsyncIterator[Rig]:
    delivered: dict[str, dict[str, Any]] = {}
    rig: Rig

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                headers = {
                    name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)
                }
                body = await reader.readexactly(int(headers["content-length"]))
                rig.requests.append(headers | {"line": lines[0]})
                if rig.answer[0] == 0:
                    return
                if rig.answer[0] == 202:
                    delivered[headers["idempotency-key"]] = orjson.loads(body)
                writer.write(f"HTTP/1.1 {rig.answer[0]} X\r\nContent-Length: 2\r\n\r\nok".encode())
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass  # the client hung up
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sender = HttpSender(f"http://127.0.0.1:{port}/messages", "secret-token", timeout_s=2)
    rig = Rig(sender, lambda: list(delivered.values()))
    try:
        yield rig
    finally:
        await sender.close()
        server.close()


class PluggedIn:
    """What a ministry would write for its own gateway."""

    def __init__(self) -> None:
        self.taken: dict[str, dict[str, Any]] = {}
        self.answer = [202]

    async def send(self, message: Message) -> None:
        if self.answer[0] == 422:
            raise Undeliverable
        if self.answer[0] != 202:
            raise OSError
        self.taken[str(message.id)] = {"id": str(message.id), "text": message.text}


@asynccontextmanager
async def plugin_rig(_folder: Path) -> AsyncIterator[Rig]:
    sender: Any = load_sender("services.grievance.tests.test_senders:PluggedIn", Path())
    yield Rig(sender, lambda: list(sender.taken.values()), answer=sender.answer)


RIGS: dict[str, Callable[[Path], AbstractAsyncContextManager[Rig]]] = {
    "file": file_rig,
    "http": http_rig,
    "plugged in": plugin_rig,
}


@pytest.fixture(params=list(RIGS))
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    async with RIGS[request.param](tmp_path / "spool") as made:
        yield made


@pytest.fixture(params=[name for name in RIGS if name != "file"])
async def refusing(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    """Those behind which somebody can refuse: not a file."""
    async with RIGS[request.param](tmp_path / "spool") as made:
        yield made


def message(words: str = "យើងបានទទួលពាក្យបណ្តឹង") -> Message:
    return Message(uuid7(), "phone", PHONE, words, AT)


async def test_an_accepted_message_arrives_whole_under_its_id(rig: Rig) -> None:
    one = message()
    await rig.sender.send(one)
    (arrived,) = rig.arrived()
    assert (arrived["id"], arrived["text"]) == (str(one.id), one.text)


async def test_many_at_once_arrive_each(rig: Rig) -> None:
    many = [message(f"message {n}") for n in range(100)]
    await asyncio.gather(*(rig.sender.send(one) for one in many))
    assert {arrived["id"] for arrived in rig.arrived()} == {str(one.id) for one in many}
    assert len(rig.arrived()) == 100


@pytest.mark.parametrize(("status", "error"), [(422, Undeliverable), (503, OSError), (429, OSError), (401, OSError)])
async def test_what_never_arrives_is_told_apart_from_what_may_and_no_error_names_the_address(
    refusing: Rig, status: int, error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    rig = refusing
    caplog.set_level(logging.DEBUG)
    rig.answer[0] = status
    one = message()
    with pytest.raises(error) as raised:
        await rig.sender.send(one)
    assert isinstance(raised.value, Undeliverable) == (error is Undeliverable)
    for place in (str(raised.value), repr(raised.value.__cause__), caplog.text):
        assert "345" not in place
    rig.answer[0] = 202
    await rig.sender.send(one)
    await rig.sender.send(one)
    assert [arrived["id"] for arrived in rig.arrived()] == [str(one.id)], "repeated under one id: delivered once"


async def test_the_http_sender_sends_its_token_and_the_same_key_at_every_attempt(tmp_path: Path) -> None:
    async with http_rig(tmp_path) as rig:
        one = message()
        for answer in (0, 500, 202):
            rig.answer[0] = answer
            try:
                await rig.sender.send(one)
            except OSError:
                assert answer != 202
        assert {request["idempotency-key"] for request in rig.requests} == {str(one.id)}
        assert {request["authorization"] for request in rig.requests} == {"Bearer secret-token"}
        assert rig.requests[0]["line"] == "POST /messages HTTP/1.1"
        assert PHONE not in "".join(request["line"] for request in rig.requests), "an address is in no URL"
        (arrived,) = rig.arrived()
        assert arrived == {"id": str(one.id), "kind": "phone", "to": PHONE, "text": one.text}


async def test_a_gateway_that_is_away_is_tried_again(tmp_path: Path) -> None:
    async with http_rig(tmp_path) as rig:
        port = rig.sender._url.rsplit(":", 1)[-1]  # type: ignore[attr-defined]
    gone = HttpSender(f"http://127.0.0.1:{port}")
    with pytest.raises(OSError, match="did not answer"):
        await gone.send(message())
    await gone.close()


@pytest.mark.parametrize("url", ["", "http://sms.example.org/send", "ftp://127.0.0.1/", "nonsense"])
def test_telephone_numbers_do_not_travel_in_clear(url: str) -> None:
    with pytest.raises(ConfigurationError, match="SAMAKI_NOTIFICATION_URL"):
        load_sender("http", Path(), url)


def test_a_sender_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match="SAMAKI_NOTIFICATION_SENDER"):
        load_sender("nowhere.module:factory", Path())


async def test_a_complaint_is_told_through_the_http_sender_once_the_gateway_is_back(
    make_service: MakeService, tmp_path: Path
) -> None:
    async with http_rig(tmp_path) as rig:
        url = rig.sender._url  # type: ignore[attr-defined]
        settings = {"notification_sender": "http", "notification_url": url, "notification_token": "t"}
        grievance = await start(make_service, **settings)
        opened = await Officer(grievance).open(contact={"kind": "phone", "value": PHONE}, language="en")
        rig.answer[0] = 503
        await run_schedule(grievance, "send_notifications")
        rig.answer[0] = 202
        for _ in range(2):
            grievance.clock.advance(MINUTES)
            await run_schedule(grievance, "send_notifications")
        (arrived,) = rig.arrived()
        assert opened["reference"] in arrived["text"]
        assert arrived["to"] == PHONE
        assert len(rig.requests) == 2
