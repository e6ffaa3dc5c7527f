"""Show one person: facts, memberships, documents. Every look is recorded; a number in clear needs a reason."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.permissions import CARE_ROLES
from services.registry.sealing import PHONE, Sealer
from services.registry.search.looks import record_looks
from shared import audit
from shared.auth import Principal
from shared.errors import Invalid, NotFound, OutsideArea

# Where she lives, or lived last: that is whose officers see her.
_PERSON: Final = text("""
    SELECT p.*, last.village_code FROM person p
    LEFT JOIN LATERAL (
      SELECT g.village_code FROM every_membership m JOIN household g ON g.id = m.household_id
      WHERE m.person_id = p.id ORDER BY m.void, m.valid_until DESC NULLS FIRST, m.id DESC LIMIT 1) AS last ON true
    WHERE p.id = :id""")
_MEMBERSHIPS: Final = text("""
    SELECT m.household_id, g.reference, m.relationship, m.valid_from, m.valid_until, m.void
    FROM every_membership m JOIN household g ON g.id = m.household_id WHERE m.person_id = :id
    ORDER BY m.valid_from, m.id""")
_NUMBERS: Final = text("""
    SELECT i.type, i.issuer, i.valid_from, i.valid_until, i.withdrawn_at, i.cipher, c.recorded_at, c.recorded_by
    FROM identifier i JOIN register_change c ON c.id = i.change_id WHERE i.owner_id = :id ORDER BY c.recorded_at""")


class PersonNotFound(NotFound):
    """No person has this id."""

    code, title = "person_not_found", "There is no such person"


class ReasonNeeded(Invalid):
    """A number in clear is shown for a reason only."""

    code, title = "reason_needed", "Say why you need the number"


class MembershipView(BaseModel):
    """Where she belonged, and when. Void: she never did."""

    household_id: UUID
    reference: str
    relationship: str
    valid_from: date
    valid_until: date | None
    void: bool


class IdentifierView(BaseModel):
    """A document. The number is shown on request, with a reason; else its end alone."""

    type: str
    number: str
    issuer: str | None
    valid_from: date | None
    valid_until: date | None
    recorded_at: datetime
    recorded_by: str
    withdrawn_at: datetime | None


class PersonView(BaseModel):
    """A person. What the caller may not see is null."""

    id: UUID
    name_km: str
    name_en: str
    sex: str
    birth_date: date
    birth_date_precision: str
    alive: bool
    died_on: date | None
    disability: str
    washington_group: dict[str, int] | None
    disability_card_valid_until: date | None
    living_with_hiv: bool | None
    pregnant: bool | None
    expected_delivery_on: date | None
    education_level: str
    school_code: str | None
    employment: str
    employer_id: UUID | None
    insured: bool
    civil_servant: bool
    phone: str | None
    memberships: list[MembershipView]
    identifiers: list[IdentifierView]


async def find_person(session: AsyncSession, principal: Principal, person_id: UUID) -> Row[Any]:
    """A person of the caller's area.

    Raises:
        PersonNotFound, OutsideArea: she is not there, or not for this caller.
    """
    found = (await session.execute(_PERSON, {"id": person_id})).one_or_none()
    if found is None:
        raise PersonNotFound("Search for her at /registry/v1/search.")
    if not principal.covers(found.village_code):
        raise OutsideArea("Ask an officer of that area, or of the level above.")
    return found


async def ensure_person_area(session: AsyncSession, principal: Principal, person_id: UUID) -> None:
    """Raise unless there is such a person, in the caller's area."""
    await find_person(session, principal, person_id)


async def read_person(
    session: AsyncSession, sealer: Sealer, principal: Principal, person_id: UUID, reason: str, *, numbers: bool
) -> PersonView:
    """The person, as much of her as the caller's role allows; the look is recorded.

    Raises:
        PersonNotFound, OutsideArea: she is not there, or not for this caller.
        ReasonNeeded: numbers are asked for without a reason.
    """
    found = await find_person(session, principal, person_id)
    if numbers and len(reason.strip()) < 3:
        raise ReasonNeeded("Send `reason` with the request: it is kept with your name.")
    memberships = (await session.execute(_MEMBERSHIPS, {"id": person_id})).all()
    documents = (await session.execute(_NUMBERS, {"id": person_id})).all()
    await record_looks(session, principal, [person_id], via="person", reason=reason, numbers=numbers)
    if numbers:
        detail = {"types": sorted({row.type for row in documents}), "reason": reason}
        await audit.record(session, principal, "person.reveal_numbers", "person", person_id, detail)
    values = {
        **found._mapping,
        "phone": None if found.phone_cipher is None else sealer.open(found.phone_cipher, PHONE),
        "memberships": [MembershipView.model_validate(row._asdict()) for row in memberships],
        "identifiers": [_document(row, sealer, numbers=numbers) for row in documents],
    }
    if not principal.has(*CARE_ROLES):
        values |= {"living_with_hiv": None, "pregnant": None, "expected_delivery_on": None}
    return PersonView.model_validate(values)


def _document(row: Row[Any], sealer: Sealer, *, numbers: bool) -> IdentifierView:
    number = sealer.open(row.cipher, row.type)
    shown = number if numbers else "•" * max(len(number) - 2, 2) + number[-2:]
    return IdentifierView.model_validate({**row._mapping, "number": shown})
