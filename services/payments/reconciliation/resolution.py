"""How a break may end, and what that posts: pure rules, no I/O.

    apply       the line is right: its outcome is applied to the payment, whose amount and currency it has
    came_back   what left our account unexplained was booked back by the bank (or is covered by another entry)
    charge      what left is lost, or was the bank's charge: the fund bears it
    sent_back   what came in unexplained was not ours and went back
    adopt       what came in is the fund's own money
    no_effect   nothing to post: a message told twice, an unreadable line that a later file repeats

Money in suspense leaves it only by an action that says what it was; so `no_effect` is for breaks that hold none.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum


class Action(StrEnum):
    """What resolves a break."""

    APPLY = "apply"
    CAME_BACK = "came_back"
    CHARGE = "charge"
    SENT_BACK = "sent_back"
    ADOPT = "adopt"
    NO_EFFECT = "no_effect"


_EXPLAINING: dict[Action, tuple[str, ...]] = {
    Action.CAME_BACK: ("explain_out",),
    Action.CHARGE: ("explain_out", "charge"),
    Action.SENT_BACK: ("explain_in",),
    Action.ADOPT: ("explain_in", "adopt"),
}
_OUT = (Action.CAME_BACK, Action.CHARGE)
_IN = (Action.SENT_BACK, Action.ADOPT)
_APPLICABLE = frozenset({"payee_mismatch"})
"""Kinds whose line has the payment's own amount and currency: a person may find that it is right after all."""


def actions(kind: str, suspended: Decimal, *, names_payment: bool) -> list[Action]:
    """What may resolve a break of this kind, by what it holds in suspense (above zero: left; below: came in)."""
    if suspended > 0:
        return list(_OUT)
    if suspended < 0:
        return list(_IN)
    return [Action.APPLY, Action.NO_EFFECT] if kind in _APPLICABLE and names_payment else [Action.NO_EFFECT]


def explaining(action: Action) -> tuple[str, ...]:
    """The ledger movements that an action posts for the money in suspense."""
    return _EXPLAINING.get(action, ())
