"""Running one statement over the population in ranges of ids, on two connections at once.

One statement of PostgreSQL works on one core; two ranges side by side use both. Ranges are disjoint, each is a
transaction
of its own that commits only while the job is this worker's, and what a statement writes does not depend on their order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, text, true
from sqlalchemy.ext.asyncio import AsyncSession

from shared.jobs import JobRun

LANES: Final = 2
ROOMY: Final = text("SET LOCAL work_mem = '64MB'")
"""A range's intermediate rows stay in memory: with the default they go to disk and back several times."""

Work = Callable[[AsyncSession, UUID | None, UUID], Awaitable[int]]
"""`await work(session, after, until)` does the ids in (after, until] and returns how many rows it made."""


@dataclass(frozen=True)
class Range:
    """Ids in (after, until]; `after` None: from the first."""

    after: UUID | None
    until: UUID

    def holds(self, column: Any) -> ColumnElement[bool]:
        """SQL: the column lies in the range."""
        return and_(column <= self.until, true() if self.after is None else column > self.after)


async def in_ranges(run: JobRun, bounds: Sequence[tuple[UUID, int]], work: Work, what: str) -> int:
    """Do every range, two at a time.

    Args:
        bounds: (last id, units up to it) of each range, ascending.
        what: for the progress, e.g. `households decided`.

    Returns:
        The sum of what the ranges returned.

    Raises:
        LeaseLost: another worker has the job.
    """
    total = bounds[-1][1] if bounds else 0
    ranges: deque[tuple[UUID | None, UUID, int]] = deque()
    after, reached = None, 0
    for until, position in bounds:
        ranges.append((after, until, position - reached))
        after, reached = until, position
    made = done = 0

    async def lane() -> None:
        nonlocal made, done
        while ranges:
            begin, end, size = ranges.popleft()
            async with run.context.database.session() as session:
                await session.execute(ROOMY)
                rows = await work(session, begin, end)
                # Last, not first: it locks the job's row, and the lanes would wait for each other all the time.
                await run.still_mine(session)
            made += rows
            done += size
            await run.progress(done, total, what)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(LANES, len(ranges))):
                group.create_task(lane())
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from several  # the first failure stopped the others
    return made
