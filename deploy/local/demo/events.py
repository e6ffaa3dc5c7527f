"""Events published and consumed, held against each other: who hears what is design.md section 3."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module

from deploy.local.demo.client import Officer, Screen
from deploy.local.topology import SERVICES
from shared.contracts import PRODUCERS


@cache
def listeners() -> dict[str, tuple[str, ...]]:
    """Topic -> the services that hear it, as their subscriptions say."""
    heard: dict[str, list[str]] = {}
    for service in SERVICES:
        subscriptions = import_module(f"services.{service.name}.subscriptions").SUBSCRIPTIONS
        for topic in sorted({subscription.topic for subscription in subscriptions}):
            heard.setdefault(topic, []).append(service.name)
    return {topic: tuple(names) for topic, names in sorted(heard.items())}


@dataclass(frozen=True)
class TopicCount:
    """One topic: distinct events published, and consumed by each listener."""

    topic: str
    published: int
    consumed: dict[str, int]
    waiting: int
    parked: int

    @property
    def settled(self) -> bool:
        """Everything published was consumed by everybody who listens, and nothing is parked or waits."""
        met = all(count == self.published for count in self.consumed.values())
        return met and not self.waiting and not self.parked


def count_events(auditor: Officer) -> list[TopicCount]:
    """The state of every topic, from the services' own counts."""
    heard = listeners()
    services = sorted({*PRODUCERS.values(), *(name for names in heard.values() for name in names)})
    totals = {name: auditor.get(f"/{name}/v1/ops/events") for name in services}
    return [
        TopicCount(
            topic,
            totals[PRODUCERS[topic]]["published"].get(topic, 0),
            {name: totals[name]["consumed"].get(topic, 0) for name in names},
            totals[PRODUCERS[topic]]["outbox"],
            sum(totals[name]["parked"] for name in names),
        )
        for topic, names in heard.items()
    ]


def wait_until_consumed(screen: Screen, auditor: Officer) -> list[TopicCount]:
    """Wait until every published event was consumed by every listener."""
    latest: list[TopicCount] = []

    def look() -> tuple[int, int]:
        latest[:] = count_events(auditor)
        wanted = sum(topic.published * len(topic.consumed) for topic in latest)
        heard = sum(min(count, topic.published) for topic in latest for count in topic.consumed.values())
        unsettled = not all(topic.settled for topic in latest)
        return heard, wanted + (1 if unsettled and heard == wanted else 0)

    screen.until("events reach those who listen", look)
    return latest
