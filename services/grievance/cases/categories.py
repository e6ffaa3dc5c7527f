"""Categories of complaint and the working calendar, read from files at start and refused there when wrong."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.grievance.cases.deadlines import MAX_WORKING_DAYS, WorkingCalendar
from services.grievance.cases.states import SubjectType

M = TypeVar("M", bound=BaseModel)
_FIRST_YEAR, _LAST_YEAR = 2015, 2060


class ConfigurationError(ValueError):
    """A configuration file that cannot be used; names the file and the key."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Category(_Strict):
    """One kind of complaint.

    Attributes:
        route: who answers it, e.g. `payments`.
        deadline_working_days: working days from the day of complaint to the answer.
        subjects: what such a complaint may be about.
    """

    name_en: str
    name_km: str
    route: str = Field(pattern=r"^[a-z][a-z_]*$")
    deadline_working_days: int = Field(ge=1, le=MAX_WORKING_DAYS)
    priority: Literal["low", "normal", "high", "urgent"]
    subjects: frozenset[SubjectType] = Field(min_length=1)


class Categories(_Strict):
    """Every kind of complaint that may be made, by code."""

    categories: dict[Annotated[str, Field(pattern=r"^[a-z][a-z_]*$", max_length=40)], Category] = Field(min_length=1)


class _Yearly(_Strict):
    day: str = Field(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")
    name: str


class _Feast(_Strict):
    first: date = Field(alias="from")
    last: date = Field(alias="until")
    name: str

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not timedelta(0) <= self.last - self.first <= timedelta(days=14):
            raise ValueError("`until` must be 0 to 14 days after `from`")
        return self

    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


class _Holidays(_Strict):
    zone: str
    weekend: frozenset[Annotated[int, Field(ge=1, le=7)]] = Field(max_length=6)
    confirmed: bool
    yearly: tuple[_Yearly, ...]
    movable: dict[int, tuple[_Feast, ...]]


def load_categories(path: Path) -> Categories:
    """Read the categories file.

    Raises:
        ConfigurationError: unreadable, or a key is missing, unknown or wrong.
    """
    return _validated(Categories, path)


def load_calendar(path: Path) -> WorkingCalendar:
    """Read the holidays file into a calendar.

    Raises:
        ConfigurationError: unreadable, a key is missing, unknown or wrong, or the time zone does not exist.
    """
    document = _validated(_Holidays, path)
    try:
        zone = ZoneInfo(document.zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigurationError(f"{path.name}: zone: no such time zone: {document.zone}") from None
    days = {day for feasts in document.movable.values() for feast in feasts for day in feast.days()}
    for entry in document.yearly:
        month, day = (int(part) for part in entry.day.split("-"))
        days |= {date(year, month, day) for year in range(_FIRST_YEAR, _LAST_YEAR + 1) if _exists(year, month, day)}
    return WorkingCalendar(
        zone=zone,
        weekend=document.weekend,
        holidays=frozenset(days),
        complete_years=frozenset(document.movable),
        confirmed=document.confirmed,
    )


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:  # 29 February, outside a leap year
        return False
    return True


def _validated(model: type[M], path: Path) -> M:
    try:
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return model.model_validate(document)
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path.name}: cannot be read: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors(include_url=False))
        raise ConfigurationError(f"{path.name}: {wrong}") from error
