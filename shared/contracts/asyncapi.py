"""The AsyncAPI 3.0 document of the platform's events: topics as channels, Kafka bindings, CloudEvents headers."""

from __future__ import annotations

from typing import Any, Final

from shared.bus.port import RETENTION_DAYS
from shared.contracts import EVENTS, PRODUCERS, TOPICS, EventPayload
from shared.contracts.samples import sample

BINDING_VERSION: Final = "0.5.0"
_DESCRIPTION: Final = """\
Every fact that Samaki's services tell each other, and that other ministries may consume.

Events are CloudEvents 1.0 in Kafka binary mode: attributes are headers (`ce_id`, `ce_type` ...), the value is the
JSON payload, the key is the aggregate's id. Events of one key keep their order. Delivery is at least once: recognise a
repetition by `ce_id`, and ignore a payload whose `version` is older than the one you have. Types only ever gain
optional fields; any other change is a new version of the type. No event carries a name, an identity number, a phone
or an account number.
"""


def document() -> dict[str, Any]:
    """The whole document."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Samaki events", "version": "1.0.0", "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{broker}",
                "protocol": "kafka",
                "description": "Apache Kafka, or the platform's log in PostgreSQL behind the same port.",
                "variables": {"broker": {"default": "localhost:9092", "description": "Bootstrap server."}},
            }
        },
        "channels": {topic: _channel(topic, events) for topic, events in TOPICS.items()},
        "operations": {f"publish-{topic}": _operation(topic, events) for topic, events in TOPICS.items()},
        "components": {
            "messages": {event.TYPE: _message(event) for event in EVENTS.values()},
            "messageTraits": {"cloudEvent": _cloud_event_trait()},
        },
    }


def _channel(topic: str, events: tuple[type[EventPayload], ...]) -> dict[str, Any]:
    keys = sorted({event.KEY for event in events})
    return {
        "address": topic,
        "description": f"Published by {PRODUCERS[topic]}; keyed by {' or '.join(keys)}.",
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {event.TYPE: {"$ref": f"#/components/messages/{event.TYPE}"} for event in events},
        "bindings": {
            "kafka": {
                "topic": topic,
                "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": RETENTION_DAYS * 86_400_000},
                "bindingVersion": BINDING_VERSION,
            }
        },
    }


def _operation(topic: str, events: tuple[type[EventPayload], ...]) -> dict[str, Any]:
    return {
        "action": "send",
        "title": f"{PRODUCERS[topic]} publishes on {topic}",
        "channel": {"$ref": f"#/channels/{topic}"},
        "messages": [{"$ref": f"#/channels/{topic}/messages/{event.TYPE}"} for event in events],
    }


def _message(event: type[EventPayload]) -> dict[str, Any]:
    return {
        "name": event.TYPE,
        "title": event.__name__,
        "summary": (event.__doc__ or "").strip().split("\n")[0],
        "contentType": "application/json",
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-07",
            "schema": {"$ref": f"./schemas/{event.TYPE}.json"},
        },
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": f"The payload's {event.KEY}."},
                "bindingVersion": BINDING_VERSION,
            }
        },
        "examples": [{"name": "sample", "payload": sample(event).model_dump(mode="json")}],
    }


def _cloud_event_trait() -> dict[str, Any]:
    def text(description: str, **more: Any) -> dict[str, Any]:
        return {"type": "string", "description": description, **more}

    return {
        "headers": {
            "type": "object",
            "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject"],
            "properties": {
                "ce_specversion": text("CloudEvents version.", const="1.0"),
                "ce_id": text("Unique for ever: recognise a repetition by it.", format="uuid"),
                "ce_source": text("The service that published it.", pattern="^/samaki/[a-z]+$"),
                "ce_type": text("Event type.", pattern=r"^samaki\.[a-z]+\.[a-z_]+\.[a-z_]+\.v[1-9][0-9]*$"),
                "ce_time": text("When it became true, UTC.", format="date-time"),
                "ce_subject": text("The aggregate's id, equal to the key."),
                "ce_partitionkey": text("The key."),
                "content-type": text("Of the value.", const="application/json"),
                "ce_traceparent": text("W3C trace context of the work that caused it."),
                "traceparent": text("The same, for tools that look here."),
            },
        }
    }
