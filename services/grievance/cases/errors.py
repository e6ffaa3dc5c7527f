"""What can go wrong with a case.

NotFound 404         Forbidden 403     Conflict 409                 Invalid 422       Unavailable 503
└── CaseNotFound     └── OwnCase       ├── CaseStateConflict        └── CaseInvalid   └── SealingNotConfigured
                                       └── AppealPending
"""

from __future__ import annotations

from services.grievance.cases.states import IllegalTransition, legal_actions
from shared.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable


class CaseNotFound(NotFound):
    """There is no such case, or none that the caller may see."""

    code, title = "case_not_found", "There is no such case in your area"


class OwnCase(Forbidden):
    """The caller, or somebody of her household, is the one complained about or the one complaining."""

    code, title = "own_case", "Nobody handles a case about themselves or their household"


class CaseStateConflict(Conflict):
    """The action is not legal in the case's present state."""

    code, title = "case_state_conflict", "This cannot be done in the case's present state"

    @classmethod
    def of(cls, illegal: IllegalTransition) -> CaseStateConflict:
        """From the pure rule's refusal, naming what can be done instead."""
        possible = sorted(legal_actions(illegal.state))
        return cls(
            f"The case is {illegal.state}. Possible now: {', '.join(possible)}.",
            state=illegal.state.value,
            possible=[action.value for action in possible],
        )


class AppealPending(Conflict):
    """The case is an appeal: its outcome is the panel's."""

    code, title = "appeal_pending", "The panel decides this case"


class CaseInvalid(Invalid):
    """A field of the complaint does not fit the configuration."""

    code, title = "case_invalid", "The complaint cannot be taken as it is"


class SealingNotConfigured(Unavailable):
    """A complaint that must be sealed, where no key for sealed cases was given."""

    code, title = "sealing_not_configured", "Such complaints cannot be taken here yet"
