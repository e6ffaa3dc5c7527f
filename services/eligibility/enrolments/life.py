"""The life of an enrolment: states, actions, and which action leads from which state to which. Pure.

    (eligible) ──▶ approved ◀──────▶ suspended
        │            ▲  │ ╲____________│____ recertified, moved: the state stays
        ▼            │  ▼              ▼
    waitlisted ──────┘ graduated     ended ──▶ approved or waitlisted again, unless it ended for good

The database is asked to move whole sets of enrolments (enrolments/transitions.py); it reads the same table.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class EnrolmentState(StrEnum):
    """States of an enrolment. Who is eligible and not here is in `standing`."""

    WAITLISTED = "waitlisted"
    APPROVED = "approved"
    SUSPENDED = "suspended"
    GRADUATED = "graduated"
    ENDED = "ended"

    @property
    def running(self) -> bool:
        """It takes part, or will: neither graduated nor ended."""
        return self in (EnrolmentState.WAITLISTED, EnrolmentState.APPROVED, EnrolmentState.SUSPENDED)


class Action(StrEnum):
    """What can happen to an enrolment."""

    WAITLIST = "waitlist"
    APPROVE = "approve"
    SUSPEND = "suspend"
    RESUME = "resume"
    RECERTIFY = "recertify"
    MOVE = "move"
    GRADUATE = "graduate"
    END = "end"


_W, _A, _S = EnrolmentState.WAITLISTED, EnrolmentState.APPROVED, EnrolmentState.SUSPENDED
_G, _E = EnrolmentState.GRADUATED, EnrolmentState.ENDED

TRANSITIONS: Final[Mapping[Action, Mapping[EnrolmentState, EnrolmentState]]] = MappingProxyType(
    {
        Action.WAITLIST: {_E: _W},
        Action.APPROVE: {_W: _A, _E: _A},
        Action.SUSPEND: {_A: _S},
        Action.RESUME: {_S: _A},
        Action.RECERTIFY: {_A: _A, _S: _S},
        Action.MOVE: {_W: _W, _A: _A, _S: _S},
        Action.GRADUATE: {_A: _G, _S: _G},
        Action.END: {_W: _E, _A: _E, _S: _E},
    }
)
"""From which state an action leads to which. What is not here is refused."""


class TransitionRefused(ValueError):
    """The enrolment's state does not allow the action."""


def after(state: EnrolmentState, action: Action) -> EnrolmentState:
    """The state after an action.

    Raises:
        TransitionRefused: this state does not allow it.
    """
    try:
        return TRANSITIONS[action][state]
    except KeyError:
        raise TransitionRefused(f"{action} is not possible: the enrolment is {state}") from None


def sources(action: Action) -> tuple[EnrolmentState, ...]:
    """The states that allow an action."""
    return tuple(TRANSITIONS[action])
