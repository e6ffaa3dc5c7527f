"""The programme file: what an officer writes, as validated models. Errors name the path and the code.

Nothing of any programme or country is in code: names, rules, rates, dates and windows all come from the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.eligibility.programmes.rates import Day, RateTable
from shared.errors import FieldError
from shared.money import MoneyError, check_amount

MAX_FILE_BYTES = 256 * 1024
MAX_FILE_DEPTH = 20

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
ProgrammeCode = Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,20}){1,5}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(_Strict):
    """A text in the two languages of the platform."""

    km: str = Field(min_length=1, max_length=500)
    en: str = Field(min_length=1, max_length=500)


class Clause(_Strict):
    """One condition for taking part; all must hold. `reason` is told to the family when it does not."""

    id: Name
    when: str = Field(description="CEL over household and members.")
    reason: Words


class FormulaLine(_Strict):
    """One component of a benefit: quantity x rate."""

    component: Name
    names: Words
    quantity: str = Field(description="CEL, a whole number that cannot be negative.")
    rate: Name = Field(description="Name of a rate table of this file.")
    enabled: bool = Field(default=True, description="A component can be switched off.")


class Benefit(_Strict):
    """What is paid as one amount: the sum of its lines."""

    component: Name
    names: Words
    formula: tuple[FormulaLine, ...] = Field(min_length=1, max_length=20)


class WindowEdge(_Strict):
    """A day of the month, some months after the period's own; the 31st of a shorter month is its last day."""

    day: int = Field(ge=1, le=31)
    months_after: int = Field(ge=0, le=24)


class PaymentWindow(_Strict):
    """When the money can be collected."""

    opens: WindowEdge
    closes: WindowEdge


class ProgrammeFile(_Strict):
    """One version of a programme, whole."""

    format: Literal["samaki.programme/1"]
    code: ProgrammeCode
    names: Words
    unit: Literal["household"]
    frequency: Literal["monthly"]
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    funding_line: str = Field(min_length=1, max_length=80)
    valid_from: Day
    valid_until: Day | None = None
    reference_date: Literal["first_day_of_period", "last_day_of_period"]
    payment_window: PaymentWindow
    arrears: Literal["none"] = Field(description="`none`: late joiners start with the current period.")
    predicates: dict[Name, str] = Field(
        default_factory=dict, max_length=20, description="Named conditions over one `member`, used as m.<name>."
    )
    eligibility: tuple[Clause, ...] = Field(min_length=1, max_length=30)
    benefits: tuple[Benefit, ...] = Field(min_length=1, max_length=10)
    rates: dict[Name, RateTable] = Field(min_length=1, max_length=40)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.valid_until is not None and self.valid_until < self.valid_from:
            raise ValueError("valid_until is before valid_from")
        _refuse_repeats("eligibility", [clause.id for clause in self.eligibility])
        _refuse_repeats("benefits", [benefit.component for benefit in self.benefits])
        for benefit in self.benefits:
            _refuse_repeats(f"the formula of {benefit.component}", [line.component for line in benefit.formula])
            for line in benefit.formula:
                if line.rate not in self.rates:
                    raise ValueError(f"{benefit.component}.{line.component}: there is no rate table {line.rate!r}")
        self._check_amounts()
        return self

    def _check_amounts(self) -> None:
        for name, table in self.rates.items():
            for amount in table.amounts():
                try:
                    check_amount(amount, self.currency)
                except MoneyError as error:
                    raise ValueError(f"rates.{name}: {error}") from error


def _refuse_repeats(where: str, names: list[str]) -> None:
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(f"{where}: {', '.join(sorted(repeated))} is given twice")


class ProgrammeFileError(Exception):
    """The file is refused; `errors` names each path with a code and what to write instead."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__(f"{len(errors)} errors in the programme file")
        self.errors = errors


class _Loader(yaml.SafeLoader):
    """YAML without what hides surprises: no aliases, no key given twice."""

    depth = 0

    def _mark(self) -> Any:
        return self.peek_event().start_mark  # type: ignore[no-untyped-call]

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases are not used here", problem_mark=self._mark())
        self.depth += 1
        if self.depth > MAX_FILE_DEPTH:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=self._mark())
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, (list, dict)) or key in seen:
                raise yaml.MarkedYAMLError(problem=f"{key!r} is given twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def parse_programme_file(source: bytes) -> ProgrammeFile:
    """Read and validate a programme file.

    Args:
        source: YAML in UTF-8, at most 256 KiB.

    Raises:
        ProgrammeFileError: with every error found; rules are checked later, by programmes/compiled.py.
    """
    if len(source) > MAX_FILE_BYTES:
        raise _refused("", "file_too_large", f"A programme file has at most {MAX_FILE_BYTES} bytes.")
    try:
        document = yaml.load(source.decode(), Loader=_Loader)  # noqa: S506 a SafeLoader, made stricter
    except UnicodeDecodeError as error:
        raise _refused("", "not_utf8", "Write the file in UTF-8.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise _refused("", "yaml_invalid", f"{where}{error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _refused("", "yaml_invalid", "This is not YAML.") from error
    return load_document(document)


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
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text


def source_hash(source: bytes) -> str:
    """SHA-256 of the file, in hexadecimal."""
    return hashlib.sha256(source).hexdigest()


__all__ = ["ProgrammeFile", "ProgrammeFileError", "load_document", "parse_programme_file", "source_hash"]
