"""What matching needs to know of the process: how numbers are hashed, and how strictly IBANs are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from services.payments.accounts.model import normal_number
from services.payments.reconciliation.model import Line, Scheme
from shared.crypto import KeyedHash


class KnownPayee(NamedTuple):
    """Whom an instruction was to pay, without the number."""

    rail: str
    provider: str
    number_hash: bytes


@dataclass(frozen=True)
class Rules:
    """How a line's payee is compared with the one instructed."""

    number_hash: KeyedHash
    strict_iban: bool = False

    def agrees(self, line: Line, known: KnownPayee | None) -> bool | None:
        """Whether the payee that a line names is the one instructed; None where that cannot be told.

        A bank may name by IBAN an account that we named by number: not comparable, unless all payees have IBANs.
        """
        if known is None or not line.payee_number or (line.payee_scheme is Scheme.IBAN and not self.strict_iban):
            return None
        number = normal_number(line.payee_number, known.rail)
        return self.number_hash.digest(number, f"{known.rail}:{known.provider}") == known.number_hash

    def account_hash(self, number: str) -> bytes:
        """How one of our own accounts is told from another."""
        return self.number_hash.digest(number, "own account")
