"""What people complain about, who answers, how a case climbs: from a file, read at start, refused when wrong."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.grievance.cases.deadlines import MAX_WORKING_DAYS, WorkingCalendar
from services.grievance.cases.progress import Ladder, Rung
from services.grievance.cases.states import SubjectType

M = TypeVar("M", bound=BaseModel)
_FIRST_YEAR, _LAST_YEAR = 2015, 2060
Code = Annotated[str, Field(pattern=r"^[a-z][a-z_]*$", max_length=40)]
Days = Annotated[int, Field(ge=1, le=MAX_WORKING_DAYS)]


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
        starts_at: the level at which it is taken up; empty: the lowest.
        sealed: whether its cases are sealed: seen by sealed case officers only, nowhere counted, never published.
    """

    name_en: str
    name_km: str
    route: Code
    deadline_working_days: Days
    priority: Literal["low", "normal", "high", "urgent"]
    subjects: frozenset[SubjectType] = Field(min_length=1)
    starts_at: str = ""
    sealed: bool = False


class Level(_Strict):
    """A level of the ladder, and the working days that a case has after arriving there."""

    code: Code
    name_en: str
    name_km: str
    working_days: Days


class Institution(_Strict):
    """Somebody outside the platform to whom a case can be referred."""

    name_en: str
    name_km: str


class Automatic(_Strict):
    """Which payment events open a case by themselves, and with which reasons they do not."""

    category: Code = "payment"
    open_on: frozenset[Literal["failed", "returned", "excluded", "expired"]] = frozenset(
        {"failed", "returned", "excluded"}
    )
    ignored_reasons: frozenset[str] = frozenset({"hold", "deceased"})


class AppealPolicy(_Strict):
    """How decisions are appealed.

    Attributes:
        effects: what happens to the money meanwhile, by kind of decision; `programmes` overrides it by programme.
    """

    category: Code = "eligibility"
    lodge_within_working_days: Days = 30
    panel_size: int = Field(default=3, ge=1, le=15)
    effects: dict[Literal["refusal", "delisting"], Literal["hold", "continue", "none"]] = {
        "refusal": "none",
        "delisting": "continue",
    }
    programmes: dict[str, dict[Literal["refusal", "delisting"], Literal["hold", "continue", "none"]]] = {}

    @model_validator(mode="after")
    def _decidable(self) -> Self:
        if self.panel_size % 2 == 0:
            raise ValueError("a panel has an odd number of members: an even one cannot decide")
        return self

    def effect(self, programme_code: str, kind: Literal["refusal", "delisting"]) -> Literal["hold", "continue", "none"]:
        """What happens to the money while such an appeal is pending."""
        return self.programmes.get(programme_code, {}).get(kind, self.effects.get(kind, "none"))


class PatternPolicy(_Strict):
    """From how many cases within the window one account, agent or official is flagged."""

    window_days: int = Field(default=90, ge=1, le=3660)
    account: int = Field(default=3, ge=2)
    agent: int = Field(default=10, ge=2)
    official: int = Field(default=3, ge=2)


_LEVELS = tuple(
    Level(code=code, name_en=code, name_km=code, working_days=10)
    for code in ("commune", "district", "province", "ministry", "regulator")
)


class Categories(_Strict):
    """The whole file."""

    categories: dict[Code, Category] = Field(min_length=1)
    levels: tuple[Level, ...] = Field(default=_LEVELS, min_length=1, max_length=10)
    institutions: dict[Code, Institution] = {}
    automatic: Automatic = Automatic()
    appeals: AppealPolicy = AppealPolicy()
    patterns: PatternPolicy = PatternPolicy()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        codes = [level.code for level in self.levels]
        if len(set(codes)) != len(codes):
            raise ValueError("levels: two have the same code")
        for name, category in self.categories.items():
            if category.starts_at and category.starts_at not in codes:
                raise ValueError(f"categories.{name}.starts_at: no such level: {category.starts_at}")
        automatic = self.categories.get(self.automatic.category)
        if automatic is not None and automatic.sealed:
            raise ValueError("automatic.category: cases that open by themselves are published: it must not be sealed")
        return self

    @property
    def ladder(self) -> Ladder:
        """The levels, as the pure rules see them."""
        return Ladder([Rung(level.code, level.working_days) for level in self.levels])

    def start_level(self, category: Category) -> str:
        """The level at which a case of this category begins."""
        return category.starts_at or self.levels[0].code


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
    return validated(Categories, path)


def load_calendar(path: Path) -> WorkingCalendar:
    """Read the holidays file into a calendar.

    Raises:
        ConfigurationError: unreadable, a key is missing, unknown or wrong, or the time zone does not exist.
    """
    document = validated(_Holidays, path)
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


def validated(model: type[M], path: Path) -> M:
    """A YAML file as a model.

    Raises:
        ConfigurationError: unreadable, or a key is missing, unknown or wrong; names the file and the key.
    """
    try:
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return model.model_validate(document)
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path.name}: cannot be read: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors(include_url=False))
        raise ConfigurationError(f"{path.name}: {wrong}") from error
