"""What can go wrong with a remedy.

Conflict 409                                  Invalid 422
├── RemedyPending                             └── RemedyInvalid
└── RemedyNotPossible
"""

from __future__ import annotations

from shared.errors import Conflict, Invalid


class RemedyPending(Conflict):
    """The case waits for the answer to a remedy of this kind."""

    code, title = "remedy_pending", "This was asked for already, and is not answered yet"


class RemedyNotPossible(Conflict):
    """The case's state, or its seal, does not allow a remedy."""

    code, title = "remedy_not_possible", "This case cannot ask for a remedy now"


class RemedyInvalid(Invalid):
    """What is needed for this kind of remedy is missing or wrong."""

    code, title = "remedy_invalid", "The remedy cannot be asked for as it is"
