"""What the programme endpoints answer."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from services.eligibility.model import AnyRow
from services.eligibility.programmes.rates import RateTable


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


class RatePeriodView(BaseModel):
    """Amounts in force between two dates, as in the file."""

    valid_from: date
    valid_until: date | None
    table: Any


class RateView(BaseModel):
    """A rate table. `open`: marked as unconfirmed, and confirmed by nobody: nothing is paid by it."""

    rate: str
    by: list[str]
    source: str
    periods: list[RatePeriodView]
    fingerprint: str
    open: bool
    confirmed_by: str | None = None
    confirmed_at: datetime | None = None
    confirmed_source: str | None = None


def rate_view(name: str, table: RateTable, waiting: bool, confirmation: AnyRow | None) -> RateView:
    """A rate table and the confirmation of its amounts, if there is one."""
    return RateView(
        rate=name,
        by=list(table.by),
        source=table.source,
        periods=[RatePeriodView.model_validate(period.model_dump(mode="json")) for period in table.periods],
        fingerprint=table.fingerprint(),
        open=waiting,
        confirmed_by=confirmation.confirmed_by if confirmation else None,
        confirmed_at=confirmation.confirmed_at if confirmation else None,
        confirmed_source=confirmation.source if confirmation else None,
    )


class ConfirmRate(BaseModel):
    """The officer's word for the amounts that she sees."""

    model_config = ConfigDict(extra="forbid")

    fingerprint: str = Field(pattern=r"^[0-9a-f]{64}$", description="As listed with the rate.")
    source: str = Field(min_length=3, max_length=300, description="Law, decree or letter that she relies on.")


class ProgrammeView(BaseModel):
    """A programme with its history (newest first) and the document of its last version."""

    code: str
    versions: list[VersionView]
    document: dict[str, Any]
