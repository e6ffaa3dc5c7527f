"""Kinds of events as configuration: who reports them, of whom, with what, how late; their codes in FHIR. Pure."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from services.eligibility.programmes.parts import Name, Part, Words

ReporterRole = Literal["health_worker", "school_officer", "employer", "programme_officer", "commune_officer"]


class Coding(Part):
    """A code of a FHIR code system in a kind of resource."""

    resource: Literal["Encounter", "Immunization", "Procedure", "Observation"]
    system: str = Field(min_length=1, max_length=200)
    code: str = Field(min_length=1, max_length=80)


class Measured(Part):
    """A whole number that a report carries, between two bounds."""

    minimum: int = Field(default=0, ge=0, le=10_000)
    maximum: int = Field(ge=0, le=10_000)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.maximum < self.minimum:
            raise ValueError("maximum is below minimum")
        return self


class ConditionKind(Part):
    """One kind of event."""

    code: Name
    names: Words
    reported_by: tuple[ReporterRole, ...] = Field(min_length=1, max_length=5)
    sex: Literal["female", "male"] | None = Field(default=None, description="Of the person, if only one can have it.")
    minimum_age_months: int = Field(default=0, ge=0, le=1_500)
    maximum_age_months: int = Field(default=1_500, ge=0, le=1_500)
    value: Measured | None = Field(default=None, description="Reports carry a `value`, e.g. percent attended.")
    counts_babies: bool = Field(default=False, description="Reports carry the number of babies born.")
    lasts: bool = Field(default=False, description="Reports carry a last day.")
    maximum_days: int = Field(default=366, ge=1, le=3_700, description="Of what lasts.")
    of_month: bool = Field(default=False, description="It tells of a whole month: one report per person and month.")
    episode_days: int = Field(
        default=0, ge=0, le=3_700, description="Events nearer than this belong together (a pregnancy); 0: a whole life."
    )
    late_days: int = Field(default=365, ge=0, le=3_700, description="How long afterwards it may be reported.")
    ahead_days: int = Field(default=0, ge=0, le=366, description="How long before it may be reported.")
    needs_approval: bool = Field(default=False, description="A programme officer approves each report.")
    codes: tuple[Coding, ...] = Field(default=(), max_length=50)
    babies_code: Coding | None = Field(
        default=None, description="The FHIR Observation in the same bundle that tells the number of babies."
    )


class ConditionKinds(Part):
    """The kinds of a country, whole."""

    format: Literal["samaki.condition-kinds/1"]
    holidays: tuple[Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")], ...] = Field(
        default=(), max_length=1_000, description="Public holidays: no working days when notice is counted."
    )
    kinds: tuple[ConditionKind, ...] = Field(min_length=1, max_length=100)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        codes = [kind.code for kind in self.kinds]
        if len(set(codes)) != len(codes):
            raise ValueError("kinds: a code is given twice")
        codings = [(c.resource, c.system, c.code) for kind in self.kinds for c in kind.codes]
        if len(set(codings)) != len(codings):
            raise ValueError("kinds: a FHIR code stands for two kinds")
        return self
