"""Many households as a tablet keeps them: two statements for all of them, each look at a person recorded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.households.schemas import HouseholdView, MemberView
from services.registry.sealing import PHONE, Sealer
from services.registry.search.looks import record_looks
from services.registry.sync import repository
from services.registry.sync.schemas import HouseholdChangeView
from shared.auth import Principal


async def change_views(
    session: AsyncSession, sealer: Sealer, principal: Principal, changed: Sequence[Row[Any]]
) -> list[HouseholdChangeView]:
    """What a tablet is told of each of these, in their order."""
    ids = [row.id for row in changed if row.here]
    households, members = await repository.read_many(session, ids)
    of_household: dict[UUID, list[MemberView]] = defaultdict(list)
    for row in members:
        of_household[row.household_id].append(_member(row, sealer))
    if members:
        await record_looks(session, principal, [row.id for row in members], via="sync", reason="tablet")
    return [_change(row, households, of_household) for row in changed]


def _change(
    row: Row[Any], households: dict[UUID, Row[Any]], members: dict[UUID, list[MemberView]]
) -> HouseholdChangeView:
    if not row.here:
        return HouseholdChangeView(household_id=row.id, what="left_area", version=None)
    found = households[row.id]
    if found.dissolved_on is not None:
        successor = found.successor_household_id
        return HouseholdChangeView(
            household_id=row.id, what="dissolved", version=found.version, successor_household_id=successor
        )
    view = HouseholdView.model_validate({**found._mapping, "names_shown": True, "members": members[row.id]})
    return HouseholdChangeView(household_id=row.id, what="changed", version=found.version, household=view)


def _member(row: Row[Any], sealer: Sealer) -> MemberView:
    phone = sealer.open(row.phone_cipher, PHONE) if row.phone_cipher is not None else None
    return MemberView.model_validate({**row._mapping, "person_id": row.id, "phone": phone})
