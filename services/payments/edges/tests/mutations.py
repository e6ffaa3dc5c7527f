"""Messages changed at one place, and whether a specification still allows them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import jsonschema

GONE = object()
"""The member is left out."""


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a message, itself first."""
    yield path
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in inner:
        yield from places(value, (*path, key))


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The message with another value, or none, at one place."""
    if not path:
        return value
    twin = copy.deepcopy(document)
    inner = twin
    for key in path[:-1]:
        inner = inner[key]
    if value is GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return twin


def broken(document: dict[str, Any], schema: dict[str, Any], message: Any) -> Iterator[tuple[str, Any]]:
    """The message with each member missing, of each wrong type and too long, where the schema forbids that.

    Yields:
        (where and how, message)
    """
    rooted = {**schema, "components": document.get("components", {})}
    validator = jsonschema.Draft7Validator(rooted, format_checker=jsonschema.FormatChecker())
    for path in places(message):
        if not path:
            continue
        values = {"gone": GONE, "null": None, "number": 17, "text": "x", "long": "x" * 1_200, "list": [], "object": {}}
        for how, value in values.items():
            if value is GONE and isinstance(path[-1], int):
                continue
            twin = changed(message, path, value)
            if not validator.is_valid(twin):
                yield f"{'.'.join(str(step) for step in path)} {how}", twin
