"""Texts that nothing can keep: PostgreSQL takes no NUL, UTF-8 no lone surrogate; JSON can spell both. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

CODE: Final = "text_not_storable"
MESSAGE: Final = "Write the text without NUL characters (\\u0000) and without halves of surrogate pairs."
Place = tuple[str | int, ...]

_NEVER: Final = re.compile(r"[\x00\ud800-\udfff]")
_SUSPECT: Final = re.compile(rb"\\u0000|\\ud[89a-f]|\x00|\xed[\xa0-\xbf]", re.IGNORECASE)
"""Bytes of which a JSON document with such a text has some: all others are not read twice. NUL bytes: UTF-16 and 32."""


def is_storable(text: str) -> bool:
    """Whether a database can keep it."""
    return _NEVER.search(text) is None


def unstorable(document: Any) -> Iterator[Place]:
    """Where a parsed JSON document has texts that cannot be kept. A name that cannot is told by its object's place."""
    waiting: list[tuple[Place, Any]] = [((), document)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, str):
            if not is_storable(value):
                yield place
        elif isinstance(value, dict):
            if not all(is_storable(name) for name in value):
                yield place
            waiting += [((*place, name), item) for name, item in reversed(value.items()) if is_storable(name)]
        elif isinstance(value, list):
            waiting += [((*place, index), item) for index, item in reversed(list(enumerate(value)))]


def unstorable_in(body: bytes) -> Iterator[Place]:
    """The same of a document as it came; one that is not JSON has none: whoever reads it says so."""
    if not _SUSPECT.search(body):
        return
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return
    yield from unstorable(document)
