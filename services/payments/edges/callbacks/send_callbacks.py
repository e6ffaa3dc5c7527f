"""Send the callbacks that are due: a try is counted before the call, an answer above 299 is tried again, with an end.

The address must lie at an origin registered for the source at the moment of sending, and its name must not lead into
this machine (`guarded.py`); redirects are not followed, and an answer's body is not read beyond its first bytes. One
callback that cannot be sent, for whatever reason, holds up no other.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import httpx

from services.payments.edges.callbacks import repository
from services.payments.edges.callbacks.guarded import GuardedTransport
from services.payments.edges.callbacks.queue_callback import BODY_CONTEXT
from services.payments.edges.protocols import ENVELOPES
from services.payments.edges.sources import repository as sources
from shared.service import Context
from shared.telemetry import get_logger

MOST_TRIES: Final = 12
"""About a day and a half of doubling pauses; then a person looks at it."""
FIRST_PAUSE: Final = timedelta(seconds=10)
LONGEST_PAUSE: Final = timedelta(hours=6)
LEASE: Final = timedelta(seconds=60)
TIMEOUT_SECONDS: Final = 10.0
_MOST: Final = 50

log = get_logger(__name__)


def pause_after(tries: int) -> timedelta:
    """How long to wait after so many tries: doubling."""
    return min(FIRST_PAUSE * (1 << min(max(tries - 1, 0), 16)), LONGEST_PAUSE)


async def send_callbacks(context: Context) -> int:
    """Send what is due, at most so many a round.

    Returns:
        How many were taken by their receivers.
    """
    sent = 0
    timeout = httpx.Timeout(TIMEOUT_SECONDS)
    transport = GuardedTransport(httpx.AsyncHTTPTransport(trust_env=False))
    async with httpx.AsyncClient(
        transport=transport, timeout=timeout, follow_redirects=False, trust_env=False
    ) as client:
        for _ in range(_MOST):
            now = context.clock.now()
            async with context.database.session() as session:
                row = await repository.take(session, now, now + LEASE)
                source = await sources.by_code(session, row.source_code) if row is not None else None
            if row is None:
                break
            allowed = source is not None and source.active and sources.source_of(source).may_be_answered_at(row.url)
            status, error = await _post(context, client, row) if allowed else (None, "address_not_registered")
            sent += await _record(context, row, status, error)
    return sent


async def _post(context: Context, client: httpx.AsyncClient, row: Any) -> tuple[int | None, str]:
    body = context.resources.cipher.decrypt(bytes(row.body_encrypted), BODY_CONTEXT).encode()
    if row.protocol in ENVELOPES:
        body = ENVELOPES[row.protocol](context, body, context.clock.now())
    headers = {"Content-Type": "application/json", "X-Callback-ID": str(row.id)}
    try:
        async with client.stream("POST", row.url, content=body, headers=headers) as response:
            return response.status_code, ""
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:  # ValueError: no name that DNS could be asked
        return None, type(error).__name__


async def _record(context: Context, row: Any, status: int | None, error: str) -> int:
    now = context.clock.now()
    taken = status is not None and 200 <= status < 300
    state = "sent" if taken else ("given_up" if row.tries >= MOST_TRIES else "waiting")
    if not taken:
        log.warning("callback_not_taken", callback=str(row.id), tries=row.tries, status=status, error=error)
    async with context.database.session() as session:
        values = {
            "id": row.id,
            "tries": row.tries,
            "state": state,
            "status": status,
            "error": error,
            "next_at": now + pause_after(row.tries),
            "now": now,
        }
        await repository.end(session, values)
    return int(taken)
