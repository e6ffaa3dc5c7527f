"""Who may do what here: dependencies named after the permission."""

from __future__ import annotations

from typing import Annotated

from shared.auth import Principal, requires
from shared.errors import Forbidden, OutsideArea

_OFFICERS = (
    "programme_officer",
    "registry_officer",
    "commune_officer",
    "payment_officer",
    "payment_approver",
    "finance_officer",
    "grievance_officer",
    "auditor",
)

ProgrammeWrite = Annotated[Principal, requires("programme_officer")]
ProgrammeRead = Annotated[Principal, requires(*_OFFICERS)]
CycleWrite = Annotated[Principal, requires("programme_officer")]
CycleRead = Annotated[
    Principal, requires("programme_officer", "payment_officer", "payment_approver", "finance_officer", "auditor")
]
_SEE_ENROLMENTS = ("programme_officer", "commune_officer", "registry_officer", "grievance_officer", "auditor")
EnrolmentRead = Annotated[Principal, requires(*_SEE_ENROLMENTS)]

ConditionReport = Annotated[
    Principal, requires("health_worker", "school_officer", "employer", "programme_officer", "commune_officer")
]
ConditionRead = Annotated[
    Principal,
    requires("health_worker", "school_officer", "programme_officer", "commune_officer", "grievance_officer", "auditor"),
]
ConditionWaive = Annotated[Principal, requires("programme_officer", "commune_officer", "grievance_officer")]
CoverageRead = Annotated[
    Principal, requires("health_worker", "integration", "commune_officer", "programme_officer", "grievance_officer")
]


def ensure_national(principal: Principal) -> None:
    """Raise OutsideArea unless the caller's area is the whole country: programmes and cycles are national acts."""
    if not principal.national:
        raise OutsideArea("A programme and its cycles concern the whole country: ask a national officer.")


def ensure_counts(principal: Principal) -> None:
    """Raise Forbidden unless the caller may have exact counts of her area at this moment.

    Asked for today and tomorrow they tell of single households: they are for those who see the enrolments anyway, and
    for the whole country.
    """
    if not principal.national and not principal.has(*_SEE_ENROLMENTS):
        raise Forbidden("Ask for the figures of who is left behind: those of a small area are protected.")
