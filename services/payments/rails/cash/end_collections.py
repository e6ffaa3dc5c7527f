"""End collections: those whose window is over expire, and an officer cancels one. The money returns to the fund."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.days import local_day
from services.payments.instructions.model import Outcome
from services.payments.instructions.outcomes import apply_outcomes
from services.payments.metadata import Record
from services.payments.rails import repository as batches
from services.payments.rails.cash import repository
from services.payments.rails.cash.errors import CollectionEnded, CollectionNotFound
from services.payments.rails.cash.model import CollectionState
from shared import audit
from shared.auth import Principal
from shared.service import Context

CHUNK: Final = 5_000
_MOST_CHUNKS: Final = 400


async def expire_collections(context: Context) -> int:
    """Expire every open collection whose window is over, chunk by chunk (fault 14).

    Returns:
        How many ended.
    """
    ended = 0
    for _ in range(_MOST_CHUNKS):
        async with context.database.session() as session:
            due = await repository.due_to_expire(session, context.clock.today(), CHUNK)
            if due:
                ended += await end_collections(session, context, due, "expired", "agent")
        if len(due) < CHUNK:
            break
    return ended


async def end_collections(
    session: AsyncSession, context: Context, rows: Sequence[Any], kind: Literal["expired", "failed"], source: str
) -> int:
    """End these collections and their attempts in this transaction.

    Args:
        rows: each with attempt_id and batch_id.
        kind: `expired`, or `failed` for what was cancelled.

    Returns:
        How many were open.
    """
    now = context.clock.now()
    state = CollectionState.EXPIRED if kind == "expired" else CollectionState.CANCELLED
    open_ones = await repository.end(session, [row.attempt_id for row in rows], state, now)
    code, words = ("", "") if kind == "expired" else ("cancelled", "The collection was called off.")
    day = local_day(now)
    outcomes = [Outcome(attempt, kind, day, source, "collections", code, words) for attempt in sorted(open_ones)]
    # One that ended elsewhere meanwhile says so as a contradiction: its collection is closed all the same.
    await apply_outcomes(session, outcomes)
    await batches.complete(session, sorted({row.batch_id for row in rows if row.batch_id is not None}), now)
    return len(open_ones)


async def cancel_collection(
    session: AsyncSession, context: Context, principal: Principal, reference: str, reason: str
) -> Record:
    """Call one collection off: its code is void, the payment has failed and can be issued again by another person.

    Raises:
        CollectionNotFound: or not in the caller's area.
        CollectionEnded.
    """
    row = await repository.by_reference(session, reference, lock=True)
    if row is None or not principal.covers(row.village_code or None):
        raise CollectionNotFound("Look at the reference again, or ask an officer of that area.")
    if row.state != CollectionState.OPEN:
        raise CollectionEnded(f"It is {row.state}.", collection_state=row.state)
    await end_collections(session, context, [row], "failed", "officer")
    await audit.record(session, principal, "cash.cancel", "payment", str(row.payment_id), {"reason": reason})
    changed = await repository.by_reference(session, reference)
    assert changed is not None
    return changed


def by_attempt(attempt_id: UUID, batch_id: UUID | None) -> Any:
    """A row for `end_collections`, from ids."""
    return _Row(attempt_id, batch_id)


class _Row:
    def __init__(self, attempt_id: UUID, batch_id: UUID | None) -> None:
        self.attempt_id, self.batch_id = attempt_id, batch_id
