"""One valid sample of every event type, always the same: for documentation, and for readers that are not ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from shared.contracts import EVENTS, EventPayload
from shared.contracts.schemas import event_schema

_BY_PATTERN: Final[Mapping[str, str]] = {
    r"^[A-Z]{3}$": "KHR",
    r"^(\d{2}){1,4}$": "01020304",
    r"^[a-z][a-z0-9_]*$": "rural",
    r"^\d{4}-\d{2}$": "2020-07",
    r"^[0-9a-f]{64}$": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    r"^-?\d{1,18}(\.\d{1,2})?$": "80000",
}
_BY_FORMAT: Final[Mapping[str, str]] = {"date": "2020-07-01", "date-time": "2020-07-01T00:00:00Z"}
_BY_NAME: Final[Mapping[str, str]] = {
    "reference": "HH-7K2M9Q4X-5",
    "beneficiary_reference": "HH-7K2M9Q4X-5",
    "programme_code": "KH-CTP-COVID",
    "rail": "mobile_money",
    "relationship": "head",
    "component": "monthly_transfer",
}


def sample(event: type[EventPayload]) -> EventPayload:
    """A valid payload of this type.

    Raises:
        ValueError: a field has a pattern that this module has no sample for; add one.
    """
    schema = event_schema(event)
    return event.model_validate(_value(schema, schema, event.TYPE))


def samples() -> dict[str, EventPayload]:
    """A valid payload of every type."""
    return {type_: sample(event) for type_, event in EVENTS.items()}


def _value(schema: Mapping[str, Any], root: Mapping[str, Any], path: str) -> Any:
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        return _value(root["definitions"][name], root, path)
    if "anyOf" in schema:
        return _value(schema["anyOf"][0], root, path)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        fields: Mapping[str, Any] = schema.get("properties", {})
        return {name: _value(field, root, f"{path}.{name}") for name, field in fields.items()}
    if kind == "array":
        return [_value(schema["items"], root, f"{path}[]")]
    if kind == "integer":
        return schema.get("minimum", 1) or 1
    if kind == "boolean":
        return False
    if kind == "string":
        return _text(schema, path)
    raise ValueError(f"{path}: no sample for the type {kind!r}")


def _text(schema: Mapping[str, Any], path: str) -> str:
    name = path.rsplit(".", 1)[-1]
    if schema.get("format") == "uuid":
        return str(uuid5(NAMESPACE_URL, f"urn:samaki:sample:{name}"))
    if "format" in schema:
        return _BY_FORMAT[schema["format"]]
    if "pattern" in schema:
        if schema["pattern"] not in _BY_PATTERN:
            raise ValueError(f"{path}: no sample for the pattern {schema['pattern']!r}")
        return _BY_PATTERN[schema["pattern"]]
    return _BY_NAME.get(name, name.replace("_", "-"))
