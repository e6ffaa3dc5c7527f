"""An event on its way: CloudEvents 1.0 in Kafka binary mode.

Attributes travel as headers (`ce_id`, `ce_type` ...), the JSON payload as the value, the aggregate's id as the key.
Sources: CloudEvents 1.0.2, its Kafka protocol binding, its partitioning and distributed tracing extensions; W3C Trace
Context. Nothing here reads a payload: that is for `shared.contracts`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Self
from uuid import UUID

SOURCE_PREFIX: Final = "/samaki/"
CONTENT_TYPE: Final = "application/json"
MAX_DATA_BYTES: Final = 900_000
"""Largest payload, in bytes. Brokers refuse messages above one mebibyte, so a larger one could never be delivered."""

Headers = list[tuple[str, bytes]]


class MalformedEvent(Exception):
    """A message that is not an event of this platform. `reason` says which part is wrong, and quotes no payload."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@lru_cache(maxsize=1024)
def _constant_headers(source: str, event_type: str) -> tuple[tuple[str, bytes], ...]:
    return (
        ("ce_specversion", b"1.0"),
        ("ce_source", source.encode()),
        ("ce_type", event_type.encode()),
        ("content-type", CONTENT_TYPE.encode()),
    )


@dataclass(frozen=True, slots=True)
class Event:
    """One fact, as it travels.

    Attributes:
        id: unique for ever; consumers recognise a redelivery by it.
        type: CloudEvents type, `samaki.<service>.<aggregate>.<past tense>.v<N>`.
        source: `/samaki/<service>`.
        topic: logical topic, without any prefix of a test run.
        key: the aggregate's id. Events of one key keep their order.
        time: when the fact became true; aware, UTC.
        data: the payload as UTF-8 JSON.
        traceparent: W3C trace context of the work that caused it.
    """

    id: UUID
    type: str
    source: str
    topic: str
    key: str
    time: datetime
    data: bytes
    traceparent: str | None = None

    def to_kafka(self) -> tuple[bytes, bytes, Headers]:
        """Key, value and headers of the Kafka message."""
        key = self.key.encode()
        headers = [
            ("ce_id", str(self.id).encode()),
            *_constant_headers(self.source, self.type),
            ("ce_time", self.time.astimezone(UTC).isoformat().replace("+00:00", "Z").encode()),
            ("ce_subject", key),
            ("ce_partitionkey", key),
        ]
        if self.traceparent is not None:
            trace = self.traceparent.encode()
            headers += [("ce_traceparent", trace), ("traceparent", trace)]
        return key, self.data, headers

    @classmethod
    def from_kafka(
        cls, topic: str, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]
    ) -> Self:
        """Read a Kafka message.

        Args:
            topic: logical topic it came on.

        Raises:
            MalformedEvent: it has no key or value, lacks an attribute, or an attribute does not parse.
        """
        found = dict(headers)
        if key is None or not key:
            raise MalformedEvent("the message has no key")
        if value is None or not value:
            raise MalformedEvent("the message has no value")
        if _text(found, "ce_specversion") != "1.0":
            raise MalformedEvent("ce_specversion is not 1.0")
        content_type = found.get("content-type")
        if content_type is not None and not content_type.lower().startswith(b"application/json"):
            raise MalformedEvent("content-type is not application/json")
        try:
            text_key = key.decode()
        except UnicodeDecodeError:
            raise MalformedEvent("the key is not UTF-8") from None
        partition_key = found.get("ce_partitionkey")
        if partition_key is not None and partition_key != key:
            raise MalformedEvent("ce_partitionkey differs from the key")
        return cls(
            id=_identifier(_text(found, "ce_id")),
            type=_text(found, "ce_type"),
            source=_text(found, "ce_source"),
            topic=topic,
            key=text_key,
            time=_instant(_text(found, "ce_time")),
            data=value,
            traceparent=_optional_text(found, "ce_traceparent") or _optional_text(found, "traceparent"),
        )


def _optional_text(headers: dict[str, bytes | None], name: str) -> str | None:
    value = headers.get(name)
    if not value:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise MalformedEvent(f"{name} is not UTF-8") from None


def _text(headers: dict[str, bytes | None], name: str) -> str:
    text = _optional_text(headers, name)
    if text is None:
        raise MalformedEvent(f"{name} is missing")
    return text


def _identifier(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise MalformedEvent("ce_id is not a UUID") from None


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise MalformedEvent("ce_time is not an RFC 3339 time") from None
    if instant.tzinfo is None:
        raise MalformedEvent("ce_time has no offset from UTC")
    return instant.astimezone(UTC)
