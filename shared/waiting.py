"""Waiting done once: capped back-off with jitter, and wake-ups by NOTIFY with a slow safety poll."""

from __future__ import annotations

import asyncio
import random
from typing import Any


class Backoff:
    """Pauses that double from `first` to `cap` seconds, with jitter, until `reset`."""

    def __init__(self, first: float = 0.1, cap: float = 5.0) -> None:
        self._first = first
        self._cap = cap
        self._next = first

    def reset(self) -> None:
        """Things work again: the next pause is short."""
        self._next = self._first

    async def pause(self, stop: asyncio.Event) -> None:
        """Wait, or return at once when told to stop."""
        seconds = self._next * random.uniform(0.8, 1.2)  # noqa: S311 spread, not secrecy
        self._next = min(self._next * 2, self._cap)
        try:
            await asyncio.wait_for(stop.wait(), seconds)
        except TimeoutError:
            return


class Wakeup:
    """Remembers that something happened until somebody waited for it."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def on_notify(self, *_: Any) -> None:
        """Listener for asyncpg's `add_listener`."""
        self._event.set()

    async def wait(self, seconds: float, stop: asyncio.Event) -> None:
        """Return on a notification (also one that came before), on stop, or after this many seconds."""
        if not self._event.is_set() and not stop.is_set():
            waiters = {asyncio.ensure_future(self._event.wait()), asyncio.ensure_future(stop.wait())}
            try:
                await asyncio.wait(waiters, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for waiter in waiters:
                    waiter.cancel()
        self._event.clear()
