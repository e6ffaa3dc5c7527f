"""Who may do what in the registry: dependency aliases named after the permission."""

from __future__ import annotations

from typing import Annotated, Final

from shared.auth import Principal, requires

_OFFICERS: Final = ("commune_officer", "registry_officer")
_READERS: Final = (
    *_OFFICERS,
    *("programme_officer", "payment_officer", "payment_approver", "finance_officer", "grievance_officer"),
    *("auditor", "integration"),
)

PlaceLoad = Annotated[Principal, requires("registry_officer")]
PlaceRead = Annotated[Principal, requires(*_READERS)]
HouseholdWrite = Annotated[Principal, requires(*_OFFICERS)]
HouseholdRead = Annotated[Principal, requires(*_READERS)]
PersonRead = Annotated[Principal, requires(*_OFFICERS, "grievance_officer")]
PersonSearch = Annotated[Principal, requires(*_OFFICERS, "grievance_officer")]
HistoryRead = Annotated[Principal, requires(*_OFFICERS, "grievance_officer", "auditor")]
LifeEventWrite = Annotated[Principal, requires(*_OFFICERS)]
FeedWrite = Annotated[Principal, requires("integration", "registry_officer")]
ConsentWrite = Annotated[Principal, requires(*_OFFICERS, "grievance_officer")]
ConsentRead = Annotated[Principal, requires(*_OFFICERS, "grievance_officer", "auditor", "data_protection_officer")]
EmployerWrite = Annotated[Principal, requires("employer", "registry_officer")]
EmployerAdmin = Annotated[Principal, requires("registry_officer")]
EmployerRead = Annotated[Principal, requires("employer", "registry_officer", "programme_officer", "auditor")]
ApplicationWrite = Annotated[Principal, requires(*_OFFICERS)]
ApplicationDecide = Annotated[Principal, requires("registry_officer")]
ApplicationRead = Annotated[Principal, requires(*_OFFICERS, "programme_officer", "grievance_officer", "auditor")]
RemedyDecide = Annotated[Principal, requires("registry_officer")]
ImportRead = Annotated[Principal, requires(*_OFFICERS, "auditor")]

NAMING_ROLES: Final = frozenset({*_OFFICERS, "grievance_officer"})
"""Roles that are shown names and telephone numbers, in their area, each look being audited."""
CARE_ROLES: Final = frozenset(_OFFICERS)
"""Roles that are shown who lives with HIV or is pregnant: those who record it."""
