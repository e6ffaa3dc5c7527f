"""Their specifications, where they lie beside the checkout: our messages are held to them.

Tests of behaviour use `specification`, which gives nothing where there is none, so that they run anywhere. The tests in
`test_conformance_*.py` use `required`, and are skipped there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import services.payments

SPECS = Path(os.environ.get("SAMAKI_SPECS", Path(services.payments.__file__).resolve().parents[3] / "shared" / "specs"))


class _Loader(yaml.SafeLoader):
    """Some of their operations give `parameters` twice: both are meant."""


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key, value = loader.construct_object(key_node, deep=True), loader.construct_object(value_node, deep=True)
        found[key] = [*found[key], *value] if key in found and isinstance(value, list) else value
    return found


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


@cache
def _read(*parts: str) -> str:
    path = SPECS.joinpath(*parts)
    return path.read_text(encoding="utf-8") if path.exists() else ""


def specification(*parts: str) -> dict[str, Any]:
    """A document of the specifications; an empty one, which everything agrees with, where they are not."""
    document = yaml.load(_read(*parts), _Loader) or {}
    _mend(document)
    for path, operations in document.get("paths", {}).items():
        if "/sync/" in path:
            _forget_actions(operations)
    if parts[-1] == "VoucherActivate.yml" and document:
        items = request_schema(document, "/vouchers", "put")["properties"]["VoucherInstructions"]["items"]
        items["properties"]["serialNumber"]["maxLength"] = 10
    return document


def required(*parts: str) -> dict[str, Any]:
    """A document of the specifications; the test is skipped where they are not."""
    if not _read(*parts):
        pytest.skip(f"no specifications here: {'/'.join(parts)} is not in {SPECS} (set SAMAKI_SPECS)")
    return specification(*parts)


def valid(document: dict[str, Any], schema: dict[str, Any], message: Any) -> None:
    """Raise unless a message is what a schema of this document says."""
    rooted = {**schema, "components": document.get("components", {})}
    jsonschema.validate(message, rooted, format_checker=jsonschema.FormatChecker())


def ours_only(document: dict[str, Any], schema: dict[str, Any], message: Any) -> set[str]:
    """The members of a message that the schema does not know, by path: what was misspelt where all is optional."""
    if isinstance(message, list):
        items = [one for part in _parts(document, schema) for one in [part.get("items")] if one]
        return {name for child in message for item in items[:1] for name in ours_only(document, item, child)}
    if not isinstance(message, dict):
        return set()
    known: dict[str, list[dict[str, Any]]] = {}
    for part in _parts(document, schema):
        for name, inner in part.get("properties", {}).items():
            known.setdefault(name, []).append(inner)
    if not known:  # an object of any shape
        return set()
    unknown = {name for name in message if name not in known}
    for name in message.keys() & known.keys():
        inner = {"anyOf": known[name]}
        unknown |= {f"{name}.{below}" for below in ours_only(document, inner, message[name])}
    return unknown


def _parts(document: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema and everything it is made of."""
    if "$ref" in schema:
        node: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            node = node[step]
        yield from _parts(document, node)
        return
    yield schema
    for word in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(word, ()):
            yield from _parts(document, part)


def operation(document: dict[str, Any], path: str, method: str) -> dict[str, Any]:
    """An operation, its parameters with those of its path."""
    found = document["paths"][path]
    shared = found.get("parameters", [])
    return {**found[method], "parameters": [*shared, *found[method].get("parameters", [])]}


def answer_schema(document: dict[str, Any], path: str, method: str, status: str) -> dict[str, Any]:
    """The schema of an answer."""
    if not document:
        return {}
    answer = document["paths"][path][method]["responses"][status]
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return answer["content"]["application/json"]["schema"]


def request_schema(document: dict[str, Any], path: str, method: str = "post") -> dict[str, Any]:
    """The schema of a request (of a callback, too: they describe what is sent)."""
    if not document:
        return {}
    return document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]


def _forget_actions(node: Any) -> None:
    """Any header.action: the second part of each header's `allOf` names one, copied from another call."""
    if isinstance(node, dict):
        header = node.get("header", {})
        if isinstance(header, dict) and "allOf" in header:
            header["allOf"] = header["allOf"][:1]
        for child in node.values():
            _forget_actions(child)


def _mend(node: Any) -> None:
    """What their own text contradicts (../shared/README.md, docs/edges.md "Where a specification contradicts itself").

    `type: float` is no type of JSON Schema. A required property is misspelt. (And: what a synchronous call is answered
    with is called `on-search` whatever was called, and the call itself `link`; a voucher's serial number has 10
    characters when it is made, 20 when it is asked about, and 6 when it is activated.)
    """
    if isinstance(node, dict):
        if node.get("type") == "float":
            node["type"] = "number"
        required = node.get("required")
        if isinstance(required, list) and "disburemsents" in required:
            required[required.index("disburemsents")] = "disbursements"
        for child in node.values():
            _mend(child)
    elif isinstance(node, list):
        for child in node:
            _mend(child)
