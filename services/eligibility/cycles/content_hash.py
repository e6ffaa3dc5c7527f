"""The hash that says what a cycle holds: SHA-256 over its entitlements in the order of their ids. Pure.

Each entitlement is one line of text,

    <id>|<beneficiary id>|<payable component>|<amount>|<line>|<line>...    <line> = component:quantity:rate:amount

and of an adjustment component:quantity:rate:amount:kind:for_period;
ids in lower case, amounts with two decimals. The content hash is the SHA-256 of the SHA-256 digests of these lines,
joined as bytes in the order of the ids. PostgreSQL computes it for a population (cycles/repository.py); this is
the same for whoever receives the entitlements and wants to check them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from shared.ids import deterministic_uuid


@dataclass(frozen=True)
class HashedLine:
    """One component of an entitlement."""

    component: str
    quantity: int
    rate: Decimal
    amount: Decimal
    kind: str = "benefit"
    for_period: str | None = None

    @property
    def text(self) -> str:
        """The line as it is hashed."""
        parts = [self.component, str(self.quantity), f"{self.rate:.2f}", f"{self.amount:.2f}"]
        if self.kind != "benefit":
            parts += [self.kind, self.for_period or ""]
        return ":".join(parts)


@dataclass(frozen=True)
class HashedEntitlement:
    """What of an entitlement is hashed."""

    entitlement_id: UUID
    beneficiary_id: UUID
    component: str
    amount: Decimal
    lines: Sequence[HashedLine]


def entitlement_id(programme_code: str, cycle_id: UUID, beneficiary_id: UUID, component: str) -> UUID:
    """The identity of an entitlement: computing it twice gives the same one."""
    return deterministic_uuid("entitlement", programme_code, str(cycle_id), str(beneficiary_id), component)


def digest(entitlement: HashedEntitlement) -> bytes:
    """SHA-256 of the entitlement's line of text."""
    parts = [str(entitlement.entitlement_id), str(entitlement.beneficiary_id), entitlement.component]
    parts.append(f"{entitlement.amount:.2f}")
    parts.extend(line.text for line in entitlement.lines)
    return hashlib.sha256("|".join(parts).encode()).digest()


def content_hash(entitlements: Iterable[HashedEntitlement]) -> str:
    """Hexadecimal content hash of entitlements given in any order."""
    ordered = sorted(entitlements, key=lambda entitlement: entitlement.entitlement_id)
    return hashlib.sha256(b"".join(digest(entitlement) for entitlement in ordered)).hexdigest()
