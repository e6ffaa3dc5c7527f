"""The location class of a village, by rule. Pure: the rules are data in `location_classes.yaml`."""

from __future__ import annotations

from datetime import date
from importlib import resources
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.contracts.base import LocationClass, PlaceCode


class ClassRule(BaseModel):
    """Villages whose code starts with `prefix` are of this class."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prefix: PlaceCode
    location_class: LocationClass
    name: str
    status: Literal["known", "confirm"] = "known"


class ClassRules(BaseModel):
    """All rules of a country, in force from `valid_from`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    default: LocationClass
    valid_from: date
    classes: tuple[LocationClass, ...] = Field(min_length=1)
    rules: tuple[ClassRule, ...]

    @model_validator(mode="after")
    def _rules_agree(self) -> Self:
        used = {rule.location_class for rule in self.rules} | {self.default}
        if unknown := used - set(self.classes):
            raise ValueError(f"location classes not listed in `classes`: {', '.join(sorted(unknown))}")
        if len({rule.prefix for rule in self.rules}) != len(self.rules):
            raise ValueError("two rules have the same prefix")
        return self

    def class_of(self, village_code: str) -> str:
        """The class of a village: the longest matching prefix wins."""
        matching = [rule for rule in self.rules if village_code.startswith(rule.prefix)]
        return max(matching, key=lambda rule: len(rule.prefix)).location_class if matching else self.default

    @property
    def unconfirmed(self) -> list[str]:
        """Prefixes whose class the programme still has to confirm."""
        return [rule.prefix for rule in self.rules if rule.status == "confirm"]


def load_class_rules() -> ClassRules:
    """The rules shipped with the service.

    Raises:
        pydantic.ValidationError: the file contradicts itself.
    """
    text = resources.files(__package__).joinpath("location_classes.yaml").read_text(encoding="utf-8")
    return ClassRules.model_validate(yaml.safe_load(text))
