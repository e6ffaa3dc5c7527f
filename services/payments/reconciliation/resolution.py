"""How a break may end, and what that posts: pure rules, no I/O.

    apply       the line is about this payment, or this batch of ours: its outcome is applied. A charge that the bank
                has kept of it (more left, or less came back, than the payment's amount) is borne by the payment's
                fund; what the rail had refused, and paid all the same, is paid and will not be paid again
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
_APPLICABLE = frozenset({"payee_mismatch", "amount_mismatch"})
"""Kinds whose line names a payment that a person may find it is right about after all."""
_TO_BE_NAMED = frozenset({"unknown_reference", "orphan", "unknown_credit", *_APPLICABLE})
"""Kinds with money in suspense for which a person may find the payment (a reference cut short, a plain credit)."""
_MEANT: dict[str, str] = {"debit": "settled", "credit": "returned"}


def actions(kind: str, suspended: Decimal, *, names_payment: bool) -> list[Action]:
    """What may resolve a break of this kind, by what it holds in suspense (above zero: left; below: came in)."""
    if suspended:
        explained = list(_OUT if suspended > 0 else _IN)
        paid_after_all = kind == "contradiction" and suspended > 0 and names_payment
        return [*explained, Action.APPLY] if kind in _TO_BE_NAMED or paid_after_all else explained
    return [Action.APPLY, Action.NO_EFFECT] if kind in _APPLICABLE and names_payment else [Action.NO_EFFECT]


def meant(offered: str) -> str:
    """The outcome that a line is of, once its payment is known: a plain booking says no more than its direction."""
    return _MEANT.get(offered, offered)


def charge_in(outcome: str, amount: Decimal, expected: Decimal) -> Decimal | None:
    """What the bank kept of a payment that settled or came back; None: the amounts cannot be of one payment."""
    kept = {"settled": amount - expected, "returned": expected - amount}.get(outcome)
    return kept if kept is not None and kept >= 0 else None


def explaining(action: Action) -> tuple[str, ...]:
    """The ledger movements that an action posts for the money in suspense."""
    return _EXPLAINING.get(action, ())
