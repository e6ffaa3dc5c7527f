"""The bus: Apache Kafka, or a log in PostgreSQL where no broker can run, behind one port and one contract suite."""

from shared.bus.factory import ensure_topics, open_publisher, open_subscriber
from shared.bus.port import BusSettings, Delivery, Publisher, PublishFailed, Subscriber

__all__ = [
    "BusSettings",
    "Delivery",
    "PublishFailed",
    "Publisher",
    "Subscriber",
    "ensure_topics",
    "open_publisher",
    "open_subscriber",
]
