"""All SQL of rails' policies and health."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.rails.breaker import Health
from services.payments.rails.policy import RailPolicy

_POLICY = text("SELECT policy, version, changed_by, changed_at FROM rail_policy WHERE rail = :rail")
_POLICY_LOCKED = text("SELECT policy, version, changed_by, changed_at FROM rail_policy WHERE rail = :rail FOR UPDATE")
_KEEP_POLICY = text(
    """
    INSERT INTO rail_policy (rail, policy, version, changed_by, changed_at)
    VALUES (:rail, CAST(:policy AS jsonb), :version, :changed_by, :now)
    ON CONFLICT (rail) DO UPDATE SET policy = excluded.policy, version = excluded.version,
        changed_by = excluded.changed_by, changed_at = excluded.changed_at
    WHERE rail_policy.version = excluded.version - 1
    RETURNING version
    """
)
_KNOW = text("INSERT INTO rail_health (rail) VALUES (:rail) ON CONFLICT DO NOTHING")
_LOCK = text("SELECT * FROM rail_health WHERE rail = :rail FOR UPDATE")
_KEEP = text(
    """
    UPDATE rail_health SET failures = :failures, opened_at = :opened_at, retry_at = :retry_at,
        pause_seconds = :pause_seconds, probe_until = :probe_until, last_error = :last_error,
        answered_at = COALESCE(CAST(:answered_at AS timestamptz), answered_at)
    WHERE rail = :rail
    """
)
_POLL_DUE = text(
    """
    UPDATE rail_health SET poll_at = :until WHERE rail = :rail AND (poll_at IS NULL OR poll_at <= :now)
    RETURNING poll_wait_seconds
    """
)
_POLLED = text("UPDATE rail_health SET poll_at = :poll_at, poll_wait_seconds = :wait WHERE rail = :rail")
_POLL_SOON = text("UPDATE rail_health SET poll_at = NULL, poll_wait_seconds = 0 WHERE rail = :rail")
_OVERVIEW = text(
    """
    SELECT r.rail, h.failures, h.opened_at, h.retry_at, h.last_error, h.answered_at, h.poll_at,
        (SELECT count(*) FROM payment_attempt a WHERE a.rail = r.rail AND a.state = 'queued' AND a.batch_id IS NULL)
            AS queued,
        (SELECT count(*) FROM batch b WHERE b.rail = r.rail AND b.state = 'formed') AS formed,
        (SELECT count(*) FROM batch b WHERE b.rail = r.rail AND b.state IN ('submitting', 'unknown')) AS unknown,
        (SELECT count(*) FROM batch b WHERE b.rail = r.rail AND b.state = 'submitted') AS submitted,
        (SELECT count(*) FROM batch b WHERE b.rail = r.rail AND b.state = 'submitted'
            AND b.submitted_at < CAST(:now AS timestamptz) - make_interval(hours => r.hours)) AS silent
    FROM unnest(CAST(:rails AS text[]), CAST(:hours AS integer[])) AS r(rail, hours)
    LEFT JOIN rail_health h ON h.rail = r.rail
    """
)
_SENT_ON = text(
    """
    SELECT COALESCE(sum(amount), 0) FROM batch
    WHERE rail = :rail AND currency = :currency AND sent_on = :day AND id <> :besides
    """
)


async def policy_row(session: AsyncSession, rail: str, *, lock: bool = False) -> Any | None:
    """The policy an officer set, or nothing."""
    return (await session.execute(_POLICY_LOCKED if lock else _POLICY, {"rail": rail})).one_or_none()


async def keep_policy(
    session: AsyncSession, rail: str, policy: RailPolicy, *, version: int, changed_by: str, now: datetime
) -> bool:
    """Store a policy as this version. False when somebody else has stored it meanwhile."""
    values = {
        "rail": rail,
        "policy": policy.model_dump_json(),
        "version": version,
        "changed_by": changed_by,
        "now": now,
    }
    return (await session.execute(_KEEP_POLICY, values)).one_or_none() is not None


async def lock_health(session: AsyncSession, rail: str) -> Health:
    """A rail's health, locked until the transaction ends."""
    await session.execute(_KNOW, {"rail": rail})
    row = (await session.execute(_LOCK, {"rail": rail})).one()
    return Health(
        failures=row.failures,
        opened_at=row.opened_at,
        retry_at=row.retry_at,
        pause=timedelta(seconds=row.pause_seconds),
        probe_until=row.probe_until,
        last_error=row.last_error,
    )


async def keep_health(session: AsyncSession, rail: str, health: Health, answered_at: datetime | None = None) -> None:
    """Store a rail's health."""
    await session.execute(
        _KEEP,
        {
            "rail": rail,
            "failures": health.failures,
            "opened_at": health.opened_at,
            "retry_at": health.retry_at,
            "pause_seconds": int(health.pause.total_seconds()),
            "probe_until": health.probe_until,
            "last_error": health.last_error[:200],
            "answered_at": answered_at,
        },
    )


async def take_poll(session: AsyncSession, rail: str, now: datetime, until: datetime) -> int | None:
    """Take the turn to ask this rail, until a moment. Returns the seconds waited before; None: it is not due."""
    await session.execute(_KNOW, {"rail": rail})
    return (await session.execute(_POLL_DUE, {"rail": rail, "now": now, "until": until})).scalar_one_or_none()


async def polled(session: AsyncSession, rail: str, poll_at: datetime, wait: int) -> None:
    """When to ask next."""
    await session.execute(_POLLED, {"rail": rail, "poll_at": poll_at, "wait": wait})


async def poll_soon(session: AsyncSession, rail: str) -> None:
    """There is, or may soon be, news: ask at the next turn."""
    await session.execute(_POLL_SOON, {"rail": rail})


async def overview(session: AsyncSession, rails: dict[str, int], now: datetime) -> list[Any]:
    """Per rail: its health and what waits on it. `rails`: name to hours after which silence is remarkable."""
    values = {"rails": list(rails), "hours": list(rails.values()), "now": now}
    return list(await session.execute(_OVERVIEW, values))


async def sent_on(session: AsyncSession, rail: str, currency: str, day: Any, besides: Any) -> Any:
    """What was handed to a rail on a day in a currency, besides one batch. Read it under the rail's health lock."""
    values = {"rail": rail, "currency": currency, "day": day, "besides": besides}
    return (await session.execute(_SENT_ON, values)).scalar_one()
