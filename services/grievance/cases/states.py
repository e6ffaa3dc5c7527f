"""The life of a case, without I/O: which action is legal in which state, and what state follows.

    opened --assign--> assigned --start--> in_progress --resolve--> resolved --close--> closed
                       (assign again hands it over)                    |                  |
                       reopened <-------------------------------------reopen--------------+

A reopened case keeps its owner but must be assigned again before it is resolved, so that somebody answers for it anew.
"""

from __future__ import annotations

from enum import StrEnum


class CaseState(StrEnum):
    """Where a case stands."""

    OPENED = "opened"
    ASSIGNED = "assigned"
    IN_PROGRESS = "in_progress"
    RESOLVED = "resolved"
    CLOSED = "closed"
    REOPENED = "reopened"


class CaseAction(StrEnum):
    """What an officer (or the complainant, through one) does to a case."""

    ASSIGN = "assign"
    START = "start"
    RESOLVE = "resolve"
    CLOSE = "close"
    REOPEN = "reopen"


class Outcome(StrEnum):
    """What became of a complaint: the words of the event `case.resolved`."""

    UPHELD = "upheld"
    PARTLY_UPHELD = "partly_upheld"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class SubjectType(StrEnum):
    """What a case is about."""

    PAYMENT = "payment"
    HOUSEHOLD = "household"
    PERSON = "person"
    DECISION = "decision"
    OFFICIAL = "official"
    NONE = "none"


class IllegalTransition(ValueError):
    """The action is not legal in the case's present state."""

    def __init__(self, state: CaseState, action: CaseAction) -> None:
        super().__init__(f"a case that is {state} cannot be the object of '{action}'")
        self.state = state
        self.action = action


_TRANSITIONS: dict[CaseAction, tuple[frozenset[CaseState], CaseState]] = {
    CaseAction.ASSIGN: (
        frozenset({CaseState.OPENED, CaseState.ASSIGNED, CaseState.IN_PROGRESS, CaseState.REOPENED}),
        CaseState.ASSIGNED,
    ),
    CaseAction.START: (frozenset({CaseState.ASSIGNED}), CaseState.IN_PROGRESS),
    CaseAction.RESOLVE: (frozenset({CaseState.ASSIGNED, CaseState.IN_PROGRESS}), CaseState.RESOLVED),
    CaseAction.CLOSE: (frozenset({CaseState.RESOLVED}), CaseState.CLOSED),
    CaseAction.REOPEN: (frozenset({CaseState.RESOLVED, CaseState.CLOSED}), CaseState.REOPENED),
}

OPEN_STATES = frozenset({CaseState.OPENED, CaseState.ASSIGNED, CaseState.IN_PROGRESS, CaseState.REOPENED})
"""States in which somebody still owes the complainant an answer."""


def follow(state: CaseState, action: CaseAction) -> CaseState:
    """The state after `action`.

    Raises:
        IllegalTransition: the action is not legal in `state`.
    """
    legal_from, after = _TRANSITIONS[action]
    if state not in legal_from:
        raise IllegalTransition(state, action)
    return after


def legal_actions(state: CaseState) -> frozenset[CaseAction]:
    """Every action that `follow` accepts in `state`."""
    return frozenset(action for action, (legal_from, _) in _TRANSITIONS.items() if state in legal_from)
