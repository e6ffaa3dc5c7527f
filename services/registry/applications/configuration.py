"""Intake as configuration: causes, reasons, the proxy-means questionnaire and its versions. Pure but for the file."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

Points = dict[str, Decimal]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CutOffs(_Frozen):
    """Highest score, included, that is still of a level."""

    level_1: Decimal
    level_2: Decimal

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.level_1 >= self.level_2:
            raise ValueError("the cut-off of level 1 must be below that of level 2")
        return self

    def level_of(self, score: Decimal) -> int | None:
        """1, 2 or None (not poor by the score)."""
        return 1 if score <= self.level_1 else 2 if score <= self.level_2 else None


class Area(_Frozen):
    """Which weights and cut-offs hold under a place-code prefix."""

    prefix: str = Field(pattern=r"^([0-9]{2}){0,4}$")
    weights: str
    cut_offs: CutOffs


class Band(_Frozen):
    """Points from this amount on, until the next band."""

    start: Decimal = Field(alias="from")
    points: Points


class Question(_Frozen):
    """One question: a choice, or an amount that falls in a band. Points by set of weights."""

    code: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    text: dict[str, str]
    choices: dict[str, Points] | None = None
    bands: tuple[Band, ...] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.choices is None) == (self.bands is None):
            raise ValueError(f"question {self.code} has either choices or bands")
        starts = [band.start for band in self.bands or ()]
        if starts != sorted(set(starts)):
            raise ValueError(f"the bands of {self.code} must rise")
        return self

    def weights(self) -> list[Points]:
        """Every set of points it has."""
        return list((self.choices or {}).values()) + [band.points for band in self.bands or ()]


class Questionnaire(_Frozen):
    """One version of the proxy-means test."""

    code: str
    version: int = Field(ge=1)
    valid_from: date
    status: Literal["known", "confirm"] = "known"
    source: str
    areas: tuple[Area, ...] = Field(min_length=1)
    questions: tuple[Question, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        used = {area.weights for area in self.areas}
        for question in self.questions:
            if any(not used <= set(points) for points in question.weights()):
                raise ValueError(f"question {question.code} lacks points for one of the areas' weights")
        if not any(area.prefix == "" for area in self.areas):
            raise ValueError("one area must have the empty prefix: everywhere else")
        return self

    @property
    def name(self) -> str:
        """As an application keeps it, e.g. `pmt_kh-1`."""
        return f"{self.code}-{self.version}"

    def area_of(self, place_code: str) -> Area:
        """The area with the longest prefix of this place."""
        return max(
            (area for area in self.areas if place_code.startswith(area.prefix)), key=lambda area: len(area.prefix)
        )


class Intake(_Frozen):
    """The whole file."""

    delisting_causes: dict[str, str] = Field(min_length=1)
    refusal_reasons: dict[str, str] = Field(min_length=1)
    questionnaires: tuple[Questionnaire, ...] = Field(min_length=1)

    def questionnaire_on(self, day: date) -> Questionnaire | None:
        """The latest version in force on a day."""
        begun = [item for item in self.questionnaires if item.valid_from <= day]
        return max(begun, key=lambda item: (item.valid_from, item.version)) if begun else None


@cache
def load_intake() -> Intake:
    """The configuration shipped with the service.

    Raises:
        pydantic.ValidationError: the file contradicts itself.
    """
    text = resources.files(__package__).joinpath("intake.yaml").read_text(encoding="utf-8")
    return Intake.model_validate(yaml.safe_load(text))


def delisting_causes() -> frozenset[str]:
    """Codes of the causes for which a card may be taken away."""
    return frozenset(load_intake().delisting_causes)
