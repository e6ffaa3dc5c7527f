"""Use-case: enrol by itself who newly qualifies, once a day, where the programme's file says `enrolment: automatic`.

Ageing in, a birth, a new card or a move is not always told by an event of its own, and a rule may ask for anything:
so everybody who does not take part is judged on each day, by the job that an officer's `:enrol` queues too. Its key is
the same, so that the two never run at once for one day.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Final

from services.eligibility.enrolments.enrol_programme import KIND, job_key
from services.eligibility.enrolments.looks import to_look_at
from shared import jobs
from shared.service import Context

EVERY: Final = timedelta(minutes=5)
"""How soon after midnight, and how soon after a programme that goes first."""


async def queue_newcomers(context: Context) -> None:
    """The schedule: one job a day for each programme that enrols by itself and that an officer opened."""
    today = context.clock.today()
    async with context.database.session() as session:
        due = {row.programme_code: frozenset(row.after) for row in await to_look_at(session, today)}
        for code in first_to_enrol(due):
            payload = {"programme_code": code, "effective_on": today.isoformat(), "automatic": True}
            await jobs.enqueue(session, KIND, payload, key=job_key(code, today))


def first_to_enrol(due: Mapping[str, Collection[str]]) -> list[str]:
    """Of the programmes that are due, those that need not wait for another. Pure.

    Who newly qualifies for two programmes of which one refuses the other's people must not get into both by chance:
    the one that refuses comes after the one that it names. Where they name each other, the first by its code begins.

    Args:
        due: by code, the programmes whose people it refuses.
    """
    ready = [code for code in sorted(due) if not any(other in due and other != code for other in due[code])]
    return ready or sorted(due)[:1]
