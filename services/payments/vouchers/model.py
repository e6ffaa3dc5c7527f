"""A voucher: a payment on the cash rail whose secret its source hands over itself. Pure.

    preactivated -> activated -> (redeemed at an agent: consumed; window over: expired)
           |____________|-> cancelled: the money returns to the fund

Activating a voucher does not pay it: its order goes through list, approval and disbursement like any other, and only
then is there something to redeem. Both must have happened.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from shared.ids import ALPHABET

SECRET_DIGITS: Final = 6
SERIAL_LENGTH: Final = 10
PROGRAMME_ACCOUNT: Final = "cash"


class VoucherState(StrEnum):
    """What the source made of it."""

    PREACTIVATED = "preactivated"
    ACTIVATED = "activated"
    CANCELLED = "cancelled"


class VoucherStatus(StrEnum):
    """What it is worth now."""

    PREACTIVATED = "preactivated"
    ACTIVATED = "activated"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"
    CONSUMED = "consumed"
    EXPIRED = "expired"


class VoucherFault(StrEnum):
    """Why a voucher was not changed."""

    UNKNOWN = "unknown_voucher"
    REPEATED = "repeated"
    NOT_PREACTIVATED = "not_preactivated"
    CONSUMED = "consumed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class NewVoucher:
    """A voucher that was just made. The secret is kept as a keyed hash only."""

    line: int
    serial: str
    secret: str = field(repr=False)
    group_code: str


def new_serial() -> str:
    """A serial number: ten letters and digits, fifty random bits."""
    bits = int.from_bytes(os.urandom(7), "big")
    return "".join(ALPHABET[bits >> shift & 31] for shift in range(0, 5 * SERIAL_LENGTH, 5))


def new_secret() -> str:
    """A voucher's secret: six random digits, as its specification allows; guesses are counted and few."""
    return f"{secrets.randbelow(10**SECRET_DIGITS):0{SECRET_DIGITS}d}"


def status_of(state: str, collection_state: str | None, payment_status: str | None, locked: bool) -> VoucherStatus:
    """What a voucher is worth, from what its source, its payment and its collection are.

    Args:
        locked: too many wrong secrets were tried.
    """
    if collection_state == "collected":
        return VoucherStatus.CONSUMED
    if state == VoucherState.CANCELLED:
        return VoucherStatus.CANCELLED
    if collection_state == "expired" or payment_status == "expired":
        return VoucherStatus.EXPIRED
    if collection_state == "cancelled":
        return VoucherStatus.CANCELLED
    if locked:
        return VoucherStatus.BLOCKED
    return VoucherStatus(state)
