"""What can go wrong with households.

Problem
├── HouseholdNotFound 404 household_not_found
├── HouseholdExists 409 household_exists
├── IdentifierRegistered 409 identifier_registered
└── BadHousehold 422 bad_household
"""

from __future__ import annotations

from shared.errors import Conflict, Invalid, NotFound


class HouseholdNotFound(NotFound):
    """No household has this id."""

    code, title = "household_not_found", "There is no such household"


class HouseholdExists(Conflict):
    """The village has a household of this number."""

    code, title = "household_exists", "This household is registered already"


class IdentifierRegistered(Conflict):
    """The number belongs to somebody else."""

    code, title = "identifier_registered", "This number is registered for somebody else"


class BadHousehold(Invalid):
    """Some of what was said about the household or its members cannot be."""

    code, title = "bad_household", "Some of the household's facts are not valid"
