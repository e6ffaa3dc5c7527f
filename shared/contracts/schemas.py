"""JSON Schemas of the events, as they are on the wire, from the payload models."""

from __future__ import annotations

from typing import Any, Final

from shared.contracts import EVENTS, EventPayload

DIALECT: Final = "http://json-schema.org/draft-07/schema#"
"""Draft 7: the one that AsyncAPI's tools and the code generators of every language read."""


def event_schema(event: type[EventPayload]) -> dict[str, Any]:
    """The JSON Schema of one event type's data. Unknown fields are allowed: receivers pass over them."""
    body = event.model_json_schema(mode="serialization", ref_template="#/definitions/{model}")
    definitions = body.pop("$defs", {})
    without_titles: dict[str, Any] = _strip_titles(body | ({"definitions": definitions} if definitions else {}))
    return {
        "$schema": DIALECT,
        "$id": f"urn:{event.TYPE.replace('.', ':')}",
        "title": event.__name__,
        **without_titles,
        "x-topic": event.TOPIC,
        "x-key": event.KEY,
    }


def all_schemas() -> dict[str, dict[str, Any]]:
    """Schema by event type."""
    return {type_: event_schema(event) for type_, event in EVENTS.items()}


def _strip_titles(node: Any) -> Any:
    """Drop the titles that pydantic derives from field names: they say nothing and fill the diffs."""
    if isinstance(node, dict):
        return {
            name: {field: _strip_titles(schema) for field, schema in value.items()}
            if name in {"properties", "definitions"}
            else _strip_titles(value)
            for name, value in node.items()
            if not (name == "title" and isinstance(value, str))
        }
    if isinstance(node, list):
        return [_strip_titles(value) for value in node]
    return node
