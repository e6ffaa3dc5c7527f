"""Who carries messages to complainants: a port, and the file sender that stands in where no gateway is contracted."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID

import orjson

from services.grievance.cases.categories import ConfigurationError

MAX_FILE_BYTES: Final = 10 << 20
"""The file sender turns its file over at this size and keeps one older one: it never fills a disk."""


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
    """Carries messages. Any other error than Undeliverable means: try again later."""

    async def send(self, message: Message) -> None:
        """Hand one message over; returns once it is accepted."""
        ...


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


def load_sender(name: str, directory: Path) -> Sender:
    """The configured sender.

    Raises:
        ConfigurationError: there is no such module or factory.
    """
    if name == "file":
        return FileSender(directory)
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
