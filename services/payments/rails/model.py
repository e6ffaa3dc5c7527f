"""A batch and its life: pure rules, no I/O.

    formed -> submitting -> submitted -> completed
                         -> unknown   -> submitted | submitting (same message id, after a query) | rejected
                         -> rejected
              submitting -> formed      (certainly did not leave: `deferred`)

`submitting` is committed before the call, so whoever finds a batch there after a crash knows that the call may have
been made, and queries first (faults.md 1).
"""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from services.payments.rails.port import Answer


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
