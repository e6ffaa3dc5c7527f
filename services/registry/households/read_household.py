"""Show one household, as much of it as the caller's role allows; a look at names is recorded (law 8)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.households import repository
from services.registry.households.errors import HouseholdNotFound
from services.registry.households.schemas import HouseholdView, MemberView
from services.registry.permissions import CARE_ROLES, NAMING_ROLES
from services.registry.sealing import PHONE, Sealer
from services.registry.search.looks import record_looks
from shared import audit
from shared.auth import Principal, ensure_area


async def read_household(
    session: AsyncSession, sealer: Sealer, principal: Principal, household_id: UUID, reason: str = ""
) -> HouseholdView:
    """The household with its present members.

    Raises:
        HouseholdNotFound, OutsideArea: it is not there, or not for this caller.
    """
    found = await repository.find_with_card(session, household_id)
    if found is None:
        raise HouseholdNotFound("Look it up at /registry/v1/households.")
    ensure_area(principal, found.village_code)
    named = principal.has(*NAMING_ROLES)
    cared_for = principal.has(*CARE_ROLES)
    members = await repository.present_members(session, household_id)
    if named:
        detail = {"members": len(members)}
        await audit.record(session, principal, "household.read_names", "household", household_id, detail)
        people = [row.id for row in members]
        await record_looks(session, principal, people, via="household", reason=reason, household_id=household_id)
    return HouseholdView.model_validate(
        {
            **found._mapping,
            "names_shown": named,
            "members": [_member(row, sealer, named=named, cared_for=cared_for) for row in members],
        }
    )


def _member(row: Row[Any], sealer: Sealer, *, named: bool, cared_for: bool) -> MemberView:
    values: dict[str, Any] = {**row._mapping, "person_id": row.id, "phone": None}
    if not named:
        values |= {"name_km": None, "name_en": None}
    elif row.phone_cipher is not None:
        values["phone"] = sealer.open(row.phone_cipher, PHONE)
    if not cared_for:
        values |= {"living_with_hiv": None, "pregnant": None, "expected_delivery_on": None}
    return MemberView.model_validate(values)
