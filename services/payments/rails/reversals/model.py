"""A reversal and its life: pure rules, no I/O.

    requested -> approved -> asked -> accepted -> done
              -> rejected          -> refused

`asked` is committed before the call, and each repetition carries the reversal's id as its correlation id: the operator
takes a payment back once, however often it is asked. The money is back when the rail *says* so, line by line like any
other return: a reversal books nothing itself.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final

from services.payments.rails.port import Answer


class ReversalState(StrEnum):
    """Where a reversal is."""

    REQUESTED = "requested"
    REJECTED = "rejected"
    APPROVED = "approved"
    ASKED = "asked"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    DONE = "done"


UNDER_WAY: Final = frozenset({ReversalState.APPROVED, ReversalState.ASKED, ReversalState.ACCEPTED})
"""Approved, and without an end."""
FIRST_WAIT: Final = timedelta(seconds=30)
LONGEST_WAIT: Final = timedelta(hours=1)


def state_after(answer: Answer, *, returned: bool) -> ReversalState:
    """The state on a rail's answer, once it was looked whether the payment has come back.

    A repetition may be refused *because* the first one was heard: so what the payment is counts more than the answer.
    """
    if returned:
        return ReversalState.DONE
    if answer is Answer.ACCEPTED:
        return ReversalState.ACCEPTED
    return ReversalState.REFUSED if answer is Answer.REJECTED else ReversalState.ASKED


def wait_after(tries: int) -> timedelta:
    """How long to wait before asking, or looking, again."""
    return min(FIRST_WAIT * (1 << min(tries, 10)), LONGEST_WAIT)
