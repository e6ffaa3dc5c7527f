"""Bodies of the import endpoints."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from services.registry.imports.model import ImportState


class ImportAccepted(BaseModel):
    """The file came in whole; the job checks and loads it."""

    import_id: UUID
    job_id: UUID


class ImportView(BaseModel):
    """How far an import is. Counters are final when `state` is `finished`; of a dry run, they say what would be."""

    import_id: UUID
    job_id: UUID
    state: ImportState
    dry_run: bool
    newcomers: Literal["register", "hold"] = Field(description="What was done with people who may be known elsewhere.")
    submitted_by: str
    sha256: str
    bytes: int
    rows: int = Field(description="Lines with a person on them; `rejected_rows` of them were refused.")
    households: int | None = Field(description="registered + updated + unchanged + rejected_households.")
    registered: int
    updated: int
    unchanged: int = Field(description="Households that the file told nothing new about.")
    rejected_households: int | None
    rejected_rows: int | None = Field(
        description="All lines that were not loaded, good ones of refused households too."
    )
    rejections: int | None = Field(description="Entries in the report.")
    repairs: dict[str, int] = Field(
        description="Lines read otherwise than written: `khmer_digits`, `lost_zero` (a village code of 7 digits)."
    )
    candidates: int | None = Field(
        description="Pairs listed for a decision at /registry/v1/duplicates: newcomers who may be known elsewhere."
    )
    received_at: datetime
    finished_at: datetime | None


class Rejection(BaseModel):
    """One thing wrong with one line. Never repeats what stood in the cell."""

    line: int = Field(description="Line of the file; the header is line 1.")
    household_ref: str | None
    field: str
    code: str
    message: str
