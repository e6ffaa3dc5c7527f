"""Shapes of reconciliation's endpoints. No personal data: references, amounts, codes."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.payments.reconciliation.resolution import Action


class FileTaken(BaseModel):
    """A document taken in."""

    file_id: UUID
    lines: int
    matched: int
    breaks: int


class FileView(BaseModel):
    """A document that a rail handed over."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    source: str
    kind: str = Field(description="`pain.002`, `camt.054`, `camt.053`, `pacs.004`, `transaction`, `completions` ...")
    message_id: str | None
    original_message_id: str
    refused: str = Field(description="Code of the problem, where it could not be read; else empty.")
    state: str = Field(description="`stored`, `applying`, `done` or `refused`.")
    name: str = Field(description="Its name where it came from: a file's name, a message's number.")
    received_at: datetime
    received_by: str
    lines: int = Field(description="Lines matched so far.")
    matched: int
    breaks: int


class BreakView(BaseModel):
    """A line that could not be reconciled, and what was expected instead."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: str
    source: str
    document: str
    message_id: str | None
    line: int = Field(description="0 is the first; -1 is the document as a whole.")
    end_to_end_id: str
    payment_id: UUID | None
    attempt_id: UUID | None
    offered: str = Field(description="What the line says happened.")
    present_state: str = Field(description="What the attempt's state was.")
    offered_amount: Decimal | None
    offered_currency: str
    expected_amount: Decimal | None
    expected_currency: str | None
    on_date: date | None = Field(description="The day of the booking.")
    detail: str
    fund_code: str | None = Field(description="The fund whose suspense holds the money, or would.")
    suspended: Decimal = Field(description="In suspense for it: above zero left our account, below zero came in.")
    status: str = Field(description="`open`, `proposed` (waits for a second person), `resolved`.")
    owner: str = Field(description="Who sees to it; empty: nobody yet.")
    action: str = Field(description="The resolution proposed or taken.")
    reason: str
    proposed_by: str
    resolved_by: str
    resolved_at: datetime | None
    actions: list[str] = Field(description="What may resolve it.")
    age_days: int
    created_at: datetime
    version: int


class FileQueued(BaseModel):
    """A large file was kept; GET /payments/v1/jobs/{job_id} tells how far it is."""

    job_id: UUID


class Assignment(BaseModel):
    """Who shall see to a break."""

    model_config = ConfigDict(extra="forbid")

    owner: str = Field(min_length=1, max_length=200, description="The officer's subject, as in her token.")


class Proposal(BaseModel):
    """How a break shall be resolved."""

    model_config = ConfigDict(extra="forbid")

    action: Action
    reason: str = Field(min_length=10, max_length=1000, description="Why, for the auditor. No personal data.")
    fund_code: str | None = Field(
        default=None, max_length=40, description="Whose money it is, if another fund's than the one that holds it now."
    )
    payment_id: UUID | None = Field(
        default=None, description="With `apply`: the payment that the line is about, where it names none itself."
    )


class AgingView(BaseModel):
    """Unresolved breaks of one kind, rail, currency and age."""

    model_config = ConfigDict(from_attributes=True)

    kind: str
    source: str
    currency: str
    bucket: str = Field(description="Age in days: `0-1`, `2-7`, `8-30`, `over 30`.")
    count: int
    amount: Decimal = Field(description="What their lines state.")
    suspended_out: Decimal = Field(description="Left our account and must be explained.")
    suspended_in: Decimal = Field(description="Came in and must be explained.")
    unowned: int
    oldest: datetime
