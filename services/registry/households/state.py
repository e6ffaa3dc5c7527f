"""A household and its present members as values: what the pure editing works on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from services.registry.imports.parse_rows import Formats
from shared.errors import FieldError


@dataclass(frozen=True, slots=True)
class Member:
    """A present member: who, in which relationship to the head, since when. `facts`: columns of the person."""

    person_id: UUID
    person_ref: str
    relationship: str
    since: date
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HouseholdState:
    """A household with its present members. `facts`: columns of the household."""

    id: UUID
    facts: Mapping[str, Any]
    members: Mapping[UUID, Member]


@dataclass(frozen=True, slots=True)
class Known:
    """A registered person who is not (yet) a member here. `household_id`: where she is a present member.

    `may_move`: the caller covers the place where she is, and the change is one that moves people.
    """

    person_id: UUID
    facts: Mapping[str, Any]
    household_id: UUID | None
    may_move: bool
    last_left: date | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What a change is held to.

    Attributes:
        today: in the country.
        effective_on: from when it holds.
        corrects: whether it says that the past was wrong.
        delisting_causes: why a card may be taken away; empty: no cause is asked for.
    """

    today: date
    effective_on: date
    corrects: bool
    head_min_age: int
    formats: Formats
    new_id: Callable[[], UUID]
    people: Mapping[UUID, Known] = field(default_factory=dict)
    villages: frozenset[str] = frozenset()
    employers: frozenset[UUID] = frozenset()
    delisting_causes: frozenset[str] = frozenset()
    has_card: bool = False


@dataclass(frozen=True, slots=True)
class GivenNumber:
    """A number given to an owner, or taken back (`number` None). `path`: where it stood in the request."""

    owner_id: UUID
    type: str
    number: SecretStr | None
    path: str
    issuer: str | None = None
    valid_from: date | None = None
    valid_until: date | None = None


@dataclass(frozen=True, slots=True)
class Leaving:
    """A membership that ends: `until` is its last day; void: it should never have been."""

    person_id: UUID
    until: date
    void: bool


@dataclass
class Edited:
    """What the changes make of a household, or what is wrong with them."""

    state: HouseholdState
    added: list[UUID] = field(default_factory=list)
    moved_in: dict[UUID, UUID | None] = field(default_factory=dict)
    left: list[Leaving] = field(default_factory=list)
    numbers: list[GivenNumber] = field(default_factory=list)
    phones: dict[UUID, SecretStr | None] = field(default_factory=dict)
    departed: dict[UUID, Mapping[str, Any]] = field(default_factory=dict)
    problems: list[FieldError] = field(default_factory=list)
