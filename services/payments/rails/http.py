"""What an HTTP answer, or the lack of one, says about whether a batch left (the heart of faults.md 1)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from services.payments.rails.port import Answer, Submission

_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_NOT_TAKEN = frozenset({401, 403, 404, 405, 408, 425, 429})
"""Refused before it was looked at: our credentials, our address, or our pace."""


class TooMuch(Exception):
    """The other side sent more than we are ready to hold."""


def classify(outcome: httpx.Response | httpx.HTTPError, reference: str = "") -> Submission:
    """The meaning of a call's end.

    No connection: it never left. A time-out after connecting, a broken connection, a 5xx: it may have been acted upon.
    A 4xx that speaks of us rather than of the batch: not taken, try again. 409: something of this name is there. Other
    4xx: refused. A page for people (HTML) is no answer of a rail, whatever its status: somebody on the way wrote it.
    """
    if isinstance(outcome, httpx.HTTPError):
        answer = Answer.DEFERRED if isinstance(outcome, _NEVER_LEFT) else Answer.UNKNOWN
        return Submission(answer, reason=type(outcome).__name__)
    status = outcome.status_code
    if outcome.is_success:
        if outcome.headers.get("content-type", "").partition(";")[0].strip().lower() == "text/html":
            return Submission(Answer.UNKNOWN, reason=f"HTTP {status} with a page instead of an answer")
        return Submission(Answer.ACCEPTED, reference=reference)
    if status == httpx.codes.CONFLICT:
        return Submission(Answer.UNKNOWN, reason="HTTP 409")
    if status in _NOT_TAKEN:
        return Submission(Answer.DEFERRED, reason=f"HTTP {status}")
    if 400 <= status < 500:
        return Submission(Answer.REJECTED, reason_code="FF01", reason=f"HTTP {status}")
    return Submission(Answer.UNKNOWN, reason=f"HTTP {status}")


async def read_capped(response: httpx.Response, limit: int) -> bytes:
    """The body, at most `limit` bytes.

    Raises:
        TooMuch: it is longer.
    """
    parts, size = [], 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > limit:
            raise TooMuch
        parts.append(part)
    return b"".join(parts)


@asynccontextmanager
async def open_http(
    url: str, timeout_seconds: float, headers: Mapping[str, str] | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of one rail: a time-out on every step of every call, few connections, no proxy of the environment.

    Arguments:
        headers: what goes with every call, such as our credentials there.
    """
    limits = httpx.Limits(max_connections=8, max_keepalive_connections=4)
    timeout = httpx.Timeout(timeout_seconds)
    async with httpx.AsyncClient(
        base_url=url, timeout=timeout, limits=limits, trust_env=False, headers=headers
    ) as client:
        yield client
