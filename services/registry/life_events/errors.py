"""What can go wrong with life events.

Problem
├── LifeEventNotFound 404 life_event_not_found
├── LifeEventWithdrawnAlready 409 life_event_withdrawn
├── CannotWithdraw 409 cannot_withdraw
├── HappenedLater 409 happened_later
└── BadLifeEvent 422 bad_life_event
"""

from __future__ import annotations

from shared.errors import Conflict, Invalid, NotFound


class LifeEventNotFound(NotFound):
    """No life event has this id."""

    code, title = "life_event_not_found", "There is no such life event"


class LifeEventWithdrawnAlready(Conflict):
    """It was withdrawn before."""

    code, title = "life_event_withdrawn", "This life event was withdrawn already"


class CannotWithdraw(Conflict):
    """What followed cannot be undone by itself."""

    code, title = "cannot_withdraw", "What happened since stands in the way"


class HappenedLater(Conflict):
    """The register says something after that day which cannot be true with it."""

    code, title = "happened_later", "Something recorded after this day contradicts it"


class BadLifeEvent(Invalid):
    """The event cannot be as told."""

    code, title = "bad_life_event", "This cannot have happened as told"
