"""What can go wrong with an export.

Problem
├── ExportNotFound 404 export_not_found      ├── ExportExpired 410 export_expired
└── ExportNotReady 409 export_not_ready      └── NumbersNotAllowed 403 numbers_not_allowed
"""

from __future__ import annotations

from shared.errors import Conflict, Forbidden, NotFound, Problem


class ExportNotFound(NotFound):
    """No such export, or somebody else's."""

    code, title = "export_not_found", "There is no such export"


class ExportNotReady(Conflict):
    """The job has not ended."""

    code, title = "export_not_ready", "The file is not ready yet"


class ExportExpired(Problem):
    """Its file was deleted when its time was over."""

    status, code, title = 410, "export_expired", "The file is no longer kept"


class NumbersNotAllowed(Forbidden):
    """Identity numbers, cards and telephones leave only by a registry officer's hand."""

    code, title = "numbers_not_allowed", "Your role does not export identity numbers"
