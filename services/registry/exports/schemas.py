"""Bodies of the export endpoints."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

FormatName = Literal["csv", "ndjson", "xlsx", "parquet"]


class ExportRequest(BaseModel):
    """What file, of where, and what for."""

    model_config = ConfigDict(extra="forbid")

    format: FormatName = "csv"
    place: str | None = Field(
        default=None, pattern=r"^([0-9]{2}){1,4}$", description="Of this place and below; null: all of your area."
    )
    purpose: str = Field(
        max_length=40, description="One of /registry/v1/consent-purposes; some need people's consent, to scope `all`."
    )
    numbers: bool = Field(default=False, description="With identity and card numbers: registry officers only.")
    optional: bool = Field(default=False, description="With the optional columns of household files.")
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=300)]


class ExportAccepted(BaseModel):
    """The file is being made."""

    export_id: UUID
    job_id: UUID


class ExportView(BaseModel):
    """A file, and what became of it."""

    id: UUID
    job_id: UUID
    state: Literal["queued", "ready", "expired"]
    requested_by: str
    place: str | None
    purpose: str
    kind: str = Field(description="Media type.")
    numbers: bool
    optional: bool
    households: int | None
    rows: int | None
    withheld: int | None = Field(description="People left out because they did not consent to this purpose.")
    bytes: int | None
    sha256: str | None
    requested_at: datetime
    ready_at: datetime | None
    expires_at: datetime | None
    downloads: int
