"""Places are split, merged or renamed: the old codes close and go on resolving; households follow set-wise.

Where one place took the old one's place, its households move there by a job, a chunk a transaction. Where it was split,
they move as the change says (`placements`); of a household that it does not name, nobody can know in which part it
lives: it stays under the closed code, and listed, until an officer says (PATCH).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.history.begin_change import begin_change
from services.registry.history.model import ChangeKind, ChangeSource, Origin
from services.registry.households.publish import publish_states
from services.registry.places import code_repository, repository
from services.registry.places.errors import BadCodeChange
from services.registry.places.schemas import CodeChange
from shared import audit
from shared.auth import Principal
from shared.errors import FieldError
from shared.jobs import JobKind, JobRun, enqueue
from shared.service import Context

FOLLOW_CODES_JOB: Final = "follow_codes"
VILLAGE: Final = 8
"""Digits of a village's code."""


async def change_codes(session: AsyncSession, context: Context, principal: Principal, change: CodeChange) -> UUID:
    """Record the change, create the new places, close the old ones. Returns the job that moves households.

    Raises:
        BadCodeChange: the codes do not fit the kind of change, or a place is missing; nothing is changed.
    """
    problems = await _problems(session, context, change)
    if problems:
        raise BadCodeChange("Correct the fields named in errors.", errors=problems)
    await code_repository.create_places(session, [place.model_dump() for place in change.new_places])
    await code_repository.record_changes(
        session,
        [(old, new) for old in change.old_codes for new in change.new_codes],
        change.kind,
        change.effective_on,
        principal.subject,
        context.clock.now(),
    )
    await code_repository.record_placements(
        session,
        change.old_codes[0],
        [(ref, placement.new_code) for placement in change.placements for ref in placement.household_refs],
        next((placement.new_code for placement in change.placements if placement.all_others), None),
    )
    await code_repository.close_places(session, change.old_codes, change.effective_on)
    detail: dict[str, Any] = {"kind": change.kind, "old_codes": change.old_codes, "new_codes": change.new_codes}
    detail |= {"placed": sum(len(placement.household_refs) for placement in change.placements)}
    await audit.record(session, principal, "place.change_codes", "place", change.old_codes[0], detail)
    payload = {"by": principal.subject, "kind": change.kind}
    return await enqueue(session, FOLLOW_CODES_JOB, payload, key=",".join(sorted(change.old_codes)))


async def _problems(session: AsyncSession, context: Context, change: CodeChange) -> list[FieldError]:
    old, new = change.old_codes, change.new_codes
    problems = []
    shapes = {
        "split": len(old) == 1 < len(new),
        "merged": len(old) > 1 == len(new),
        "renamed": len(old) == len(new) == 1,
    }
    if not shapes[change.kind]:
        message = "split: one becomes several; merged: several become one; renamed: one becomes one."
        problems.append(FieldError("kind", "wrong_shape", message))
    if len({len(code) for code in (*old, *new)}) > 1 or set(old) & set(new) or len(set(old)) < len(old):
        problems.append(FieldError("new_codes", "wrong_codes", "All codes are of one level, and old ones are not new."))
    if change.effective_on > context.clock.today():
        problems.append(FieldError("effective_on", "date_in_future", "Record it on the day when it begins."))
    problems += _placement_problems(change)
    created = {place.code for place in change.new_places}
    for index, code in enumerate(new):
        found = await repository.find_place(session, code)
        if found is None and code not in created:
            problems.append(FieldError(f"new_codes[{index}]", "unknown_place", "Name it in new_places."))
        if found is not None and (code in created or found.closed_on is not None):
            problems.append(FieldError(f"new_codes[{index}]", "code_taken", "The code is or was another place's."))
        if len(code) > 2 and await repository.find_place(session, code[:-2]) is None:
            problems.append(FieldError(f"new_codes[{index}]", "unknown_parent", "The place above it is not there."))
    return problems


def _placement_problems(change: CodeChange) -> list[FieldError]:
    placements = change.placements
    problems = []
    if placements and (change.kind != "split" or len(change.old_codes[0]) != VILLAGE):
        message = "Only the households of a split village are placed: others follow by themselves."
        problems.append(FieldError("placements", "not_a_split_village", message))
    if sum(placement.all_others for placement in placements) > 1:
        problems.append(FieldError("placements", "all_others_twice", "One part takes all others, or none does."))
    seen: set[str] = set()
    for index, placement in enumerate(placements):
        if placement.new_code not in change.new_codes:
            problems.append(FieldError(f"placements[{index}].new_code", "wrong_codes", "Use one of new_codes."))
        if seen & set(placement.household_refs) or len(set(placement.household_refs)) < len(placement.household_refs):
            message = "A household is placed once."
            problems.append(FieldError(f"placements[{index}].household_refs", "placed_twice", message))
        seen |= set(placement.household_refs)
    return problems


async def follow_codes(run: JobRun) -> Mapping[str, Any]:
    """Move the households of closed villages to the village that is known to be theirs now, and publish them."""
    done = 0
    size = run.context.settings.import_chunk_households
    while True:
        async with run.context.database.session() as session:
            await run.still_mine(session)
            now, today = run.context.clock.now(), run.context.clock.today()
            by = run.payload["by"]
            reason = "the village's code changed"
            await begin_change(session, Origin(ChangeKind.LIFE_CHANGE, ChangeSource.PLATFORM, by, reason, today), now)
            moved = await code_repository.move_households(session, today, now, size)
            await publish_states(session, moved, now)
        if not moved:
            break
        done += len(moved)
        await run.progress(done, None, "moving households to new codes")
    async with run.context.database.session() as session:
        return {"households": done, "to_be_placed": await code_repository.count_unplaced(session)}


FOLLOW_CODES = JobKind(FOLLOW_CODES_JOB, follow_codes)
