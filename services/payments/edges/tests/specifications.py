"""Their specifications, where they lie beside the checkout: our messages are held to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import services.payments

SPECS = Path(services.payments.__file__).resolve().parents[3] / "shared" / "specs"


def specification(*parts: str) -> dict[str, Any]:
    """A document of the specifications; the test is skipped where they are not."""
    path = SPECS.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no specifications here: {'/'.join(parts)} is not beside the checkout")
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    _mend(document)
    return document


def valid(document: dict[str, Any], schema: dict[str, Any], message: Any) -> None:
    """Raise unless a message is what a schema of this document says."""
    rooted = {**schema, "components": document.get("components", {})}
    jsonschema.validate(message, rooted, format_checker=jsonschema.FormatChecker())


def answer_schema(document: dict[str, Any], path: str, method: str, status: str) -> dict[str, Any]:
    """The schema of an answer."""
    answer = document["paths"][path][method]["responses"][status]
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return answer["content"]["application/json"]["schema"]


def request_schema(document: dict[str, Any], path: str, method: str = "post") -> dict[str, Any]:
    """The schema of a request (of a callback, too: they describe what is sent)."""
    return document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]


def _mend(node: Any) -> None:
    """`type: float` is no type of JSON Schema, and a required property is misspelt."""
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
