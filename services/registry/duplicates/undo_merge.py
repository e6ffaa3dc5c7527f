"""Take a merge back: the register is what it was, and everybody is told."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.duplicates import merge_repository as repository
from services.registry.duplicates.errors import CannotUndo, MergeNotFound
from services.registry.duplicates.merge_records import ensure_may_touch
from services.registry.duplicates.plan import Plan
from services.registry.history.begin_change import begin_change
from services.registry.history.model import ChangeKind, ChangeSource, Origin
from services.registry.households.publish import publish_states
from shared import audit
from shared.auth import Principal
from shared.contracts.registry import IdentityRestored
from shared.etag import check_version
from shared.outbox import publish
from shared.service import Context


async def undo_merge(
    session: AsyncSession, context: Context, principal: Principal, merge_id: UUID, expected_version: int, reason: str
) -> int:
    """Undo a merge with all its parts. Returns its new version.

    Raises:
        MergeNotFound, PreconditionFailed, OutsideArea, OwnRecord: it is not this caller's to undo now.
        CannotUndo: what the merge wrote has changed since; nothing is changed.
    """
    merge = await repository.find_merge(session, merge_id)
    if merge is None:
        raise MergeNotFound("Look it up at the pair it decided.")
    if merge.part_of is not None:
        raise CannotUndo("part_of_household_merge")
    if merge.undone_at is not None:
        raise CannotUndo("already_undone")
    plan = Plan.from_json(merge.undo["plan"])
    people = sorted({person for pair in plan.merged for person in pair})
    state = await repository.load_state(session, [*people, *plan.touched], people)
    ensure_may_touch(principal, state)
    merges = await repository.lock_merge(session, merge_id)
    check_version(expected_version, merges[0].version)
    if any(state.people[surviving].merged_into is not None for _, surviving in plan.merged):
        raise CannotUndo("undo_newer_first")
    if not await repository.stands_as_left(session, plan, merge.undo):
        raise CannotUndo("changed_since_merge")
    now = context.clock.now()
    origin = Origin(ChangeKind.CORRECTION, ChangeSource.MERGE, principal.subject, reason, source_id=merge_id)
    await begin_change(session, origin, now)
    today = context.clock.today()
    await repository.undo_plan(session, plan, merge.undo, today, now, merge.merged_at)
    await repository.mark_undone(session, merge_id, principal.subject, reason, now)
    await publish_states(session, sorted(plan.touched), now)
    times = await repository.merges_of(session, [row.retired_id for row in merges])
    await publish(
        session,
        [
            IdentityRestored(
                version=2 * times[row.retired_id],
                kind=row.kind,
                retired_id=row.retired_id,
                surviving_id=row.surviving_id,
                merge_id=row.id,
            )
            for row in merges
        ],
    )
    await audit.record(
        session, principal, f"{merge.kind}.unmerge", merge.kind, merge.surviving_id, {"merge": str(merge_id)}
    )
    return int(merges[0].version) + 1
