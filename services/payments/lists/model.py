"""States of a payment list, reasons that keep a line out, who may do what. Pure.

building -> built -> submitted -> approved -> disbursing -> disbursed
   |          ^          |           |            |             ^
   v          |          v           |            v             |
refused       +-----  rejected       |      partly_disbursed ---+   (some payments are on hold)
              +----------------------+  a line excluded by hand: the approval is void
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from services.payments.fields import plain


class ListStatus(StrEnum):
    """Where a payment list stands."""

    BUILDING = "building"
    REFUSED = "refused"
    BUILT = "built"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"
    DISBURSING = "disbursing"
    PARTLY_DISBURSED = "partly_disbursed"
    DISBURSED = "disbursed"


class Action(StrEnum):
    """What people do to a list."""

    BUILD = "build"
    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    EXCLUDE = "exclude"
    DISBURSE = "disburse"


ALLOWED: Mapping[Action, frozenset[ListStatus]] = {
    Action.SUBMIT: frozenset({ListStatus.BUILT}),
    Action.APPROVE: frozenset({ListStatus.SUBMITTED}),
    Action.REJECT: frozenset({ListStatus.SUBMITTED}),
    Action.EXCLUDE: frozenset({ListStatus.BUILT, ListStatus.SUBMITTED, ListStatus.APPROVED}),
    Action.DISBURSE: frozenset({ListStatus.APPROVED, ListStatus.PARTLY_DISBURSED}),
}
"""The states in which each action is possible."""


class LineStatus(StrEnum):
    """Whether a line will be paid."""

    READY = "ready"
    EXCLUDED = "excluded"


class LineReason(StrEnum):
    """Why a line is left out. A line keeps every reason that applies."""

    REVOKED = "revoked"
    AMOUNT_ZERO = "amount_zero"
    CONTROL = "control"
    NO_ACCOUNT = "no_account"
    DUPLICATE_ACCOUNT = "duplicate_account"
    HOLD = "hold"
    ALREADY_PAID = "already_paid"
    OFFICER = "officer"


EXPLAINED: Mapping[LineReason, str] = {
    LineReason.REVOKED: "The entitlement was withdrawn.",
    LineReason.AMOUNT_ZERO: "Nothing is owed for this component.",
    LineReason.CONTROL: "The lines of the entitlement do not add up, or it does not fit its cycle.",
    LineReason.NO_ACCOUNT: "The beneficiary has no active account.",
    LineReason.DUPLICATE_ACCOUNT: "The account number serves more beneficiaries than allowed.",
    LineReason.HOLD: "A hold on this payment is in force.",
    LineReason.ALREADY_PAID: "This component was already paid or is being paid for this period.",
    LineReason.OFFICER: "An officer took it off the list.",
}


@dataclass(frozen=True, slots=True)
class Total:
    """Count and sum of one component in one province."""

    count: int
    amount: Decimal


TotalKey = tuple[str, str]
"""(component, province code)"""


@dataclass(frozen=True, slots=True)
class Difference:
    """A control total that is not met."""

    component: str
    province_code: str
    announced: Total
    arrived: Total


_NOTHING = Total(0, Decimal(0))


def compare_totals(announced: Mapping[TotalKey, Total], arrived: Mapping[TotalKey, Total]) -> list[Difference]:
    """Every component and province whose count or sum differs (fault 8); empty when all meet."""
    return [
        Difference(*key, announced.get(key, _NOTHING), arrived.get(key, _NOTHING))
        for key in sorted(announced.keys() | arrived.keys())
        if announced.get(key, _NOTHING) != arrived.get(key, _NOTHING)
    ]


def content_hash(lines: Iterable[tuple[object, ...]]) -> str:
    """SHA-256 over the SHA-256 of each ready line, in order of payment id: what an approval covers (fault 9).

    Args:
        lines: (payment, entitlement, beneficiary, component, amount, currency, account, account version, rail,
            provider), ordered by payment id. The database computes the same by `lists.repository`.
    """
    total = hashlib.sha256()
    for line in lines:
        text = "|".join(plain(part) if isinstance(part, Decimal) else str(part) for part in line)
        total.update(hashlib.sha256(text.encode()).digest())
    return total.hexdigest()


def conflicting_role(action: Action, subject: str, steps: Iterable[tuple[str, str]]) -> Action | None:
    """The earlier step that this person took herself, if that bars her from `action` (fault 11).

    People are told apart by the subject of their token, whatever their roles: who built, changed or submitted a list
    does not approve or reject it; who approved it does not disburse it either.

    Args:
        steps: (action, subject) of every step taken on the list.
    """
    barred = {
        Action.APPROVE: _MAKING,
        Action.REJECT: _MAKING,
        Action.DISBURSE: _MAKING | {Action.APPROVE},
    }.get(action, frozenset())
    return next((Action(earlier) for earlier, by in steps if by == subject and earlier in barred), None)


_MAKING = frozenset({Action.BUILD, Action.EXCLUDE, Action.SUBMIT})
