"""Errors of enrolments.

NotFound -> EnrolmentUnknown    404 enrolment_unknown
Conflict -> ActionRefused       409 action_refused
Conflict -> NothingToEnrol      409 nothing_to_enrol
Forbidden -> OwnHousehold       403 own_household
"""

from __future__ import annotations

from shared.errors import Conflict, Forbidden, NotFound


class EnrolmentUnknown(NotFound):
    code, title = "enrolment_unknown", "There is no such enrolment"


class ActionRefused(Conflict):
    code, title = "action_refused", "The enrolment's state does not allow this"


class NothingToEnrol(Conflict):
    code, title = "nothing_to_enrol", "Nobody is enrolled in this programme"


class OwnHousehold(Forbidden):
    code, title = "own_household", "Nobody decides about herself or her household"
