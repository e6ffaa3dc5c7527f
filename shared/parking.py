"""The parking place: events that could not be handled wait here with what follows on their key (fault 25).

They go on by `replay --parked` once the fault is mended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus.port import Delivery
from shared.tables import parked_event

MAX_PARKED: Final = 10_000
"""Beyond this the fault is ours, not the data's: the consumer stops rather than park a whole topic."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A delivery that goes to the parking place."""

    delivery: Delivery
    reason: str
    follows: bool = False


class TooManyParked(RuntimeError):
    """So many events were parked that the handler, not the data, must be wrong."""


async def parked_keys(session: AsyncSession, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Which of these (topic, key) have a parked event: what follows must wait behind it."""
    found = await session.execute(
        select(parked_event.c.topic, parked_event.c.key)
        .where(
            parked_event.c.topic == func.any(sorted({topic for topic, _ in keys})),
            parked_event.c.key == func.any(sorted({key for _, key in keys})),
        )
        .distinct()
    )
    return {(row.topic, row.key) for row in found}


async def park(session: AsyncSession, rejects: Sequence[Reject]) -> None:
    """Set these aside; parking one twice is parking it once."""
    rows = [
        {
            "topic": reject.delivery.topic,
            "partition": reject.delivery.partition,
            "offset": reject.delivery.offset,
            "key": (reject.delivery.raw_key or b"").decode(errors="replace").replace("\x00", ""),
            "event_id": reject.delivery.event.id if reject.delivery.event else None,
            "type": reject.delivery.event.type if reject.delivery.event else None,
            "headers": [[name, value.decode(errors="replace")] for name, value in reject.delivery.raw_headers],
            "value": reject.delivery.raw_value,
            "reason": reject.reason,
            "follows_parked": int(reject.follows),
        }
        for reject in rejects
    ]
    await session.execute(pg_insert(parked_event).values(rows).on_conflict_do_nothing())


async def number_parked(session: AsyncSession) -> int:
    """How many events wait."""
    return int(await session.scalar(select(func.count()).select_from(parked_event)) or 0)


def describe(delivery: Delivery) -> dict[str, Any]:
    """Where an event stands, for the log: no payload."""
    return {
        "topic": delivery.topic,
        "partition": delivery.partition,
        "offset": delivery.offset,
        "event_id": str(delivery.event.id) if delivery.event else None,
        "type": delivery.event.type if delivery.event else None,
    }
