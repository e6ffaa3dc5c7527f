"""The events that services exchange: one module per producing service, the only thing they share of each other.

`EVENTS` maps each CloudEvents type to its payload model; `TOPICS` maps each topic to the types published on it;
`PRODUCERS` maps each topic to the service that owns it.
"""

from __future__ import annotations

from shared.contracts import eligibility, grievance, payments, registry
from shared.contracts.base import EventPayload

_BY_PRODUCER = {
    "registry": registry.EVENTS,
    "eligibility": eligibility.EVENTS,
    "payments": payments.EVENTS,
    "grievance": grievance.EVENTS,
}
EVENTS: dict[str, type[EventPayload]] = {event.TYPE: event for events in _BY_PRODUCER.values() for event in events}
PRODUCERS: dict[str, str] = {event.TOPIC: name for name, events in _BY_PRODUCER.items() for event in events}
TOPICS: dict[str, tuple[type[EventPayload], ...]] = {
    topic: tuple(event for event in EVENTS.values() if topic == event.TOPIC) for topic in PRODUCERS
}

__all__ = ["EVENTS", "PRODUCERS", "TOPICS", "EventPayload"]
