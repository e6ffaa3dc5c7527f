"""Bodies of the employer endpoints."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, SecretStr, StringConstraints

from services.registry.households.changes import Body, Code, PersonFacts, VillageCode

Organisation = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=200)]


class NewEmployer(Body):
    """An organisation that employs."""

    name: Organisation
    registration_number: SecretStr
    sector: Code
    place_code: Annotated[str, Field(pattern=r"^([0-9]{2}){1,4}$")]
    account_subject: str | None = Field(default=None, max_length=200, description="Subject of its account's token.")


class EmployerView(BaseModel):
    """An employer."""

    id: UUID
    reference: str
    name: str
    sector: str
    place_code: str
    closed_on: date | None
    version: int


class Worker(Body):
    """A worker, by her identity number. New to the register: what is needed to enter her as an individual."""

    national_id: SecretStr
    village_code: VillageCode | None = None
    facts: PersonFacts | None = None
    consent_means: Annotated[str, Field(pattern="^(signed|thumbprint|electronic)$")] | None = Field(
        default=None, description="How she consented to being linked with her employer, if that is not on record."
    )


class Workers(Body):
    """Workers insured from a day on."""

    insured_from: date
    workers: list[Worker] = Field(min_length=1, max_length=200)


class WorkerView(BaseModel):
    """An insured worker: no name."""

    id: UUID
    person_id: UUID
    insured_from: date
    insured_until: date | None


class WorkersRegistered(BaseModel):
    """What became of them, in the order sent."""

    linked: int = Field(description="Known in the register.")
    entered: int = Field(description="New: registered as individuals.")
    unchanged: int = Field(description="Insured with this employer already.")
    person_ids: list[UUID]


class EndOfInsurance(Body):
    """The last day."""

    insured_until: date
