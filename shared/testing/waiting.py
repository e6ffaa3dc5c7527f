"""Waiting for a condition with a deadline: tests never sleep for a fixed time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def wait_for(
    condition: Callable[[], T | Awaitable[T]], deadline_s: float = 10.0, what: str = "", *, every_s: float = 0.02
) -> T:
    """Ask until the condition answers something true; that is returned.

    Raises:
        AssertionError: the deadline passed; names what was waited for and the last answer.
    """
    end = time.monotonic() + deadline_s
    while True:
        answer = condition()
        value: T = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline_s} s for {what or 'a condition'}; the last answer was {value!r}")
        await asyncio.sleep(every_s)
