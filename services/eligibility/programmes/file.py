"""The programme file: what an officer writes, as validated models. Errors name the path, the code, line and column.

Nothing of any programme or country is in code: names, rules, rates, dates and windows all come from the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from services.eligibility.programmes.parts import (
    Arrears,
    Benefit,
    Blackout,
    Capacity,
    Clause,
    ConditionTest,
    Cover,
    Document,
    Duration,
    Exclusivity,
    FormulaLine,
    Name,
    Part,
    PaymentWindow,
    ProgrammeCode,
    Recovery,
    Suspension,
    WindowEdge,
    Words,
)
from services.eligibility.programmes.rates import Day, RateTable
from services.eligibility.programmes.yaml_source import Position, YamlRefused, nearest, read_yaml
from services.eligibility.rules.vocabulary import UNITS
from shared.errors import FieldError
from shared.money import MoneyError, check_amount

MAX_FILE_BYTES = 256 * 1024
REFUNDS = "REFUND"
"""What payments calls the programme of a refund of contributions: no programme is called so."""


class ProgrammeFile(Part):
    """One version of a programme, whole."""

    format: Literal["samaki.programme/1"]
    code: ProgrammeCode
    names: Words
    unit: Literal["household", "person", "worker", "student", "event"]
    events: tuple[Name, ...] = Field(default=(), max_length=20, description="Kinds of event, where the unit is one.")
    frequency: Literal["monthly", "quarterly", "once", "per_event", "none"] = Field(
        description="once: on each of `dates`. per_event: each event is paid. none: an entitlement check, no payment."
    )
    dates: tuple[Day, ...] = Field(default=(), max_length=60, description="Of `once`: the payments' dates.")
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    funding_line: str = Field(min_length=1, max_length=80)
    valid_from: Day
    valid_until: Day | None = None
    reference_date: Literal["first_day_of_period", "last_day_of_period", "payment_date", "event_date"]
    payment_window: PaymentWindow | None = None
    blackouts: tuple[Blackout, ...] = Field(default=(), max_length=200)
    arrears: Literal["none"] | Arrears = Field(
        default="none", description="`none`: late joiners start with the current period."
    )
    recovery: Recovery = Recovery()
    late_events_days: int = Field(default=365, ge=0, le=3_700, description="Until when a late event is still paid.")
    enrolment: Literal["automatic", "by_officer"] = Field(
        default="by_officer",
        description="Of who newly qualifies. automatic: from the officer's first enrolment on, the platform enrols "
        "them once a day. by_officer: an officer asks for each enrolment, as where people apply or are assessed.",
    )
    capacity: Capacity | None = None
    exclusivity: tuple[Exclusivity, ...] = Field(default=(), max_length=20)
    duration: Duration | None = None
    grace_days: int = Field(default=0, ge=0, le=3_700, description="Taking part goes on so long after the card's end.")
    warn_days: int = Field(default=60, ge=0, le=3_700, description="The card's end is announced so long before.")
    suspensions: tuple[Suspension, ...] = Field(default=(), max_length=10)
    documents: tuple[Document, ...] = Field(default=(), max_length=30)
    conditions: dict[Name, ConditionTest] = Field(default_factory=dict, max_length=20)
    predicates: dict[Name, str] = Field(
        default_factory=dict, max_length=20, description="Named conditions over one `member`, used as m.<name>."
    )
    eligibility: tuple[Clause, ...] = Field(min_length=1, max_length=30)
    benefits: tuple[Benefit, ...] = Field(default=(), max_length=10)
    covers: tuple[Cover, ...] = Field(default=(), max_length=40)
    rates: dict[Name, RateTable] = Field(default_factory=dict, max_length=40)

    @property
    def enrols(self) -> bool:
        """Whether beneficiaries are enrolled: not where each event stands alone, nor for an entitlement check."""
        return self.frequency not in ("per_event", "none")

    @property
    def arrears_months(self) -> int:
        """Months that are paid afterwards; 0: none."""
        return 0 if self.arrears == "none" else self.arrears.months

    @property
    def recovery_cap_percent(self) -> int:
        """Share of a benefit that recovery may take, in percent."""
        return self.recovery.cap_percent

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for problem in _problems(self):
            raise ValueError(problem)
        _check_repeats(self)
        _check_rates(self)
        return self


def _problems(file: ProgrammeFile) -> Iterator[str]:
    """What does not fit together."""
    if file.code == REFUNDS:
        yield f"code: {REFUNDS} is what refunds of contributions are called where payments are told"
    if file.valid_until is not None and file.valid_until < file.valid_from:
        yield "valid_until is before valid_from"
    if (file.unit == "event") != (file.frequency == "per_event"):
        yield "unit event and frequency per_event go together"
    if (file.unit == "event") != bool(file.events):
        yield "events: name the kinds of event where the unit is event, and only there"
    if (file.unit == "event") != (file.reference_date == "event_date"):
        yield "reference_date event_date goes with unit event"
    if (file.frequency == "once") != bool(file.dates):
        yield "dates: give them for frequency once, and only there"
    if (file.reference_date == "payment_date") and not file.dates:
        yield "reference_date payment_date needs dates"
    if len({(day.year, day.month) for day in file.dates}) != len(file.dates) or list(file.dates) != sorted(file.dates):
        yield "dates: in order, one a month at most"
    if (file.frequency == "none") != (not file.benefits):
        yield "benefits: give them, or frequency none with covers"
    if (file.frequency == "none") != bool(file.covers):
        yield "covers: what an entitlement check (frequency none) gives, and only there"
    if file.enrolment == "automatic" and not file.enrols:
        yield "enrolment automatic: nobody is enrolled where the frequency is per_event or none"
    if file.frequency != "none" and file.payment_window is None:
        yield "payment_window is missing"


def _check_repeats(file: ProgrammeFile) -> None:
    _refuse_repeats("eligibility", [clause.id for clause in file.eligibility])
    _refuse_repeats("suspensions", [rule.id for rule in file.suspensions])
    _refuse_repeats("benefits", [benefit.component for benefit in file.benefits])
    _refuse_repeats("covers", [cover.service for cover in file.covers])
    for benefit in file.benefits:
        _refuse_repeats(f"the formula of {benefit.component}", [line.component for line in benefit.formula])


def _check_rates(file: ProgrammeFile) -> None:
    for benefit in file.benefits:
        for line in benefit.formula:
            if line.rate not in file.rates:
                raise ValueError(f"{benefit.component}.{line.component}: there is no rate table {line.rate!r}")
    owners = ("household", *UNITS[file.unit])
    for name, table in file.rates.items():
        for fact in table.by:
            if fact.partition(".")[0] not in owners:
                raise ValueError(f"rates.{name}: {fact} is unknown where the unit is {file.unit}")
        for amount in table.amounts():
            _check_money(f"rates.{name}", amount, file.currency)
    if file.capacity is not None and file.capacity.budget_per_period is not None:
        _check_money("capacity.budget_per_period", file.capacity.budget_per_period, file.currency)


def _check_money(where: str, amount: Any, currency: str) -> None:
    try:
        check_amount(amount, currency)
    except MoneyError as error:
        raise ValueError(f"{where}: {error}") from error


def _refuse_repeats(where: str, names: list[str]) -> None:
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(f"{where}: {', '.join(sorted(repeated))} is given twice")


class ProgrammeFileError(Exception):
    """The file is refused; `errors` names each path with a code and what to write instead."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__(f"{len(errors)} errors in the programme file")
        self.errors = errors

    def located(self, positions: dict[str, Position]) -> ProgrammeFileError:
        """The same errors, each with the line and column of its path in the file."""
        located = []
        for error in self.errors:
            where = nearest(positions, error.field)
            text = f"{error.message} (file line {where[0]}, column {where[1]})" if where else error.message
            located.append(FieldError(error.field, error.code, text))
        return ProgrammeFileError(located)


