"""The purposes for which personal data may be used, as configuration. Pure but for the file."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field


class Purpose(BaseModel):
    """A purpose. `basis: consent`: refused without it. The scope `all` covers every other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: dict[str, str]
    basis: Literal["law", "consent"]
    scopes: tuple[str, ...] = Field(min_length=1)


class Purposes(BaseModel):
    """All purposes of a country, by code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    purposes: dict[str, Purpose] = Field(min_length=1)


@cache
def load_purposes() -> dict[str, Purpose]:
    """The purposes shipped with the service.

    Raises:
        pydantic.ValidationError: the file contradicts itself.
    """
    text = resources.files(__package__).joinpath("purposes.yaml").read_text(encoding="utf-8")
    return Purposes.model_validate(yaml.safe_load(text)).purposes
