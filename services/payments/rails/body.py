"""Reads a raw request body with a limit."""

from __future__ import annotations

from fastapi import Request

from shared.errors import PayloadTooLarge


async def read_body(request: Request, limit: int, problem: type[PayloadTooLarge]) -> bytes:
    """The whole body, at most `limit` bytes; stops reading at the limit.

    Raises:
        problem: it is longer.
    """
    if int(request.headers.get("content-length") or 0) > limit:
        raise problem()
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise problem()
        parts.append(part)
    return b"".join(parts)
