"""States of a payment list, reasons that keep a line out, who may do what. Pure.

building -> built -> submitted -> (part_approved) -> approved -> disbursing -> disbursed
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
from uuid import UUID

from services.payments.fields import plain
from shared.ids import deterministic_uuid


class ListStatus(StrEnum):
    """Where a payment list stands."""

    BUILDING = "building"
    REFUSED = "refused"
    BUILT = "built"
    SUBMITTED = "submitted"
    PART_APPROVED = "part_approved"
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
    SPLIT = "split"
    PRIORITISE = "prioritise"
    DISBURSE = "disburse"


_CHANGEABLE = frozenset({ListStatus.BUILT, ListStatus.SUBMITTED, ListStatus.PART_APPROVED, ListStatus.APPROVED})
ALLOWED: Mapping[Action, frozenset[ListStatus]] = {
    Action.SUBMIT: frozenset({ListStatus.BUILT}),
    Action.APPROVE: frozenset({ListStatus.SUBMITTED, ListStatus.PART_APPROVED}),
    Action.REJECT: frozenset({ListStatus.SUBMITTED, ListStatus.PART_APPROVED}),
    Action.EXCLUDE: _CHANGEABLE,
    Action.SPLIT: _CHANGEABLE,
    Action.PRIORITISE: _CHANGEABLE,
    Action.DISBURSE: frozenset({ListStatus.APPROVED, ListStatus.DISBURSING, ListStatus.PARTLY_DISBURSED}),
}
"""The states in which each action is possible."""


class LineStatus(StrEnum):
    """Whether a line will be paid."""

    READY = "ready"
    EXCLUDED = "excluded"
    SPLIT = "split"


class LineReason(StrEnum):
    """Why a line is left out. A line keeps every reason that applies."""

    REVOKED = "revoked"
    DECEASED = "deceased"
    DISSOLVED = "dissolved"
    SANCTIONS = "sanctions"
    STOPPED = "stopped"
    HOLD = "hold"
    ALREADY_PAID = "already_paid"
    MERGED_IDENTITY = "merged_identity"
    CONTROL = "control"
    UNCONFIRMED = "unconfirmed"
    AMOUNT_ZERO = "amount_zero"
    OVER_CEILING = "over_ceiling"
    NO_ACCOUNT = "no_account"
    ACCOUNT_CHANGED = "account_changed"
    ACCOUNT_INVALID = "account_invalid"
    DUPLICATE_ACCOUNT = "duplicate_account"
    SPLIT = "split"
    OFFICER = "officer"


EXPLAINED: Mapping[LineReason, str] = {
    LineReason.REVOKED: "The entitlement was withdrawn.",
    LineReason.DECEASED: "The beneficiary has died since.",
    LineReason.DISSOLVED: "The household is no longer in the registry.",
    LineReason.SANCTIONS: "The account's holder may be on the sanctions list: compliance must look at it.",
    LineReason.STOPPED: "An emergency stop of this beneficiary is in force.",
    LineReason.HOLD: "A hold on this payment is in force.",
    LineReason.ALREADY_PAID: "This component was already paid or is being paid for this period.",
    LineReason.MERGED_IDENTITY: "It is paid under the other record of the same beneficiary: the two were one.",
    LineReason.CONTROL: "The lines of the entitlement do not add up, or it does not fit its cycle.",
    LineReason.UNCONFIRMED: "A rate in the amount awaits confirmation by the programme.",
    LineReason.AMOUNT_ZERO: "Nothing is owed for this component.",
    LineReason.OVER_CEILING: "The amount is above the ceiling of one payment.",
    LineReason.NO_ACCOUNT: "The beneficiary has no active account.",
    LineReason.ACCOUNT_CHANGED: "The account was changed lately, and nobody has confirmed the change yet.",
    LineReason.ACCOUNT_INVALID: "The provider does not know this account under this name.",
    LineReason.DUPLICATE_ACCOUNT: "The account number serves more beneficiaries than allowed.",
    LineReason.SPLIT: "The amount was split into several payments.",
    LineReason.OFFICER: "An officer took it off the list.",
}
"""In the order of importance: the first that applies is the one that is published."""


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


_MAKING = frozenset({Action.BUILD, Action.EXCLUDE, Action.SPLIT, Action.PRIORITISE, Action.SUBMIT})


def approvals_needed(amount: Decimal, second_above: Decimal | None) -> int:
    """How many different people must approve a list of this amount: two above the threshold, where there is one."""
    return 2 if second_above is not None and amount > second_above else 1


def split_amount(amount: Decimal, ceiling: Decimal) -> list[Decimal]:
    """Cut an amount into equal-or-nearly parts of at most `ceiling`, exactly: their sum is the amount.

    Raises:
        ValueError: the ceiling is not above zero.
    """
    if ceiling <= 0:
        raise ValueError("a part has an amount above zero")
    full, rest = divmod(amount, ceiling)
    return [ceiling] * int(full) + ([rest] if rest else [])


def part_id(payment: UUID, number: int) -> UUID:
    """The identity of the n-th part of a payment that was split: building it twice yields one part."""
    return deterministic_uuid("part", str(payment), str(number))
