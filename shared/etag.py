"""Optimistic locking over HTTP: ETag out, If-Match in (RFC 9110 section 13)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header

from shared.errors import BadRequest, PreconditionFailed, PreconditionRequired


def etag(version: int) -> str:
    """The strong entity tag of a version."""
    return f'"{version}"'


async def _if_match(
    if_match: Annotated[str | None, Header(description='The ETag you read, e.g. `"3"`.')] = None,
) -> int:
    if if_match is None:
        raise PreconditionRequired("Send If-Match with the ETag that you read.")
    text = if_match.strip().removeprefix("W/").strip('"')
    if not text.isdecimal():
        raise BadRequest('If-Match must be one ETag as you received it, e.g. If-Match: "3".')
    return int(text)


IfMatch = Annotated[int, Depends(_if_match)]
"""The version the client says it is changing. 428 when it does not say."""


def check_version(expected: int, actual: int) -> None:
    """Raise PreconditionFailed unless the client saw the present version."""
    if expected != actual:
        raise PreconditionFailed("Read it again, look at what changed, and repeat your change.", current_version=actual)