def read_source(source: bytes) -> tuple[Any, dict[str, Position]]:
    """The document of a programme file, and the line and column of each of its paths.

    Args:
        source: YAML in UTF-8, at most 256 KiB.

    Raises:
        ProgrammeFileError: it cannot be read.
    """
    if len(source) > MAX_FILE_BYTES:
        raise _refused("", "file_too_large", f"A programme file has at most {MAX_FILE_BYTES} bytes.")
    try:
        return read_yaml(source)
    except YamlRefused as error:
        where = f"line {error.position[0]}, column {error.position[1]}: " if error.position else ""
        raise _refused("", "yaml_invalid", f"{where}{error.message}") from error


def parse_programme_file(source: bytes) -> ProgrammeFile:
    """Read and validate a programme file.

    Raises:
        ProgrammeFileError: with every error found; rules are checked later, by programmes/compiled.py.
    """
    document, positions = read_source(source)
    try:
        return load_document(document)
    except ProgrammeFileError as error:
        raise error.located(positions) from error


def load_document(document: Any) -> ProgrammeFile:
    """Validate a programme document that is already parsed (from YAML, or as stored).

    Raises:
        ProgrammeFileError: with every error found.
    """
    if not isinstance(document, Mapping):
        raise _refused("", "not_a_mapping", "A programme file is a mapping: `code: ...`.")
    try:
        return ProgrammeFile.model_validate(document)
    except ValidationError as error:
        raise ProgrammeFileError(
            [FieldError(path(item["loc"]), item["type"], item["msg"]) for item in error.errors()[:100]]
        ) from error


def _refused(field: str, code: str, message: str) -> ProgrammeFileError:
    return ProgrammeFileError([FieldError(field, code, message)])


def path(location: tuple[int | str, ...]) -> str:
    """`("eligibility", 0, "when")` as `eligibility[0].when`."""
    text = ""
    for part in location:
        if isinstance(part, str) and (part.startswith("literal[") or part == Arrears.__name__):
            continue  # pydantic's name of one of the alternatives, not a part of the path
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text


def source_hash(source: bytes) -> str:
    """SHA-256 of the file, in hexadecimal."""
    return hashlib.sha256(source).hexdigest()


__all__ = [
    "Benefit",
    "Clause",
    "ConditionTest",
    "FormulaLine",
    "ProgrammeFile",
    "ProgrammeFileError",
    "WindowEdge",
    "Words",
    "load_document",
    "parse_programme_file",
    "read_source",
    "source_hash",
]
