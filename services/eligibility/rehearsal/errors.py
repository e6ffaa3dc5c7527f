"""Errors of rehearsals.

NotFound -> RehearsalUnknown       404 rehearsal_unknown
Conflict -> RehearsalNotFinished   409 rehearsal_not_finished
         -> ResultDiffers          409 rehearsal_result_differs
         -> RehearsalNeeded        409 rehearsal_needed
         -> OwnRehearsal           409 rehearsal_approved_by_requester
         -> NoList                 409 rehearsal_kept_no_list
Invalid  -> CannotRehearse         422 cannot_rehearse
"""

from __future__ import annotations

from shared.errors import Conflict, Invalid, NotFound


class RehearsalUnknown(NotFound):
    code, title = "rehearsal_unknown", "There is no such rehearsal"


class RehearsalNotFinished(Conflict):
    code, title = "rehearsal_not_finished", "The rehearsal has no result yet"


class ResultDiffers(Conflict):
    code, title = "rehearsal_result_differs", "The result is not the one you looked at"


class RehearsalNeeded(Conflict):
    code, title = "rehearsal_needed", "The version has no approved rehearsal"


class OwnRehearsal(Conflict):
    code, title = "rehearsal_approved_by_requester", "Another officer approves what you asked for"


class NoList(Conflict):
    code, title = "rehearsal_kept_no_list", "This rehearsal kept no list of households"


class CannotRehearse(Invalid):
    code, title = "cannot_rehearse", "This cannot be rehearsed"
