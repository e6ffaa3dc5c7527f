"""What may change in a published event: only additions.

Two readers must both be content. A receiver that has not been upgraded reads new events: nothing that it relies on may
vanish, and no value may come that it would refuse. A replay reads old events with the new code: nothing may be demanded
that they lack. So a new optional field is fine, and everything else is a new version of the event type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

_ANNOTATIONS: Final = frozenset(
    {"title", "description", "examples", "default", "$id", "$schema", "$comment", "deprecated"}
)
_STRUCTURE: Final = frozenset({"properties", "required", "items", "anyOf", "$ref", "definitions", "prefixItems"})


def incompatibilities(old: Schema, new: Schema) -> list[str]:
    """What a change would break, one sentence each with the place it is about; empty when only things were added.

    Args:
        old: the published JSON Schema of an event type.
        new: the one that would replace it.
    """
    return sorted(set(_compare(old, new, old, new, "", frozenset())))


def _compare(
    old: Schema, new: Schema, old_root: Schema, new_root: Schema, place: str, seen: frozenset[tuple[str, str]]
) -> Iterator[str]:
    refs = (str(old.get("$ref", "")), str(new.get("$ref", "")))
    if any(refs):
        if refs in seen:
            return
        seen = seen | {refs}
    old, new = _resolve(old, old_root), _resolve(new, new_root)
    yield from _compare_constraints(old, new, place)
    yield from _compare_fields(old, new, old_root, new_root, place, seen)
    if "items" in old and "items" in new:
        yield from _compare(old["items"], new["items"], old_root, new_root, f"{place}[]", seen)
    yield from _compare_choices(old, new, old_root, new_root, place, seen)


def _compare_constraints(old: Schema, new: Schema, place: str) -> Iterator[str]:
    where = place or "the event"
    for name in sorted((set(old) | set(new)) - _ANNOTATIONS - _STRUCTURE):
        if name == "enum" and "enum" in old and "enum" in new:
            for value in old["enum"]:
                if value not in new["enum"]:
                    yield f"{where}: the value {value!r} was removed; old events carry it"
            for value in new["enum"]:
                if value not in old["enum"]:
                    yield f"{where}: the value {value!r} was added; receivers that do not know it park the event"
        elif old.get(name) != new.get(name):
            yield f"{where}: {name} changed from {old.get(name)!r} to {new.get(name)!r}"


def _compare_fields(
    old: Schema, new: Schema, old_root: Schema, new_root: Schema, place: str, seen: frozenset[tuple[str, str]]
) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    demanded_before, demanded_after = set(old.get("required", ())), set(new.get("required", ()))
    for field in before:
        path = f"{place}.{field}" if place else field
        if field not in after:
            yield f"{path}: the field was removed"
            continue
        yield from _compare(before[field], after[field], old_root, new_root, path, seen)
        if field in demanded_after - demanded_before:
            yield f"{path}: the field became required; old events may lack it"
        if field in demanded_before - demanded_after:
            yield f"{path}: the field became optional; receivers rely on it"
    for field in after:
        if field not in before and field in demanded_after:
            yield f"{f'{place}.{field}' if place else field}: a new field must be optional; old events lack it"


def _compare_choices(
    old: Schema, new: Schema, old_root: Schema, new_root: Schema, place: str, seen: frozenset[tuple[str, str]]
) -> Iterator[str]:
    """Union types, e.g. a value or null: matched one by one, in their order."""
    before, after = old.get("anyOf"), new.get("anyOf")
    if before is None and after is None:
        return
    where = place or "the event"
    if before is None or after is None or len(before) != len(after):
        yield f"{where}: the types it may have changed"
        return
    for one, other in zip(before, after, strict=True):
        yield from _compare(one, other, old_root, new_root, place, seen)


def _resolve(schema: Schema, root: Schema) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    target: Any = root
    for part in str(reference).removeprefix("#/").split("/"):
        target = target[part]
    siblings = {name: value for name, value in schema.items() if name != "$ref"}
    return {**target, **siblings}
