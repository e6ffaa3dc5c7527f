"""The chart of accounts and what each kind of movement debits and credits. Pure.

Debits are positive, credits negative; each movement is one transaction of two postings that sum to zero:

    allotment --allot--> available --reserve--> reserved --instruct--> in_transit --settle--> paid
                             ^  <---release---------'                       |                   |
                             |  <---fail, expire-----------------------------'                   |
                             '  <---restore----------------- returned <-----return--------------'

So at any instant, per fund: allotted = available + reserved + in transit + paid (+ suspense), and `returned` passes
through: its gross debits tell how much ever came back.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from services.payments.instructions.model import AttemptState


class AccountType(StrEnum):
    """Types of ledger account. Fund-wide unless listed in PER_PROGRAMME or PER_RAIL."""

    ALLOTMENT = "allotment"
    AVAILABLE = "available"
    RESERVED = "reserved"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    RETURNED = "returned"
    SUSPENSE = "suspense"


PER_PROGRAMME = frozenset({AccountType.RESERVED, AccountType.IN_TRANSIT, AccountType.PAID, AccountType.RETURNED})
PER_RAIL = frozenset({AccountType.IN_TRANSIT, AccountType.PAID, AccountType.RETURNED})
RAILS = ("bank", "mobile_money")


class MovementKind(StrEnum):
    """Why money moves between two accounts."""

    ALLOT = "allot"
    RESERVE = "reserve"
    RELEASE = "release"
    INSTRUCT = "instruct"
    STOP = "stop"
    SETTLE = "settle"
    FAIL = "fail"
    EXPIRE = "expire"
    RETURN = "return"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class Sides:
    """The two accounts of a movement."""

    debit: AccountType
    credit: AccountType


MOVEMENTS: dict[MovementKind, Sides] = {
    MovementKind.ALLOT: Sides(AccountType.AVAILABLE, AccountType.ALLOTMENT),
    MovementKind.RESERVE: Sides(AccountType.RESERVED, AccountType.AVAILABLE),
    MovementKind.RELEASE: Sides(AccountType.AVAILABLE, AccountType.RESERVED),
    MovementKind.INSTRUCT: Sides(AccountType.IN_TRANSIT, AccountType.RESERVED),
    MovementKind.STOP: Sides(AccountType.AVAILABLE, AccountType.RESERVED),
    MovementKind.SETTLE: Sides(AccountType.PAID, AccountType.IN_TRANSIT),
    MovementKind.FAIL: Sides(AccountType.AVAILABLE, AccountType.IN_TRANSIT),
    MovementKind.EXPIRE: Sides(AccountType.AVAILABLE, AccountType.IN_TRANSIT),
    MovementKind.RETURN: Sides(AccountType.RETURNED, AccountType.PAID),
    MovementKind.RESTORE: Sides(AccountType.AVAILABLE, AccountType.RETURNED),
}

OUTCOME_MOVEMENTS: dict[AttemptState, tuple[MovementKind, ...]] = {
    AttemptState.SETTLED: (MovementKind.SETTLE,),
    AttemptState.FAILED: (MovementKind.FAIL,),
    AttemptState.EXPIRED: (MovementKind.EXPIRE,),
    AttemptState.RETURNED: (MovementKind.RETURN, MovementKind.RESTORE),
}
"""What reaching a state moves. `accepted` moves nothing: the money is still in transit."""


def postings(kind: MovementKind, amount: Decimal) -> dict[AccountType, Decimal]:
    """The signed postings of one movement: they sum to zero.

    Raises:
        ValueError: the amount is not above zero; a movement the other way has a kind of its own.
    """
    if amount <= 0:
        raise ValueError("a movement has an amount above zero")
    sides = MOVEMENTS[kind]
    return {sides.debit: amount, sides.credit: -amount}
