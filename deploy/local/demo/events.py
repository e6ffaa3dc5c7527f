"""Events published and consumed, held against each other: who hears what is design.md section 3."""

from __future__ import annotations

from dataclasses import dataclass

from deploy.local.demo.client import Officer, Screen
from shared.contracts import PRODUCERS

LISTENERS = {
    "registry.households": ("eligibility", "insights"),
    "eligibility.enrolments": ("payments", "insights"),
    "eligibility.entitlements": ("payments", "insights"),
    "eligibility.cycles": ("payments", "insights"),
    "payments.payments": ("grievance", "insights"),
    "payments.cycles": ("insights",),
    "grievance.cases": ("payments", "insights"),
}


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
    services = sorted({*PRODUCERS.values(), *(name for names in LISTENERS.values() for name in names)})
    totals = {name: auditor.get(f"/{name}/v1/ops/events") for name in services}
    return [
        TopicCount(
            topic,
            totals[PRODUCERS[topic]]["published"].get(topic, 0),
            {name: totals[name]["consumed"].get(topic, 0) for name in listeners},
            totals[PRODUCERS[topic]]["outbox"],
            sum(totals[name]["parked"] for name in listeners),
        )
        for topic, listeners in LISTENERS.items()
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
