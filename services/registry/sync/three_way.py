"""Two edits from one version: which stand beside each other, and which conflict. Pure.

An edit *rests on* the facts that it sets. Where nobody has changed one of them since the version that its officer saw,
it says the same now as it did then, and is applied to the household as it is today (and held to all rules again).
Otherwise the officer sees both versions. In doubt it is a conflict: who belongs to a household is one fact, so that two
officers who both enter a newborn do not enter her twice, and a person who leaves takes all her facts along.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias
from uuid import UUID

from services.registry.households.changes import (
    AddPerson,
    Change,
    ChangePerson,
    MoveIn,
    PersonFacts,
    RemoveMember,
    SetHousehold,
    SetPoverty,
)

Touch: TypeAlias = tuple[str, UUID, str]
"""What was changed: `household`, `person`, `membership` or `number`; whose; which field (of a number: its type)."""

_POVERTY = ("at_risk", "card_valid_from", "card_valid_until")
_TOGETHER = {
    "birth_date": ("birth_date", "birth_date_precision"),
    "phone": ("phone_cipher",),
    "pregnant": ("pregnant", "expected_delivery_on", "sex"),
    "expected_delivery_on": ("pregnant", "expected_delivery_on"),
    "sex": ("sex", "pregnant"),
    "employer_id": ("employer_id", "insured", "employment"),
}
"""Fields that say something only together."""


def clashes(household_id: UUID, changes: Iterable[Change], since: set[Touch]) -> bool:
    """Whether anything these changes rest on was changed since."""
    return any(_rests_on(household_id, change, since) for change in changes)


def _rests_on(household_id: UUID, change: Change, since: set[Touch]) -> bool:
    match change:
        case SetHousehold():
            fields = change.model_fields_set - {"op"}
            rested = fields | {"poverty_level"} if "at_risk" in fields else fields
            return _any(since, (("household", household_id, name) for name in rested))
        case SetPoverty():
            card = ("number", household_id, "equity_card") in since
            return card or any(
                kind == "household" and (name in _POVERTY or name.startswith("poverty_")) for kind, _, name in since
            )
        case AddPerson() | MoveIn():
            return any(kind == "membership" for kind, _, _ in since)
        case RemoveMember():
            return any(kind == "membership" or owner == change.person_id for kind, owner, _ in since)
        case ChangePerson():
            return _person_changed(household_id, change, since)


def _person_changed(household_id: UUID, change: ChangePerson, since: set[Touch]) -> bool:
    person = change.person_id
    if ("membership", person, "valid_until") in since or ("membership", person, "joined") in since:
        return True  # she left, or came back
    if change.relationship is not None and any(kind == "membership" for kind, _, _ in since):
        return True  # who is head depends on all of them
    return _any(since, _of_facts(person, change.facts)) or (
        change.relationship is not None and ("household", household_id, "head_person_id") in since
    )


def _of_facts(person: UUID, facts: PersonFacts) -> Iterable[Touch]:
    for name in facts.model_fields_set - {"national_id", "identifiers"}:
        yield from (("person", person, field) for field in _TOGETHER.get(name, (name,)))
    yield ("person", person, "alive")
    if "national_id" in facts.model_fields_set:
        yield ("number", person, "national_id")
    yield from (("number", person, number.type) for number in facts.identifiers)


def _any(since: set[Touch], touches: Iterable[Touch]) -> bool:
    return any(touch in since for touch in touches)
