"""What the programme endpoints answer."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class VersionCreated(BaseModel):
    """A draft version."""

    programme_code: str
    version: int
    state: str
    sha256: str


class ProgrammeSummary(BaseModel):
    """A programme in a list. `names` are those of its last version."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    names: dict[str, str]
    last_version: int
    published_version: int | None


class VersionView(BaseModel):
    """A version in a programme's history."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    state: str
    valid_from: date
    valid_until: date | None
    source_hash: str
    created_by: str
    created_at: datetime
    published_by: str | None
    published_at: datetime | None


class ProgrammeView(BaseModel):
    """A programme with its history (newest first) and the document of its last version."""

    code: str
    versions: list[VersionView]
    document: dict[str, Any]
