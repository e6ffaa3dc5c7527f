"""Merge two records of one person or one household: one surviving id, and everybody is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.duplicates import merge_repository as repository
from services.registry.duplicates.errors import OwnRecord
from services.registry.duplicates.plan import Plan, State, plan_household_merge, plan_person_merge
from services.registry.history.begin_change import begin_change
from services.registry.history.model import ChangeKind, ChangeSource, Origin
from services.registry.households.publish import publish_states
from shared import audit
from shared.auth import Principal, ensure_area
from shared.contracts.registry import IdentityMerged
from shared.ids import uuid7
from shared.outbox import publish
from shared.service import Context


async def merge_records(
    session: AsyncSession,
    context: Context,
    principal: Principal,
    *,
    kind: str,
    retired: UUID,
    surviving: UUID,
    same_people: Sequence[tuple[UUID, UUID]] = (),
    reason: str,
) -> UUID:
    """Merge `retired` into `surviving`. Returns the merge's id, by which it can be undone.

    Args:
        kind: `person` or `household`.
        same_people: of households: (retired person, surviving person) who are one; the other members move over.
        reason: in words, without personal data.

    Raises:
        CannotMerge, OutsideArea, OwnRecord: nothing is changed.
    """
    people = [retired, surviving] if kind == "person" else [person for pair in same_people for person in pair]
    state = await repository.load_state(session, [retired, surviving], people)
    ensure_may_touch(principal, state)
    if kind == "person":
        plan = plan_person_merge(state, retired, surviving)
    else:
        plan = plan_household_merge(state, retired, surviving, same_people)
    merge_id, now = uuid7(), context.clock.now()
    origin = Origin(ChangeKind.CORRECTION, ChangeSource.MERGE, principal.subject, reason, source_id=merge_id)
    await begin_change(session, origin, now)
    kept = await repository.apply_plan(session, plan, context.clock.today(), now)
    merges = _merges(kind, merge_id, retired, surviving, plan)
    await repository.add_merges(session, merges, {"plan": plan.to_json(), **kept}, reason, principal.subject, now)
    await publish_states(session, sorted(plan.touched), now)
    await _tell(session, merges)
    detail = {"kind": kind, "retired": str(retired), "surviving": str(surviving), "people": len(plan.merged)}
    await audit.record(session, principal, f"{kind}.merge", kind, surviving, {**detail, "merge": str(merge_id)})
    return merge_id


def ensure_may_touch(principal: Principal, state: State) -> None:
    """Raise OutsideArea or OwnRecord unless the caller may change every household of this state."""
    for household in state.households.values():
        ensure_area(principal, household.village_code)
    own = principal.person_id
    if own is not None and (own in state.people or any(member.person_id == own for member in state.members)):
        raise OwnRecord("Another officer must decide about you or your household.")


def _merges(kind: str, merge_id: UUID, retired: UUID, surviving: UUID, plan: Plan) -> list[dict[str, str | None]]:
    def entry(entry_id: UUID, of: str, pair: tuple[UUID, UUID], part_of: UUID | None) -> dict[str, str | None]:
        names = {"id": str(entry_id), "kind": of, "retired_id": str(pair[0]), "surviving_id": str(pair[1])}
        return {**names, "part_of": str(part_of) if part_of else None}

    parts = [(uuid7(), "person", pair) for pair in plan.merged] if kind == "household" else []
    parts += [(uuid7(), "household", pair) for pair in plan.dissolved] if kind == "person" else []
    return [
        entry(merge_id, kind, (retired, surviving), None),
        *(entry(part_id, of, pair, merge_id) for part_id, of, pair in parts),
    ]


async def _tell(session: AsyncSession, merges: Sequence[Mapping[str, Any]]) -> None:
    """The nth merge of a record is version 2n - 1 of its identity, its undoing 2n."""
    times = await repository.merges_of(session, [UUID(entry["retired_id"]) for entry in merges])
    await publish(
        session,
        [
            IdentityMerged(
                version=2 * times[UUID(entry["retired_id"])] - 1,
                kind=entry["kind"],
                retired_id=entry["retired_id"],
                surviving_id=entry["surviving_id"],
                merge_id=entry["id"],
            )
            for entry in merges
        ],
    )
