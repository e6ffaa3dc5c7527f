"""Guessing receipt codes is slow: wrong codes are counted by client and by first characters, for an hour.

Once there are too many, every look-up of that client (or with those first characters) is refused, right or wrong, so
that the answers teach nothing. The counters are shared by all processes, keep no address and no code in clear, and are
kept in a transaction of their own: the request that guessed wrong is rolled back. Codes have 100 random bits: ADR 25.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from fastapi import Request
from sqlalchemy import Column, DateTime, Integer, Table, Text, text

from services.grievance.base import Base
from services.grievance.receipts.codes import canonical
from services.grievance.resources import Desk
from shared.auth import Principal
from shared.errors import TooManyRequests
from shared.service import Context

WINDOW: Final = timedelta(hours=1)
PREFIX: Final = 5
PRUNE_EVERY: Final = timedelta(hours=1)

receipt_attempt = Table(
    "receipt_attempt",
    Base.metadata,
    Column("bucket", Text, primary_key=True),
    Column("window_start", DateTime(timezone=True), nullable=False, index=True),
    Column("failures", Integer, nullable=False),
)
"""Wrong codes within an hour, by hashed client and hashed first characters."""

_FAILURES: Final = text(
    "SELECT bucket, failures, window_start FROM receipt_attempt"
    " WHERE bucket = ANY(CAST(:buckets AS text[])) AND window_start > :since AND window_start <= :now"
)
_COUNT: Final = text(
    """
    INSERT INTO receipt_attempt (bucket, window_start, failures)
    SELECT bucket, :now, 1 FROM unnest(CAST(:buckets AS text[])) AS bucket ORDER BY bucket
    ON CONFLICT (bucket) DO UPDATE SET
      failures = CASE WHEN receipt_attempt.window_start BETWEEN :since AND :now THEN receipt_attempt.failures + 1
        ELSE 1 END,
      window_start = CASE WHEN receipt_attempt.window_start BETWEEN :since AND :now THEN receipt_attempt.window_start
        ELSE :now END
    """
)
_PRUNE: Final = text("DELETE FROM receipt_attempt WHERE window_start < :since OR window_start > :now")


class TooManyGuesses(TooManyRequests):
    """Too many wrong receipt codes."""

    code, title = "too_many_wrong_codes", "Too many wrong receipt codes"


@dataclass(frozen=True)
class Attempt:
    """Somebody tries a code: the buckets that she is counted in, with their limits."""

    buckets: Sequence[tuple[str, int]]


def attempt(desk: Desk, principal: Principal, request: Request, code: str) -> Attempt:
    """The buckets of one try. The client is the token's subject at the address that the gateway saw."""
    address = request.headers.get("x-forwarded-for", "").rsplit(",", 1)[-1].strip()
    client = desk.receipts.digest(f"{principal.subject}\x00{address}", "receipt-client").hex()
    first = (canonical(code) or "")[:PREFIX]
    prefix = desk.receipts.digest(first, "receipt-prefix").hex()
    buckets = [(f"client:{client}", desk.failures_per_client)]
    # What cannot be a code has no first characters of one: it is counted by client alone.
    return Attempt([*buckets, (f"prefix:{prefix}", desk.failures_per_prefix)] if first else buckets)


async def ensure_allowed(context: Context, tried: Attempt) -> None:
    """Raise TooManyGuesses when one of the buckets is full."""
    now = context.clock.now()
    limits = dict(tried.buckets)
    async with context.database.session() as session:
        values = {"buckets": list(limits), "since": now - WINDOW, "now": now}
        rows = (await session.execute(_FAILURES, values)).all()
    full = [row for row in rows if row.failures >= limits[row.bucket]]
    if full:
        wait = max(row.window_start for row in full) + WINDOW - now
        raise TooManyGuesses(
            "Wait an hour, and compare the code with the receipt.",
            headers={"Retry-After": str(max(1, int(wait.total_seconds())))},
        )


async def count_failure(context: Context, tried: Attempt) -> None:
    """One more wrong code in each of the buckets."""
    now = context.clock.now()
    async with context.database.session() as session:
        values = {"buckets": [bucket for bucket, _ in tried.buckets], "since": now - WINDOW, "now": now}
        await session.execute(_COUNT, values)


async def prune_attempts(context: Context) -> None:
    """Schedule: forget counters whose hour is over."""
    now = context.clock.now()
    async with context.database.session() as session:
        await session.execute(_PRUNE, {"since": now - WINDOW, "now": now})
