"""The circuit breaker of a rail: pure rules over what is kept of its health.

    closed     calls go through; so many failures in a row open it
    open       nothing is called until `retry_at`: a rail in trouble is left alone
    half open  from then on one call, the probe, goes through; its success closes the breaker, its failure opens it
               again for twice as long

Kept in the database, so that all workers of all replicas see one breaker, and a restart forgets nothing. A call that
ends as `deferred` or `unknown` is a failure of the rail; a refusal is an answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.payments.rails.policy import RailPolicy


@dataclass(frozen=True)
class Health:
    """What is kept of a rail's calls. `failures` counts those in a row; `pause` is the present pause's length."""

    failures: int = 0
    opened_at: datetime | None = None
    retry_at: datetime | None = None
    pause: timedelta = timedelta(0)
    probe_until: datetime | None = None
    last_error: str = ""

    @property
    def open(self) -> bool:
        """Whether the breaker is open or half open."""
        return self.opened_at is not None


def waits_until(health: Health, now: datetime) -> datetime | None:
    """Until when no call may be made; None: now one may."""
    if not health.open or health.retry_at is None:
        return None
    if now < health.retry_at:
        return health.retry_at
    return health.probe_until if health.probe_until is not None and now < health.probe_until else None


def begun(health: Health, now: datetime, longest_call: timedelta) -> Health:
    """A call is about to be made: in a half open breaker it is the one probe, for as long as a call may last."""
    return replace(health, probe_until=now + longest_call) if health.open else health


def succeeded(health: Health) -> Health:
    """The rail answered: closed."""
    return Health() if health.open or health.failures else health


def failed(health: Health, policy: RailPolicy, now: datetime, error: str) -> Health:
    """The rail did not answer, or not sensibly."""
    failures = health.failures + 1
    if not health.open and failures < policy.breaker_failures:
        return replace(health, failures=failures, last_error=error)
    if health.open and health.retry_at is not None and now < health.retry_at:
        return replace(health, failures=failures, last_error=error)  # a call that began before the pause did
    longest = timedelta(seconds=policy.breaker_longest_pause_seconds)
    pause = health.pause * 2 if health.open else timedelta(seconds=policy.breaker_pause_seconds)
    pause = min(pause, longest)
    return Health(failures, health.opened_at or now, now + pause, pause, None, error)
