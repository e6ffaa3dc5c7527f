"""The bus as the platform sees it: what a publisher and a subscriber promise, whatever carries the messages.

Errors:
    PublishFailed   nothing may be assumed about the batch: the caller sends all of it again
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from pydantic import SecretStr

from shared.events import Event, MalformedEvent

RETENTION_DAYS: Final = 14
"""How long the bus keeps events. Shorter than the inbox remembers their ids (30 days)."""


class PublishFailed(Exception):
    """Not every event was acknowledged. Sending all of them again is safe: receivers know events by their id."""


class BusSettings(Protocol):
    """The part of `shared.settings.Settings` that the bus reads."""

    @property
    def bus(self) -> Literal["kafka", "postgres"]: ...
    @property
    def kafka_bootstrap_servers(self) -> str: ...
    @property
    def bus_database_url(self) -> SecretStr | None: ...
    @property
    def bus_partitions(self) -> int: ...
    @property
    def bus_replication(self) -> int: ...
    @property
    def topic_prefix(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as received: an event, or what was wrong with it.

    Attributes:
        event: None when the message is malformed.
        malformed: the reason, when it is.
        topic: logical topic, without prefix.
        offset: place in its partition; deliveries of one partition come in this order.
        raw_key, raw_value, raw_headers: the message itself, to be parked when it cannot be used.
    """

    event: Event | None
    malformed: str | None
    topic: str
    partition: int
    offset: int
    raw_key: bytes | None
    raw_value: bytes | None
    raw_headers: tuple[tuple[str, bytes], ...]

    @classmethod
    def read(
        cls,
        topic: str,
        partition: int,
        offset: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]],
    ) -> Delivery:
        """Parse one message. Never raises: a malformed one is delivered as such, so that it can be parked."""
        event: Event | None = None
        malformed: str | None = None
        try:
            event = Event.from_kafka(topic, key, value, headers)
        except MalformedEvent as error:
            malformed = error.reason
        return cls(event, malformed, topic, partition, offset, key, value, tuple(headers))

    @classmethod
    def restore(
        cls, topic: str, partition: int, offset: int, key: str, headers: Iterable[Sequence[str]], value: bytes
    ) -> Delivery:
        """The delivery that was parked as these texts."""
        pairs = [(name, text.encode()) for name, text in headers]
        return cls.read(topic, partition, offset, key.encode(), value, pairs)


class Publisher(Protocol):
    """Puts events on the bus."""

    async def start(self) -> None:
        """Connect; waits for the broker as long as it takes."""
        ...

    async def stop(self) -> None:
        """Disconnect. Waits for nothing: what was not acknowledged was not published."""
        ...

    async def publish(self, events: Sequence[Event]) -> None:
        """Publish in order per key; returns when all are acknowledged by every in-sync replica.

        Raises:
            PublishFailed: some may be on the bus and some not; send all again.
        """
        ...


class Subscriber(Protocol):
    """Receives the events of some topics as a member of a group. Members share the partitions."""

    async def start(self) -> None:
        """Connect and join the group; waits for the broker as long as it takes."""
        ...

    async def stop(self) -> None:
        """Leave the group. Nothing is committed."""
        ...

    async def poll(self, max_events: int, timeout_s: float) -> list[Delivery]:
        """The next messages, in order per partition; empty when none came within `timeout_s` seconds.

        May be called while earlier deliveries are not committed yet, but not while another poll is waiting.
        """
        ...

    async def commit(self, deliveries: Collection[Delivery]) -> None:
        """Remember that these are done. Deliveries of partitions since given to another member are left out.

        Never raises for a broker that is away: what is not committed is delivered again, and receivers recognise it.
        """
        ...

    async def rewind(self) -> None:
        """Go back to what was last committed: everything polled since is delivered again."""
        ...

    async def seek_to_beginning(self, topics: Collection[str]) -> None:
        """Deliver these topics again from the oldest event kept, for the partitions this member has.

        The group's offsets go back too, so that what begins here survives a crash.
        """
        ...

    async def lag(self) -> int:
        """How many events of this member's partitions are on the bus and not committed."""
        ...
