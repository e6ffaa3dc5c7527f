"""Errors of conditions.

Invalid   -> ReportRefused     422 with the refusal's own code
          -> KindsInvalid      422 condition_kinds_invalid
          -> BundleInvalid     422 fhir_bundle_invalid
          -> FileUnreadable    422 condition_file_unreadable
Conflict  -> EventNotPending   409 event_not_pending
          -> EventSettled      409 event_settled
          -> EventNotStanding  409 event_not_standing
NotFound  -> EventUnknown      404 event_unknown
          -> FileUnknown       404 condition_file_unknown
          -> PersonUnknown     404 person_unknown
          -> KindUnknown       404 kind_unknown
          -> WaiverUnknown     404 waiver_unknown
"""

from __future__ import annotations

from typing import Any

from services.eligibility.conditions.report import Refusal
from shared.errors import Conflict, FieldError, Invalid, NotFound


class ReportRefused(Invalid):
    """A report is not taken; `reason_code` and the field say why."""

    code, title = "report_refused", "The report is refused"

    def __init__(self, refusal: Refusal, **extra: Any) -> None:
        error = FieldError(refusal.field, refusal.code, refusal.message)
        super().__init__(refusal.message, errors=[error], reason_code=refusal.code, **extra)


class KindsInvalid(Invalid):
    code, title = "condition_kinds_invalid", "The file of condition kinds is refused"


class BundleInvalid(Invalid):
    code, title = "fhir_bundle_invalid", "The FHIR bundle is refused"


class FileUnreadable(Invalid):
    code, title = "condition_file_unreadable", "The file cannot be read"


class EventNotPending(Conflict):
    code, title = "event_not_pending", "This event does not wait for approval"


class EventSettled(Conflict):
    code, title = "event_settled", "A closed cycle has granted this event"


class EventNotStanding(Conflict):
    code, title = "event_not_standing", "This event is withdrawn or refused already"


class EventUnknown(NotFound):
    code, title = "event_unknown", "There is no such event"


class FileUnknown(NotFound):
    code, title = "condition_file_unknown", "There is no such file of reports"


class PersonUnknown(NotFound):
    code, title = "person_unknown", "No person with this id is known here"


class KindUnknown(NotFound):
    code, title = "kind_unknown", "There is no such kind of event"


class WaiverUnknown(NotFound):
    code, title = "waiver_unknown", "There is no such waiver"
