"""Which bus: by settings. Everything else sees only the port."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from shared.bus.kafka import KafkaPublisher, ensure_kafka_topics
from shared.bus.kafka_subscriber import KafkaSubscriber
from shared.bus.port import BusSettings, Publisher, Subscriber
from shared.bus.postgres_log import PostgresPublisher, ensure_log_topics
from shared.bus.postgres_subscriber import PostgresSubscriber


async def ensure_topics(settings: BusSettings, topics: Collection[str]) -> None:
    """Create the topics that are missing, with the settings' number of partitions. Existing ones are left alone.

    Raises:
        KafkaError, OSError, asyncpg.PostgresError: the bus is away or refuses.
    """
    if settings.bus == "kafka":
        await ensure_kafka_topics(settings, topics)
    else:
        await ensure_log_topics(settings, topics)


def open_publisher(settings: BusSettings) -> Publisher:
    """A publisher, not yet started."""
    return KafkaPublisher(settings) if settings.bus == "kafka" else PostgresPublisher(settings)


def open_subscriber(settings: BusSettings, group: str, topics: Sequence[str]) -> Subscriber:
    """A member of a consumer group, not yet started."""
    if settings.bus == "kafka":
        return KafkaSubscriber(settings, group, topics)
    return PostgresSubscriber(settings, group, topics)
