"""Errors of programmes.

Invalid   -> ProgrammeInvalid 422 programme_invalid
Conflict  -> VersionPublished 409 version_already_published
          -> PastRewritten    409 version_rewrites_the_past
NotFound  -> ProgrammeUnknown 404 programme_unknown
          -> NoVersionInForce 422 no_version_in_force
"""

from __future__ import annotations

from shared.errors import Conflict, Invalid, NotFound


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
