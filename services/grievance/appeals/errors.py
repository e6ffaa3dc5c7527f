"""What can go wrong with an appeal.

NotFound 404          Forbidden 403         Conflict 409              Invalid 422
└── AppealNotFound    └── NotOnThisPanel    ├── AppealExists          └── AppealInvalid
                                            └── AppealEnded
"""

from __future__ import annotations

from shared.errors import Conflict, Forbidden, Invalid, NotFound


class AppealNotFound(NotFound):
    """There is no such appeal, or none that the caller may see."""

    code, title = "appeal_not_found", "There is no such appeal in your area"


class NotOnThisPanel(Forbidden):
    """Only appointed members vote, and nobody who made the decision."""

    code, title = "not_on_this_panel", "You do not sit on this panel"


class AppealExists(Conflict):
    """The decision is being appealed already."""

    code, title = "appeal_exists", "This decision is being appealed already"


class AppealEnded(Conflict):
    """The appeal was decided or withdrawn, or votes were cast."""

    code, title = "appeal_ended", "This appeal cannot be changed any more"


class AppealInvalid(Invalid):
    """The decision is unknown or too long ago, or somebody cannot sit on the panel."""

    code, title = "appeal_invalid", "This cannot be done as asked"
