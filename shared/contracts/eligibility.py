"""What eligibility says: who is enrolled, and what is granted for a cycle."""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.base import Amount, ControlTotal, Currency, EventPayload, PlaceCode
from shared.contracts.remedies import RemedyAnswer

ENROLMENTS = "eligibility.enrolments"
ENTITLEMENTS = "eligibility.entitlements"
CYCLES = "eligibility.cycles"
PROGRAMMES = "eligibility.programmes"
DECISIONS = "eligibility.decisions"
REMEDIES = "eligibility.remedies"


EnrolmentCause = Literal[
    "aged_in",
    "birth",
    "new_card",
    "moved",
    "new_rules",
    "registered",
    "newly_eligible",
    "by_officer",
    "under_appeal",
    "appeal_decided",
    "case_remedy",
]
"""Why somebody takes part. The set is closed: another code would be a new version of the event.

By the platform's daily look, what changed since she was refused: `aged_in` (an age passed a bound of the rules),
`birth` (a baby came), `new_card` (a card was given, renewed or has begun), `moved` (another place or household),
`new_rules` (another version of the programme), `registered` (not known before), `newly_eligible` (none of these, or
several). By people: `by_officer` (an officer enrolled everybody who qualified), `under_appeal` (an appeal lets her go
on until it is decided), `appeal_decided`, `case_remedy` (a complaint was found right and she was judged again). Who
waited for a place keeps the cause for which she was listed.
"""


class _Enrolment(EventPayload):
    TOPIC: ClassVar[str] = ENROLMENTS
    KEY: ClassVar[str] = "enrolment_id"

    enrolment_id: UUID
    programme_code: str
    programme_version: int = Field(ge=1)
    beneficiary_id: UUID = Field(description="Household or person, by the programme's unit.")
    beneficiary_reference: str
    village_code: PlaceCode
    effective_on: date


class EnrolmentApproved(_Enrolment):
    """A beneficiary takes part in a programme from `effective_on`."""

    TYPE: ClassVar[str] = "samaki.eligibility.enrolment.approved.v1"
    cause: EnrolmentCause | None = Field(
        default=None,
        description="Why she takes part. By the daily look: `aged_in`, `birth`, `new_card`, `moved`, `new_rules`, "
        "`registered`, or `newly_eligible` where it was none of these or several. By people: `by_officer`, "
        "`under_appeal`, `appeal_decided`, `case_remedy`. Null: from before causes were told.",
    )


class EnrolmentSuspended(_Enrolment):
    """Taking part is paused; `cause` says why."""

    TYPE: ClassVar[str] = "samaki.eligibility.enrolment.suspended.v1"
    cause: str
    until: date | None = Field(default=None, description="Last day of the pause, when it has one.")


class EnrolmentResumed(_Enrolment):
    """Taking part goes on after a pause."""

    TYPE: ClassVar[str] = "samaki.eligibility.enrolment.resumed.v1"
    cause: str


class EnrolmentWaitlisted(_Enrolment):
    """Eligible, but a quota or a budget cap binds: on the waiting list at this rank."""

    TYPE: ClassVar[str] = "samaki.eligibility.enrolment.waitlisted.v1"
    rank: int = Field(ge=1)


class EnrolmentEnded(_Enrolment):
    """Taking part is over; `cause` says why."""

    TYPE: ClassVar[str] = "samaki.eligibility.enrolment.ended.v1"
    cause: str
    ended_by: str | None = Field(default=None, description="Subject of the officer's token; null: by the platform.")


class ProgrammeText(BaseModel):
    """A clause or component and how it is said to a family."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    code: str
    km: str
    en: str


class ProgrammePublished(EventPayload):
    """A programme version is in force: the words that explain its decisions and its components, in both languages."""

    TYPE: ClassVar[str] = "samaki.eligibility.programme.published.v1"
    TOPIC: ClassVar[str] = PROGRAMMES
    KEY: ClassVar[str] = "programme_code"

    programme_code: str
    programme_version: int = Field(ge=1)
    unit: Literal["household", "person", "worker", "student", "event"]
    name_km: str
    name_en: str
    funding_line: str
    currency: Currency
    valid_from: date
    valid_until: date | None = None
    clauses: tuple[ProgrammeText, ...] = Field(max_length=60, description="What is said when a clause is not met.")
    components: tuple[ProgrammeText, ...] = Field(max_length=60)
    unconfirmed: tuple[str, ...] = Field(
        default=(), max_length=60, description="Rate tables not yet confirmed by an officer."
    )


class FactValue(BaseModel):
    """One fact that a decision saw, as text."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    value: str


