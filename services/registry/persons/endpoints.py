"""`/registry/v1/persons/{id}`: one person."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from services.registry.permissions import PersonRead
from services.registry.persons.read_person import PersonNotFound, PersonView, ReasonNeeded, read_person
from shared.errors import OutsideArea, responses
from shared.http import ContextDep, Router, SessionDep

router = Router(prefix="/registry/v1/persons", tags=["persons"])


@router.get("/{person_id}", responses=responses(PersonNotFound, OutsideArea, ReasonNeeded))
async def read(
    person_id: UUID,
    session: SessionDep,
    context: ContextDep,
    principal: PersonRead,
    reason: Annotated[str, Query(max_length=200, description="Why you look: kept with your name.")] = "",
    numbers: Annotated[bool, Query(description="Show identity numbers in clear: needs a reason.")] = False,
) -> PersonView:
    """A person with her memberships and documents; she is changed through her household."""
    return await read_person(session, context.resources.sealer, principal, person_id, reason, numbers=numbers)
