"""What can go wrong with applications.

Problem
├── ApplicationNotFound 404 application_not_found
├── WrongState 409 wrong_state
├── SamePerson 403 same_person
├── ConflictOfInterest 403 conflict_of_interest
├── TooLateToAppeal 409 appeal_closed
└── BadApplication 422 bad_application
"""

from __future__ import annotations

from shared.errors import Conflict, Forbidden, Invalid, NotFound


class ApplicationNotFound(NotFound):
    """No application has this id."""

    code, title = "application_not_found", "There is no such application"


class WrongState(Conflict):
    """The step does not follow from the state."""

    code, title = "wrong_state", "The application is not at this step"


class SamePerson(Forbidden):
    """Who took an application in does not verify or decide it; nor does one person verify it twice."""

    code, title = "same_person", "Another person must do this step"


class ConflictOfInterest(Forbidden):
    """The officer is a member of the household."""

    code, title = "conflict_of_interest", "Nobody decides about her own household"


class TooLateToAppeal(Conflict):
    """The days to appeal are over, or it was appealed before."""

    code, title = "appeal_closed", "This can no longer be appealed"


class BadApplication(Invalid):
    """Something in it cannot be."""

    code, title = "bad_application", "Some of the application is not valid"
