"""Bodies of the search endpoint."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints


class SearchRequest(BaseModel):
    """What is known of the person sought. Numbers are exact; a name may be spelt in any way, in either script."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=200)] = Field(
        description="Why you look: it is kept with your name for each person shown."
    )
    number: SecretStr | None = Field(default=None, description="Of any identity document or card.")
    phone: SecretStr | None = None
    reference: str | None = Field(default=None, max_length=20, description="Of the household, e.g. HH-....")
    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] | None = None
    sex: Literal["female", "male"] | None = None
    birth_year: int | None = Field(default=None, ge=1900, le=2200)
    place: Annotated[str, Field(pattern=r"^([0-9]{2}){1,4}$")] | None = None
    limit: int = Field(default=20, ge=1, le=50)


class PersonFound(BaseModel):
    """A person, and why she was found."""

    person_id: UUID
    name_km: str
    name_en: str
    sex: str
    birth_date: date
    birth_date_precision: str
    alive: bool
    household_id: UUID
    reference: str
    village_code: str
    relationship: str
    poverty_level: int | None
    card_valid_until: date | None
    found_by: str = Field(description="The type of number, phone, reference or name.")
    score: float = Field(description="1.0 for a number; of a name how alike its spellings are, from 0 to 1.")


class SearchResult(BaseModel):
    """Who was found, best first."""

    items: list[PersonFound]
    more: bool = Field(description="There are more: say more about the person, or name a smaller place.")
