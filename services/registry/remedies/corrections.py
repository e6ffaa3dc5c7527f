"""Corrections that a grievance asks for, as typed changes. Pure.

What a person at a desk must look at is not done by itself: who lives where, and whether a household is poor. Those wait
for an officer of the registry; the other facts were looked into by the officer who resolved the case.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic import ValidationError

from services.registry.households.changes import Change, ChangePerson, PersonFacts, SetHousehold
from shared.contracts.remedies import FactCorrection

BY_OFFICER: Final = frozenset({"village_code", "poverty_level", "card_valid_until", "relationship"})
_BOOLEANS: Final = {"true": True, "false": False}


class CannotCorrect(ValueError):
    """A correction that does not make sense. `code` is stable."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def needs_officer(corrections: Sequence[FactCorrection]) -> bool:
    """Whether an officer of the registry must decide."""
    return any(correction.field in BY_OFFICER for correction in corrections)


def changes_of(corrections: Sequence[FactCorrection]) -> list[tuple[str, Change]]:
    """The corrections as changes of one household, in order.

    Raises:
        CannotCorrect: a fact of a person without the person, or a value that is not of its kind.
    """
    changes: list[tuple[str, Change]] = []
    for index, correction in enumerate(corrections):
        try:
            changes.append((f"corrections[{index}]", _change(correction)))
        except ValidationError:
            raise CannotCorrect("invalid_value") from None
    return changes


def _change(correction: FactCorrection) -> Change:
    name, value = correction.field, correction.value
    if name in {"at_risk", "village_code"}:
        return SetHousehold.model_validate({name: _boolean(value) if name == "at_risk" else value})
    if correction.person_id is None:
        raise CannotCorrect("person_missing")
    if name == "relationship":
        return ChangePerson.model_validate({"person_id": correction.person_id, "relationship": value})
    if name in {"poverty_level", "card_valid_until"}:
        raise CannotCorrect("needs_card")
    told: Any = _boolean(value) if name in {"living_with_hiv", "pregnant"} else value
    return ChangePerson(person_id=correction.person_id, facts=PersonFacts.model_validate({name: told}))


def _boolean(text: str) -> bool:
    found = _BOOLEANS.get(text.strip().lower())
    if found is None:
        raise CannotCorrect("invalid_value")
    return found
