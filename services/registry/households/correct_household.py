"""Change what is known of a household or of its members: who joins, who leaves, what is so."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.history.model import ChangeKind, ChangeSource, Origin
from services.registry.households.apply_change import Applied, PathedChange, apply_change
from services.registry.households.changes import ChangePerson, PersonFacts, SetHousehold, SetPoverty
from services.registry.households.schemas import HouseholdChange, MemberChange
from shared import audit
from shared.auth import Principal
from shared.service import Context


async def correct_household(
    session: AsyncSession,
    context: Context,
    principal: Principal,
    household_id: UUID,
    expected_version: int,
    change: HouseholdChange,
) -> Applied:
    """Apply the change and publish the new state.

    Raises:
        HouseholdNotFound, OutsideArea, PreconditionFailed: it cannot be changed by this caller now.
        BadHousehold: naming every field that is wrong.
        IdentifierRegistered: a number given belongs to somebody else.
    """
    effective_on = change.effective_on
    if effective_on is None and change.kind == "life_change":
        effective_on = context.clock.today()
    origin = Origin(ChangeKind(change.kind), ChangeSource.OFFICER, principal.subject, change.reason, effective_on)
    applied = await apply_change(
        session,
        context,
        household_id,
        typed_changes(change),
        origin,
        base_version=expected_version,
        principal=principal,
        moves_people=change.moves_people,
    )
    fields = sorted({*change.model_fields_set, *(name for item in change.members for name in item.model_fields_set)})
    detail = {"version": applied.version, "fields": fields, "kind": change.kind, "change_id": str(applied.change_id)}
    await audit.record(session, principal, "household.change", "household", household_id, detail)
    for other, version in applied.others.items():
        moved = {"version": version, "to": str(household_id), "change_id": str(applied.change_id)}
        await audit.record(session, principal, "household.members_left", "household", other, moved)
    return applied


def typed_changes(change: HouseholdChange) -> list[PathedChange]:
    """The body as typed changes, each under the path it has in the body."""
    changes: list[PathedChange] = []
    own = {"village_code", "household_ref", "kind", "at_risk", "shocks", "representative_person_id"}
    given: dict[str, object] = {name: getattr(change, name) for name in own & change.model_fields_set if name != "kind"}
    if change.household_kind is not None:
        given["kind"] = change.household_kind
    if "poverty" in change.model_fields_set:
        poverty = change.poverty
        values = poverty.model_dump(exclude_unset=True) if poverty else {"level": None, "cause": change.delisting_cause}
        changes.append(("poverty", SetPoverty.model_validate(values)))
    if given:
        changes.append(("", SetHousehold.model_validate(given)))
    changes += [(f"members[{index}]", _member(item)) for index, item in enumerate(change.members)]
    changes += [(f"remove_members[{index}]", item) for index, item in enumerate(change.remove_members)]
    changes += [(f"move_in[{index}]", item) for index, item in enumerate(change.move_in)]
    changes += [(f"add_members[{index}]", item) for index, item in enumerate(change.add_members)]
    return changes


def _member(change: MemberChange) -> ChangePerson:
    values = {name: getattr(change, name) for name in change.model_fields_set - {"person_id", "relationship"}}
    facts = PersonFacts.model_validate(values)
    return ChangePerson(person_id=change.person_id, relationship=change.relationship, facts=facts)
