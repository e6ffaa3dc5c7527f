"""Who carries messages to complainants: a port; an HTTP sender for a gateway; a file sender where there is none."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import orjson

from services.grievance.cases.categories import ConfigurationError

MAX_FILE_BYTES: Final = 10 << 20
"""The file sender turns its file over at this size and keeps one older one: it never fills a disk."""
HTTP_TIMEOUT_S: Final = 8.0
MAX_CONNECTIONS: Final = 20
NEVER: Final = frozenset({400, 404, 410, 422})
"""Answers of a gateway that mean: not this message, not later either."""


@dataclass(frozen=True)
class Message:
    """One message, ready to go.

    Attributes:
        id: the same at every attempt: a gateway that knows it must not deliver twice.
        kind: `phone` or `email`.
        address: where to; personal data: not to be logged or kept.
        text: in the complainant's language.
    """

    id: UUID
    kind: str
    address: str
    text: str
    at: datetime


class Undeliverable(Exception):
    """This message will never arrive (unknown number): it is not tried again. Carries no address."""


class Sender(Protocol):
    """Carries messages. Any other error than Undeliverable means: try again later.

    What every sender keeps to is held by services/grievance/tests/test_senders.py.
    """

    async def send(self, message: Message) -> None:
        """Hand one message over; returns once it is accepted."""
        ...


class HttpSender:
    """Hands messages to an HTTP gateway for SMS and e-mail: one POST of a JSON object per message.

    The object has `id`, `kind` (phone or email), `to` and `text`; the id is also the `Idempotency-Key`, the same at
    every attempt, so that a gateway delivers once what it was asked twice. 2xx: accepted. 400, 404, 410 and 422: this
    message will never arrive. Anything else, and no answer: try again later. The answer's body is not read.

    Args:
        url: where to post; https, or http on this machine only: telephone numbers travel in it.
        token: sent as a bearer token, where there is one.

    Raises:
        ConfigurationError: no such URL, or one that would send telephone numbers in clear over a network.
    """

    def __init__(self, url: str, token: str | None = None, *, timeout_s: float = HTTP_TIMEOUT_S) -> None:
        parts = urlsplit(url)
        local = parts.hostname in {"127.0.0.1", "::1", "localhost"}
        if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
            raise ConfigurationError("SAMAKI_NOTIFICATION_URL: an https URL (http only on this machine)")
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout_s = timeout_s
        self._client: httpx.AsyncClient | None = None

    async def send(self, message: Message) -> None:
        """Post one message. Raises Undeliverable, or OSError for "try again": neither names the address."""
        if self._client is None:  # only the worker sends: other roles open nothing
            limits = httpx.Limits(max_connections=MAX_CONNECTIONS)
            self._client = httpx.AsyncClient(timeout=self._timeout_s, limits=limits, trust_env=False)
        body = {"id": str(message.id), "kind": message.kind, "to": message.address, "text": message.text}
        headers = self._headers | {"Idempotency-Key": str(message.id)}
        try:
            async with self._client.stream("POST", self._url, json=body, headers=headers) as answer:
                status = answer.status_code
        except httpx.HTTPError as error:
            raise OSError(f"the message gateway did not answer: {type(error).__name__}") from None
        if status in NEVER:
            raise Undeliverable(f"the message gateway answered {status}")
        if not 200 <= status < 300:
            raise OSError(f"the message gateway answered {status}")

    async def close(self) -> None:
        """Close connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None


class FileSender:
    """Writes messages as JSON lines into a private file, addresses masked to their last two characters.

    Args:
        directory: made when it is not there; readable by this user alone.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = asyncio.Lock()

    async def send(self, message: Message) -> None:
        """Append one line."""
        line = orjson.dumps(
            {
                "id": str(message.id),
                "at": message.at.isoformat(),
                "kind": message.kind,
                "address": "***" + message.address[-2:],
                "text": message.text,
            }
        )
        async with self._lock:
            await asyncio.to_thread(self._append, line + b"\n")

    def _append(self, line: bytes) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._directory / "messages.jsonl"
        if path.exists() and path.stat().st_size + len(line) > MAX_FILE_BYTES:
            path.replace(self._directory / "messages.1.jsonl")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(line)


def load_sender(name: str, directory: Path, url: str = "", token: str | None = None) -> Sender:
    """The configured sender.

    Args:
        name: `file`, `http`, or `package.module:factory` of your own.
        directory: of the file sender.
        url, token: of the HTTP sender.

    Raises:
        ConfigurationError: there is no such module or factory, or the URL cannot be used.
    """
    if name == "file":
        return FileSender(directory)
    if name == "http":
        return HttpSender(url, token)
    made: Sender = load_factory(name, "SAMAKI_NOTIFICATION_SENDER")()
    return made


def load_factory(name: str, variable: str) -> Callable[[], Any]:
    """The callable that `package.module:factory` names.

    Raises:
        ConfigurationError: there is none; names the variable.
    """
    module, _, attribute = name.partition(":")
    try:
        factory: Callable[[], Any] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"{variable}: no such factory: {name}") from error
    return factory
