"""Which months a payment of contributions pays: the oldest first, never more than is due. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Due:
    """A month that is not paid in full: its contribution and what is missing."""

    contribution_id: UUID
    missing: Decimal


def allocate(amount: Decimal, months: Sequence[Due]) -> tuple[list[tuple[UUID, Decimal]], Decimal]:
    """Spread an amount over months in the order given.

    Returns:
        (contribution, amount) pairs, and what is left over: an over-payment, kept in the employer's favour.
    """
    spread: list[tuple[UUID, Decimal]] = []
    for month in months:
        part = min(amount, month.missing)
        if part > 0:
            spread.append((month.contribution_id, part))
            amount -= part
    return spread, amount
