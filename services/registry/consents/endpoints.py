"""`/registry/v1/persons/{id}/consents`: record, list, withdraw."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.consents.errors import ConsentGiven, ConsentNotFound, ConsentWithdrawn, UnknownPurpose
from services.registry.consents.purposes import Purpose, load_purposes
from services.registry.consents.require_consent import known_purpose
from services.registry.households.changes import Body
from services.registry.permissions import ConsentRead, ConsentWrite
from services.registry.persons.read_person import ensure_person_area
from shared import audit
from shared.errors import FieldError, Invalid, NotFound, OutsideArea, responses
from shared.http import ContextDep, Router, SessionDep
from shared.ids import uuid7

router = Router(prefix="/registry/v1", tags=["consent"])
_ADD: Final = text("""
    INSERT INTO consent (id, person_id, purpose, scope, given_on, means, recorded_by, recorded_at)
    VALUES (:id, :person_id, :purpose, :scope, :given_on, :means, :by, :now)
    ON CONFLICT (person_id, purpose, scope) WHERE withdrawn_on IS NULL DO NOTHING RETURNING id""")
_LIST: Final = text("SELECT * FROM consent WHERE person_id = :person ORDER BY id LIMIT 500")
_FIND: Final = text("SELECT * FROM consent WHERE id = :id AND person_id = :person FOR UPDATE")
_WITHDRAW: Final = text("""
    UPDATE consent SET withdrawn_on = :on, withdrawn_by = :by, withdrawn_at = :now WHERE id = :id RETURNING *""")


class NewConsent(Body):
    """A consent, as given."""

    purpose: str = Field(max_length=40)
    scope: str = Field(max_length=40)
    given_on: date | None = Field(default=None, description="Default today, never later.")
    means: Literal["signed", "thumbprint", "spoken", "electronic", "guardian"]


class ConsentView(BaseModel):
    """A consent: for what, how far, recorded by whom, withdrawn when."""

    id: UUID
    person_id: UUID
    purpose: str
    scope: str
    given_on: date
    means: str
    recorded_by: str
    recorded_at: datetime
    withdrawn_on: date | None
    withdrawn_by: str | None


@router.get("/consent-purposes")
async def purposes(_principal: ConsentRead) -> dict[str, Purpose]:
    """The purposes for which data may be used, and which of them need consent."""
    return load_purposes()


@router.post(
    "/persons/{person_id}/consents",
    status_code=201,
    responses=responses(NotFound, OutsideArea, ConsentGiven, UnknownPurpose),
)
async def give(
    person_id: UUID, new: NewConsent, session: SessionDep, context: ContextDep, principal: ConsentWrite
) -> ConsentView:
    """Record that a person consents."""
    await ensure_person_area(session, principal, person_id)
    known_purpose(new.purpose, new.scope)
    now, today = context.clock.now(), context.clock.today()
    given_on = new.given_on or today
    if given_on > today:
        message = "The day must not be later than today."
        raise Invalid(message, errors=[FieldError("given_on", "date_in_future", message)])
    values: dict[str, Any] = {"id": uuid7(), "person_id": person_id, "given_on": given_on, "by": principal.subject}
    values |= {"purpose": new.purpose, "scope": new.scope, "means": new.means, "now": now}
    if await session.scalar(_ADD, values) is None:
        raise ConsentGiven("Withdraw it first if it is to be given anew.")
    detail = {"purpose": new.purpose, "scope": new.scope, "means": new.means}
    await audit.record(session, principal, "consent.give", "person", person_id, detail)
    return (await _list(session, person_id))[-1]


@router.get("/persons/{person_id}/consents", responses=responses(NotFound, OutsideArea))
async def list_consents(person_id: UUID, session: SessionDep, principal: ConsentRead) -> list[ConsentView]:
    """Every consent of a person, withdrawn ones too."""
    await ensure_person_area(session, principal, person_id)
    return await _list(session, person_id)


async def _list(session: AsyncSession, person_id: UUID) -> list[ConsentView]:
    rows = await session.execute(_LIST, {"person": person_id})
    return [ConsentView.model_validate(row._asdict()) for row in rows]


@router.post(
    "/persons/{person_id}/consents/{consent_id}/withdraw",
    responses=responses(ConsentNotFound, OutsideArea, ConsentWithdrawn),
)
async def withdraw(
    person_id: UUID, consent_id: UUID, session: SessionDep, context: ContextDep, principal: ConsentWrite
) -> ConsentView:
    """A person takes her consent back: from now on it is refused again."""
    await ensure_person_area(session, principal, person_id)
    found = (await session.execute(_FIND, {"id": consent_id, "person": person_id})).one_or_none()
    if found is None:
        raise ConsentNotFound("Look it up among the person's consents.")
    if found.withdrawn_on is not None:
        raise ConsentWithdrawn("Nothing was changed.")
    values = {"id": consent_id, "by": principal.subject, "now": context.clock.now()}
    row = (await session.execute(_WITHDRAW, {**values, "on": context.clock.today()})).one()
    detail = {"purpose": found.purpose, "scope": found.scope, "consent_id": str(consent_id)}
    await audit.record(session, principal, "consent.withdraw", "person", person_id, detail)
    return ConsentView.model_validate(row._asdict())
