"""Errors of programmes.

Invalid   -> ProgrammeInvalid 422 programme_invalid
Conflict  -> VersionPublished 409 version_already_published
          -> PastRewritten    409 version_rewrites_the_past
          -> RateNotOpen     409 rate_not_open
          -> RateDiffers     409 rate_differs
Forbidden -> ConfirmedByAuthor 403 confirmed_by_author
NotFound  -> ProgrammeUnknown 404 programme_unknown
          -> RateUnknown     404 rate_unknown
          -> NoVersionInForce 422 no_version_in_force
"""

from __future__ import annotations

from shared.errors import Conflict, Forbidden, Invalid, NotFound


class ProgrammeInvalid(Invalid):
    code, title = "programme_invalid", "The programme file is refused"


class VersionPublished(Conflict):
    code, title = "version_already_published", "This version is published already"


class PastRewritten(Conflict):
    code, title = "version_rewrites_the_past", "This version would change a period that is closed"


class ProgrammeUnknown(NotFound):
    code, title = "programme_unknown", "There is no such programme or version"


class NoVersionInForce(Invalid):
    code, title = "no_version_in_force", "No published version governs this date"


class RateUnknown(NotFound):
    code, title = "rate_unknown", "There is no such rate table"


class RateNotOpen(Conflict):
    code, title = "rate_not_open", "This rate needs no confirmation"


class RateDiffers(Conflict):
    code, title = "rate_differs", "These are not the amounts of the rate table"


class ConfirmedByAuthor(Forbidden):
    code, title = "confirmed_by_author", "A second person confirms"
