"""Reads a message's body: bounded, strict JSON, numbers exact. Which shape it must have is the protocol's business."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final, NoReturn, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from services.payments.edges.errors import RequestMalformed, RequestTooLarge
from services.payments.rails.body import read_body
from shared.errors import FieldError

MAX_BODY: Final = 8 * 1024 * 1024
_MOST_ERRORS: Final = 20
M = TypeVar("M", bound=BaseModel)


async def read_json(request: Request, limit: int = MAX_BODY) -> Any:
    """The body as JSON: a fraction becomes a Decimal, never a float; a key given twice is refused.

    Raises:
        RequestTooLarge, RequestMalformed.
    """
    body = await read_body(request, limit, RequestTooLarge)
    try:
        document = json.loads(body, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_once)
        if b"\\u" in body:  # an escape may hide what no text may hold: NUL, or half of a surrogate pair
            _check_text(json.dumps(document, default=str, ensure_ascii=False))
    except (ValueError, RecursionError):
        raise RequestMalformed("Send JSON (RFC 8259) in UTF-8, each key once, without NUL characters.") from None
    return document


def without_null(data: Any) -> Any:
    """The members of an object, for a model whose specification has no null: what is not given is left out.

    Raises:
        ValueError.
    """
    if isinstance(data, dict) and any(value is None for value in data.values()):
        raise ValueError("leave out what is not given: null is no value here")
    return data


def read_as(model: type[M], document: Any) -> M:
    """The document as a message of this shape.

    Raises:
        RequestMalformed: naming each field that is wrong, never its value.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        errors = [FieldError(_path(item["loc"]), item["type"], item["msg"]) for item in found[:_MOST_ERRORS]]
        raise RequestMalformed("Correct the fields named in errors.", errors=errors) from None


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else (f".{part}" if path else str(part))
    return path


def _check_text(written: str) -> None:
    """Raise ValueError where a text cannot be stored as UTF-8."""
    if "\\u0000" in written:
        raise ValueError("NUL")
    written.encode()  # UnicodeEncodeError is a ValueError


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found
