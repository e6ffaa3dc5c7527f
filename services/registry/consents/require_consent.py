"""Refuse what a purpose needs consent for and has none: for one person, or set-wise for a population."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, Date, MetaData, Table, Text, Uuid, exists, text, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import ColumnElement

from services.registry.consents.errors import ConsentMissing, UnknownPurpose
from services.registry.consents.purposes import Purpose, load_purposes
from shared.errors import FieldError

_consent: Final = Table(
    "consent",
    MetaData(),
    Column("person_id", Uuid),
    Column("purpose", Text),
    Column("scope", Text),
    Column("withdrawn_on", Date),
)
_MISSING: Final = text("""
    SELECT id FROM unnest(CAST(:people AS uuid[])) AS asked (id)
    WHERE NOT EXISTS (SELECT FROM consent c WHERE c.person_id = asked.id AND c.purpose = :purpose
      AND c.scope IN (:scope, 'all') AND c.withdrawn_on IS NULL)""")


def known_purpose(purpose: str, scope: str) -> Purpose:
    """The purpose, if it has this scope.

    Raises:
        UnknownPurpose: it is not configured.
    """
    found = load_purposes().get(purpose)
    if found is None or scope not in found.scopes:
        message = "Use a purpose and scope of the configuration: GET /registry/v1/consent-purposes."
        raise UnknownPurpose(message, errors=[FieldError("purpose" if found is None else "scope", "unknown", message)])
    return found


def consenting(person_id: ColumnElement[Any], purpose: str, scope: str) -> ColumnElement[bool]:
    """SQL condition: this person's data may be used so. True for all where the law is the basis.

    Raises:
        UnknownPurpose: it is not configured.
    """
    if known_purpose(purpose, scope).basis == "law":
        return true()
    given = (
        _consent.c.person_id == person_id,
        _consent.c.purpose == purpose,
        _consent.c.scope.in_((scope, "all")),
        _consent.c.withdrawn_on.is_(None),
    )
    return exists().where(*given)


async def missing_consent(session: AsyncSession, purpose: str, scope: str, people: Sequence[UUID]) -> list[UUID]:
    """Which of these persons have not consented; nobody where the law is the basis."""
    if known_purpose(purpose, scope).basis == "law" or not people:
        return []
    values = {"people": list(people), "purpose": purpose, "scope": scope}
    return list(await session.scalars(_MISSING, values))


async def require_consent(session: AsyncSession, purpose: str, scope: str, people: Sequence[UUID]) -> None:
    """Refuse unless every one of these persons has consented.

    Raises:
        ConsentMissing: naming their ids.
    """
    missing = await missing_consent(session, purpose, scope, people)
    if missing:
        raise ConsentMissing(
            "Record their consent first.",
            purpose=purpose,
            scope=scope,
            person_ids=[str(item) for item in missing[:100]],
        )
