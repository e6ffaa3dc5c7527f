"""Accounts on the wire. Numbers come in whole and go out masked."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.payments.accounts.model import Rail


class AccountIn(BaseModel):
    """Where a beneficiary is paid."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    beneficiary_id: UUID
    rail: Rail
    provider: str = Field(max_length=35)
    account_number: str = Field(max_length=60)
    holder_name: str = Field(max_length=140)
    purpose: str = Field(default="any", max_length=40, description="`any`, or the code of the programme it is for.")


class AccountChange(BaseModel):
    """A new number for an account."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    rail: Rail
    provider: str = Field(max_length=35)
    account_number: str = Field(max_length=60)
    holder_name: str = Field(max_length=140)
    reason: str = Field(default="corrected", min_length=1, max_length=200)


class AccountOut(BaseModel):
    """An account; `shared_by` tells how many beneficiaries are paid to its number."""

    id: UUID
    beneficiary_id: UUID
    rail: str
    provider: str
    account_number: str = Field(description="Masked.")
    purpose: str
    status: str
    version: int
    shared_by: int
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
