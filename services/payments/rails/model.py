"""A batch and its life: pure rules, no I/O.

    formed -> submitting -> submitted -> completed
                         -> unknown   -> submitted | submitting (same message id, after a query) | rejected
                         -> rejected
              submitting -> formed      (certainly did not leave: `deferred`)

`submitting` is committed before the call, so whoever finds a batch there after a crash knows that the call may have
been made, and queries first (faults.md 1).
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from services.payments.rails.port import Answer

FIRST_RETRY = timedelta(seconds=15)
LONGEST_RETRY = timedelta(hours=1)
MAX_TRIES = 40
"""Calls per batch before it waits for a person (`POST /rails:poll` tries again): about a day and a half."""


class BatchState(StrEnum):
    """Where a batch is."""

    FORMED = "formed"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    UNKNOWN = "unknown"
    REJECTED = "rejected"
    COMPLETED = "completed"


class Step(StrEnum):
    """What a dispatcher may do with a batch."""

    SUBMIT = "submit"
    QUERY = "query"
    NOTHING = "nothing"


def next_step(state: BatchState) -> Step:
    """The one step allowed from a state: a batch that may have left is queried, never sent blindly."""
    match state:
        case BatchState.FORMED:
            return Step.SUBMIT
        case BatchState.SUBMITTING | BatchState.UNKNOWN:
            return Step.QUERY
        case _:
            return Step.NOTHING


def state_after(answer: Answer) -> BatchState:
    """The state a batch takes on a rail's answer."""
    return {
        Answer.ACCEPTED: BatchState.SUBMITTED,
        Answer.REJECTED: BatchState.REJECTED,
        Answer.DEFERRED: BatchState.FORMED,
        Answer.ABSENT: BatchState.FORMED,
        Answer.UNKNOWN: BatchState.UNKNOWN,
    }[answer]


def message_id(batch_id: UUID) -> str:
    """The batch's name on the wire (ISO 20022 Max35Text), the same on every re-send."""
    return f"SMK{batch_id.hex}"


def retry_delay(tries: int) -> timedelta:
    """How long to wait after the given number of calls: doubling, at most an hour."""
    return min(FIRST_RETRY * (1 << min(max(tries - 1, 0), 20)), LONGEST_RETRY)
