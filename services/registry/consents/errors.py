"""What can go wrong with consent.

Problem
├── ConsentNotFound 404 consent_not_found
├── ConsentGiven 409 consent_given
├── ConsentWithdrawn 409 consent_withdrawn
├── ConsentMissing 403 consent_missing
└── UnknownPurpose 422 unknown_purpose
"""

from __future__ import annotations

from shared.errors import Conflict, Forbidden, Invalid, NotFound


class ConsentNotFound(NotFound):
    """No consent has this id."""

    code, title = "consent_not_found", "There is no such consent"


class ConsentGiven(Conflict):
    """It stands already."""

    code, title = "consent_given", "This consent stands already"


class ConsentWithdrawn(Conflict):
    """It was withdrawn before."""

    code, title = "consent_withdrawn", "This consent was withdrawn already"


class ConsentMissing(Forbidden):
    """The purpose needs a consent that is not there."""

    code, title = "consent_missing", "The person has not consented to this"


class UnknownPurpose(Invalid):
    """Not one of the configuration's purposes or scopes."""

    code, title = "unknown_purpose", "There is no such purpose or scope"
