"""Shapes of reconciliation's endpoints. No personal data: references, amounts, codes."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


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
    received_at: datetime
    received_by: str
    lines: int
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
    created_at: datetime
