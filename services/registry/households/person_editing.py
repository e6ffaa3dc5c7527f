"""What is said of a person, turned into columns; everything wrong with it is named. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from pydantic import SecretStr

from services.registry.households.changes import CLEARABLE, NEW_PERSON, PLAIN_FACTS, Number, PersonFacts
from services.registry.households.rules import problem
from services.registry.households.state import Edited, GivenNumber, Rules
from services.registry.imports.parse_rows import check_birth_date
from services.registry.sealing import NATIONAL_ID

NUMBER_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9/.-]{3,31}")
"""Form of birth certificates, social-security numbers and disability cards; a national id has its own."""


class PersonEditor:
    """Turns facts into columns, collecting problems, numbers and phones in `edited`."""

    def __init__(self, rules: Rules, edited: Edited) -> None:
        self._rules = rules
        self._edited = edited

    def _refuse(self, path: str, code: str) -> None:
        self._edited.problems.append(problem(path, code))

    def new(self, path: str, person_id: UUID, facts: PersonFacts) -> dict[str, Any]:
        """Columns of a new person."""
        for name in ("sex", "birth_date"):
            if getattr(facts, name) is None:
                self._refuse(f"{path}.{name}", "required")
        return self.change(path, person_id, {**NEW_PERSON, "sex": None, "birth_date": None}, facts)

    def change(self, path: str, person_id: UUID, known: Mapping[str, Any], facts: PersonFacts) -> dict[str, Any]:
        """Columns of a known person after the change."""
        given = facts.model_fields_set
        after: dict[str, Any] = dict(known)
        for name in PLAIN_FACTS:
            value = getattr(facts, name)
            if name in given and (value is not None or name in CLEARABLE):
                after[name] = value
        if facts.birth_date is not None:
            self._birth_date(f"{path}.birth_date", facts.birth_date, after)
        if facts.washington_group is not None:
            after["washington_group"] = facts.washington_group.model_dump()
        if facts.pregnant is False:
            after["expected_delivery_on"] = None
        self._check(path, after, given)
        self._numbers(path, person_id, facts)
        return after

    def _birth_date(self, path: str, text: str, after: dict[str, Any]) -> None:
        parsed, code = check_birth_date(text, self._rules.today)
        if parsed is None:
            self._refuse(path, code)
        else:
            after["birth_date"], after["birth_date_precision"] = parsed

    def _check(self, path: str, after: Mapping[str, Any], given: set[str]) -> None:
        if not after["name_km"] and not after["name_en"]:
            self._refuse(f"{path}.name_km", "name_required")
        if after["pregnant"] and after["sex"] == "male":
            self._refuse(f"{path}.pregnant", "pregnant_male")
        elif after["expected_delivery_on"] is not None and not after["pregnant"]:
            self._refuse(f"{path}.expected_delivery_on", "not_pregnant")
        if "employer_id" in given and after["employer_id"] not in {None, *self._rules.employers}:
            self._refuse(f"{path}.employer_id", "unknown_employer")

    def _numbers(self, path: str, person_id: UUID, facts: PersonFacts) -> None:
        if facts.phone is not None:
            bare = _bare(facts.phone)
            if not self._rules.formats.phone.fullmatch(bare):
                self._refuse(f"{path}.phone", "invalid_phone")
            self._edited.phones[person_id] = SecretStr(bare)
        if facts.national_id is not None:
            given = Number(type="national_id", number=facts.national_id)
            self._number(f"{path}.national_id", person_id, given)
        for index, number in enumerate(facts.identifiers):
            if number.valid_from and number.valid_until and number.valid_until < number.valid_from:
                self._refuse(f"{path}.identifiers[{index}].valid_until", "ends_before_start")
            self._number(f"{path}.identifiers[{index}].number", person_id, number)

    def _number(self, path: str, person_id: UUID, given: Number) -> None:
        bare = None if given.number is None else _bare(given.number)
        pattern = self._rules.formats.national_id if given.type == NATIONAL_ID else NUMBER_PATTERN
        if bare is not None and not pattern.fullmatch(bare):
            self._refuse(path, "invalid_national_id" if given.type == NATIONAL_ID else "invalid_number")
        sealed = None if bare is None else SecretStr(bare)
        dates = {"issuer": given.issuer, "valid_from": given.valid_from, "valid_until": given.valid_until}
        self._edited.numbers.append(GivenNumber(person_id, given.type, sealed, path, **dates))  # type: ignore[arg-type]


def _bare(secret: SecretStr) -> str:
    return secret.get_secret_value().replace(" ", "")
