"""Accounts on the wire. Numbers come in whole and go out masked."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class Proof(BaseModel):
    """What shows that the holder wants it: its kind, and where the paper is found. The reference is encrypted."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    kind: Literal["identity_document", "provider_letter", "bank_book", "in_person", "court_order"]
    reference: str = Field(min_length=2, max_length=120)


class AccountIn(BaseModel):
    """Where a beneficiary is paid."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    beneficiary_id: UUID
    rail: str = Field(max_length=35, description="A rail of this platform, e.g. `bank`.")
    provider: str = Field(max_length=35)
    account_number: str = Field(max_length=60)
    holder_name: str = Field(max_length=140)
    holder_birth_date: date | None = Field(default=None, description="Encrypted; only for the sanctions list.")
    purpose: str = Field(default="any", max_length=40, description="`any`, or the code of the programme it is for.")
    preference: int = Field(default=1, ge=1, le=9, description="Among accounts of one purpose, 1 is paid to.")
    proof: Proof | None = Field(default=None, description="Needed where the beneficiary has an account already.")


class AccountChange(BaseModel):
    """A new number for an account."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    rail: str = Field(max_length=35, description="A rail of this platform, e.g. `bank`.")
    provider: str = Field(max_length=35)
    account_number: str = Field(max_length=60)
    holder_name: str = Field(max_length=140)
    holder_birth_date: date | None = Field(default=None, description="Encrypted; only for the sanctions list.")
    reason: str = Field(default="corrected", min_length=1, max_length=200)
    proof: Proof


class Confirmation(BaseModel):
    """What the second person looked at."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=3, max_length=200)


class PreferenceIn(BaseModel):
    """The new place of an account among those of its purpose."""

    model_config = ConfigDict(extra="forbid")
    preference: int = Field(ge=1, le=9)
    proof: Proof


class AccountOut(BaseModel):
    """An account; `shared_by` tells how many beneficiaries are paid to its number."""

    id: UUID
    beneficiary_id: UUID
    rail: str
    provider: str
    account_number: str = Field(description="Masked.")
    purpose: str
    preference: int
    status: str
    version: int
    shared_by: int
    usable_from: datetime | None = Field(description="Not paid to before, unless a second person confirms the change.")
    confirmed_by: str | None
    validation: str = Field(description="What the provider said of number and name.")
    verified_at: datetime | None
    created_at: datetime
    updated_at: datetime


class ImportAccepted(BaseModel):
    """The file was received; the job applies it."""

    job_id: UUID
    import_id: UUID


class ImportOut(BaseModel):
    """An import, counted in lines."""

    id: UUID
    total: int
    accepted: int
    unchanged: int
    rejected: int
    flagged: int
    created_at: datetime
    finished_at: datetime | None


class FindingOut(BaseModel):
    """What is wrong with a line; a `warning` does not refuse it."""

    line: int
    field: str
    code: str
    message: str
    severity: str


class VersionOut(BaseModel):
    """One version of an account, masked."""

    version: int
    rail: str
    provider: str
    account_number: str
    status: str
    changed_by: str
    changed_at: datetime
    reason: str
    proof_kind: str | None
