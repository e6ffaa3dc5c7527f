"""The life of a case, without I/O: which action is legal in which state, and what state follows.

    opened --assign--> assigned --start--> in_progress --resolve--> resolved --close--> closed
      |                (assign again hands it over)  |  ^                |                |
      |                                        refer v  | return         |                |
      |                                          referred                |                |
      +--merge--> merged                                                 |                |
      reopened <------(also from merged)-------------------------------reopen-------------+

`triage` changes what a case is about and leaves its state alone. A missed deadline (`escalated`) takes a case from its
owner and opens it one level up; a referred one stays with the institution. A reopened or escalated case must be
assigned again before it is resolved, so that somebody answers for it anew.
"""

from __future__ import annotations

from enum import StrEnum


class CaseState(StrEnum):
    """Where a case stands."""

    OPENED = "opened"
    ASSIGNED = "assigned"
    IN_PROGRESS = "in_progress"
    REFERRED = "referred"
    RESOLVED = "resolved"
    CLOSED = "closed"
    REOPENED = "reopened"
    MERGED = "merged"


class CaseAction(StrEnum):
    """What an officer (or the complainant, through one) does to a case."""

    TRIAGE = "triage"
    ASSIGN = "assign"
    START = "start"
    REFER = "refer"
    RETURN = "return"
    MERGE = "merge"
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


_AT_OUR_DESK = frozenset({CaseState.OPENED, CaseState.ASSIGNED, CaseState.IN_PROGRESS, CaseState.REOPENED})
OPEN_STATES = _AT_OUR_DESK | {CaseState.REFERRED}
"""States in which somebody still owes the complainant an answer: exactly these have a running deadline."""

_TRANSITIONS: dict[CaseAction, tuple[frozenset[CaseState], CaseState | None]] = {
    CaseAction.TRIAGE: (_AT_OUR_DESK, None),
    CaseAction.ASSIGN: (_AT_OUR_DESK, CaseState.ASSIGNED),
    CaseAction.START: (frozenset({CaseState.ASSIGNED}), CaseState.IN_PROGRESS),
    CaseAction.REFER: (frozenset({CaseState.ASSIGNED, CaseState.IN_PROGRESS}), CaseState.REFERRED),
    CaseAction.RETURN: (frozenset({CaseState.REFERRED}), CaseState.IN_PROGRESS),
    CaseAction.MERGE: (_AT_OUR_DESK, CaseState.MERGED),
    CaseAction.RESOLVE: (frozenset({CaseState.ASSIGNED, CaseState.IN_PROGRESS}), CaseState.RESOLVED),
    CaseAction.CLOSE: (frozenset({CaseState.RESOLVED}), CaseState.CLOSED),
    CaseAction.REOPEN: (
        frozenset({CaseState.RESOLVED, CaseState.CLOSED, CaseState.MERGED}),
        CaseState.REOPENED,
    ),
}


def follow(state: CaseState, action: CaseAction) -> CaseState:
    """The state after `action`.

    Raises:
        IllegalTransition: the action is not legal in `state`.
    """
    legal_from, after = _TRANSITIONS[action]
    if state not in legal_from:
        raise IllegalTransition(state, action)
    return state if after is None else after


def legal_actions(state: CaseState) -> frozenset[CaseAction]:
    """Every action that `follow` accepts in `state`."""
    return frozenset(action for action, (legal_from, _) in _TRANSITIONS.items() if state in legal_from)


def escalated(state: CaseState) -> CaseState:
    """The state of an open case whose deadline passed. Raises ValueError for one that is not open."""
    if state not in OPEN_STATES:
        raise ValueError(f"a case that is {state} has no running deadline")
    return CaseState.REFERRED if state is CaseState.REFERRED else CaseState.OPENED
