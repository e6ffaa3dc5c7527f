"""A collection: money that waits for its payee at an agent, behind a code. Pure but for the hash it is given.

    open -> collected          the agent gave the money to the payee or to an approved proxy: settled
         -> expired            the window closed: the money returns to the fund and can be re-issued (fault 14)
         -> cancelled          an officer, or the source of a voucher, called it off: failed, the money returns

A code is random, shown to nobody here, kept as a keyed hash with its payment's id. Every guess is counted *before* it
is compared, in a transaction of its own, so that no number of guesses at once beats the limit.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal

from shared.crypto import KeyedHash

CODE_DIGITS: Final = 8
MOST_TRIES: Final = 5
"""Wrong codes per code: one chance in 20,000,000 to guess one."""
MOST_CODES: Final = 5
"""Codes per collection: afterwards it is cancelled and the payment issued again."""
MOST_WRONG_A_DAY: Final = 30
"""Wrong codes or references per agent and day: then the agent is locked until tomorrow."""
LEAST_WINDOW_DAYS: Final = 7
"""A payment that goes out late can still be collected for a week, whatever the cycle's window says."""
ANY_NETWORK: Final = "ANY"
"""Provider of what every agent may pay out: vouchers."""
NUMBER_CONTEXT: Final = "cash_collection.number"
CODE_CONTEXT: Final = "cash_message.code"
PROXY_CONTEXT: Final = "cash_proxy.name"

IdentityMethod = Literal["identity_card", "equity_card", "biometric", "known_to_agent", "local_authority", "bearer"]


class CollectionState(StrEnum):
    """Where a collection stands."""

    OPEN = "open"
    COLLECTED = "collected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class StatementVerdict(StrEnum):
    """What a line of an agent's statement turned out to be."""

    MATCHED = "matched"
    UNKNOWN_REFERENCE = "unknown_reference"
    NOT_COLLECTED = "not_collected"
    OTHER_AGENT = "other_agent"
    AMOUNT_MISMATCH = "amount_mismatch"
    CURRENCY_MISMATCH = "currency_mismatch"
    DUPLICATE = "duplicate"
    UNREADABLE = "unreadable"
    MISSING = "missing"
    """Collected here, absent from the agent's own statement of those days."""


@dataclass(frozen=True, slots=True)
class Redemption:
    """What an agent says when she hands out the money.

    Attributes:
        agent_reference: her own id of it: said twice, it is one redemption.
        proxy_id_number: the identity number that a proxy showed; compared by its hash, never stored.
    """

    reference: str
    code: str = field(repr=False)
    amount: Decimal
    currency: str
    agent_reference: str
    identity_method: IdentityMethod
    identity_matches: bool
    by_proxy: bool
    proxy_id_number: str = field(default="", repr=False)


def new_code() -> str:
    """A collection code: random digits."""
    return f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"


def code_hash(number_hash: KeyedHash, end_to_end_id: str, code: str) -> bytes:
    """How a code is kept: under the key, and bound to its payment."""
    return number_hash.digest(code, f"cash_code:{end_to_end_id}")


def voucher_hash(number_hash: KeyedHash, serial: str, secret: str) -> bytes:
    """How a voucher's secret is kept: under the key, and bound to its serial number."""
    return number_hash.digest(secret, f"voucher:{serial}")


def same(stored: bytes, offered: bytes) -> bool:
    """Whether two hashes are equal, in constant time."""
    return hmac.compare_digest(stored, offered)


def proxy_hash(number_hash: KeyedHash, id_number: str) -> bytes:
    """How a proxy's identity number is kept."""
    return number_hash.digest(id_number, "cash_proxy")
