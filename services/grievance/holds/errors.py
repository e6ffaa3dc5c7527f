"""What can go wrong with a hold.

NotFound 404         Conflict 409                       Invalid 422
└── HoldNotFound     ├── HoldExists                     └── HoldInvalid
                     └── HoldEnded
"""

from __future__ import annotations

from shared.errors import Conflict, Invalid, NotFound


class HoldNotFound(NotFound):
    """There is no such hold."""

    code, title = "hold_not_found", "There is no such hold"


class HoldExists(Conflict):
    """The payment is held already."""

    code, title = "hold_exists", "This payment is held already"


class HoldEnded(Conflict):
    """The hold was released or has expired."""

    code, title = "hold_ended", "This hold is over"


class HoldInvalid(Invalid):
    """A field of the hold is not acceptable."""

    code, title = "hold_invalid", "The hold cannot be placed as it is"
