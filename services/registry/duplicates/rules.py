"""The configuration of duplicate detection, checked when it is read: `rules.yaml`."""

from __future__ import annotations

from functools import lru_cache
from math import log2
from pathlib import Path
from typing import Annotated, Final, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

RULES: Final = Path(__file__).parent / "rules.yaml"
LEVELS: Final = {
    "name": ("same", "same_sound", "close", "one_word", "near", "other"),
    "birth_date": ("same", "one_slip", "same_year", "near_year", "other"),
    "sex": ("same", "other"),
    "place": ("village", "commune", "district", "province", "other"),
    "number": ("same", "other"),
    "household": ("two_names", "one_name", "none"),
}
"""Comparisons and their levels, strongest first: what `compare` knows to ask."""
KEYS: Final = (
    *("sound", "spelling", "first_sound", "last_sound", "birth_year", "birth_day", "sex", "number"),
    *("village", "commune", "district"),
)
"""Columns that pairs can be looked for by."""

Share = Annotated[float, Field(gt=0, lt=1)]


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Level(_Rule):
    """How often a level holds: of pairs that are one person, and of pairs that are two."""

    m: Share
    u: Share

    @property
    def weight(self) -> float:
        """Bits of evidence for one person; negative: against."""
        return log2(self.m / self.u)


class Thresholds(_Rule):
    """From which probability a pair is shown, and how many."""

    likely: Share
    possible: Share
    per_person: int = Field(ge=1, le=50)
    expected_share: Share

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.possible > self.likely:
            raise ValueError("possible must not be above likely")
        return self


class NameFrequency(_Rule):
    """How the frequency of a name in the register is weighed (see `rules.yaml`)."""

    as_if: int = Field(ge=0)
    floor: Share


class DuplicateRules(_Rule):
    """How people are compared."""

    version: str
    thresholds: Thresholds
    name_frequency: NameFrequency
    comparisons: dict[str, dict[str, Level]]
    blocking: list[list[str]] = Field(min_length=1)

    @model_validator(mode="after")
    def _known(self) -> Self:
        if set(self.comparisons) != set(LEVELS):
            raise ValueError(f"comparisons must be: {', '.join(LEVELS)}")
        for name, levels in self.comparisons.items():
            if tuple(levels) != LEVELS[name]:
                raise ValueError(f"levels of {name} must be, in this order: {', '.join(LEVELS[name])}")
            for share in ("m", "u"):
                total = sum(getattr(level, share) for level in levels.values())
                if abs(total - 1) > 0.02:
                    raise ValueError(f"the {share} of {name} sum to {total:.4f}, not to 1")
        for keys in self.blocking:
            if not keys or not set(keys) <= set(KEYS):
                raise ValueError(f"blocking keys are: {', '.join(KEYS)}")
        return self


@lru_cache(maxsize=1)
def load_rules(path: Path = RULES) -> DuplicateRules:
    """The rules of a file.

    Raises:
        ValueError: it says what cannot be.
    """
    return DuplicateRules.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