class DecisionMade(EventPayload):
    """A decision that differs from the one before: outcome, clauses or version. Facts are those its rules name."""

    TYPE: ClassVar[str] = "samaki.eligibility.decision.made.v1"
    TOPIC: ClassVar[str] = DECISIONS
    KEY: ClassVar[str] = "beneficiary_id"

    decision_id: UUID
    programme_code: str
    programme_version: int = Field(ge=1)
    beneficiary_id: UUID
    beneficiary_reference: str
    village_code: PlaceCode
    decided_on: date = Field(description="The reference date of the facts.")
    eligible: bool
    failed_clauses: tuple[str, ...] = Field(max_length=60)
    facts: tuple[FactValue, ...] = Field(max_length=60)
    facts_hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    decided_by: str | None = Field(
        default=None, description="Subject of the officer who ran it; null: by the platform."
    )


class EntitlementLine(BaseModel):
    """One component of the benefit formula, as computed: quantity x rate = amount."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    component: str
    quantity: int = Field(ge=0)
    rate: Amount
    amount: Amount
    kind: Literal["benefit", "arrears", "recovery"] = Field(
        default="benefit", description="`recovery` lines are taken off: amount = benefit + arrears - recovery."
    )
    for_period: str | None = Field(default=None, description="Of arrears and recovery: the period put right.")


class EntitlementGranted(EventPayload):
    """A beneficiary is owed this much for a closed cycle: the benefit and arrears of `lines` less recovery."""

    TYPE: ClassVar[str] = "samaki.eligibility.entitlement.granted.v1"
    TOPIC: ClassVar[str] = ENTITLEMENTS
    KEY: ClassVar[str] = "entitlement_id"

    entitlement_id: UUID = Field(description="The deterministic UUID of programme, cycle, beneficiary and component.")
    cycle_id: UUID
    programme_code: str
    programme_version: int = Field(ge=1)
    period: str = Field(pattern=r"^\d{4}-\d{2}$", description="The month paid for, e.g. `2020-07`.")
    beneficiary_id: UUID
    beneficiary_reference: str
    village_code: PlaceCode
    component: str = Field(description="Payable component, e.g. `monthly_transfer`.")
    amount: Amount
    currency: Currency
    lines: tuple[EntitlementLine, ...] = Field(max_length=40)
    decision_id: UUID = Field(description="The decision that explains it.")
    unconfirmed: bool = Field(default=False, description="A rate in it awaits confirmation: it must not be paid.")


class EntitlementRevoked(EventPayload):
    """An entitlement that had been granted is withdrawn, before payment."""

    TYPE: ClassVar[str] = "samaki.eligibility.entitlement.revoked.v1"
    TOPIC: ClassVar[str] = ENTITLEMENTS
    KEY: ClassVar[str] = "entitlement_id"

    entitlement_id: UUID
    cycle_id: UUID
    cause: str


class CycleClosed(EventPayload):
    """A cycle is final. Control totals tell receivers what they must have got before they act on it."""

    TYPE: ClassVar[str] = "samaki.eligibility.cycle.closed.v1"
    TOPIC: ClassVar[str] = CYCLES
    KEY: ClassVar[str] = "cycle_id"

    cycle_id: UUID
    programme_code: str
    programme_version: int = Field(ge=1)
    period: str = Field(pattern=r"^\d{4}-\d{2}$")
    reference_date: date
    payment_window_from: date
    payment_window_until: date
    funding_line: str
    currency: Currency
    count: int = Field(ge=0)
    amount: Amount
    totals: tuple[ControlTotal, ...] = Field(max_length=2000)
    content_hash: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 over the sorted entitlements.")
    closed_by: str = Field(description="Subject of the officer's token.")


class RemedyAnswered(RemedyAnswer):
    """What became of a remedy that eligibility was asked for."""

    TYPE: ClassVar[str] = "samaki.eligibility.remedy.answered.v1"
    TOPIC: ClassVar[str] = REMEDIES


EVENTS: tuple[type[EventPayload], ...] = (
    ProgrammePublished,
    DecisionMade,
    EnrolmentApproved,
    EnrolmentSuspended,
    EnrolmentResumed,
    EnrolmentWaitlisted,
    EnrolmentEnded,
    EntitlementGranted,
    EntitlementRevoked,
    CycleClosed,
    RemedyAnswered,
)
__all__ = [
    "CYCLES",
    "DECISIONS",
    "ENROLMENTS",
    "ENTITLEMENTS",
    "EVENTS",
    "PROGRAMMES",
    "REMEDIES",
    "CycleClosed",
    "DecisionMade",
    "EnrolmentApproved",
    "EnrolmentCause",
    "EnrolmentEnded",
    "EnrolmentResumed",
    "EnrolmentSuspended",
    "EnrolmentWaitlisted",
    "EntitlementGranted",
    "EntitlementLine",
    "EntitlementRevoked",
    "FactValue",
    "ProgrammePublished",
    "ProgrammeText",
    "RemedyAnswered",
]
