"""Which fund pays which line, where no fund alone can pay the next: lines are never split. Pure.

Each fund in turn takes those of the lines left that come nearest to what it has (a subset sum, exactly, by the bits of
large integers); the last takes the rest. Where that does not come out, the funds are tried from the smallest and from
the largest. To find every sharing that exists is not feasible for large lists; what is found is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import gcd
from typing import Final

MOST_BITS: Final = 200_000_000
"""Lines times steps of money: above it (25 MB), the largest lines that fit are taken instead."""


def share_out(amounts: Sequence[Decimal], available: Sequence[Decimal]) -> list[int] | None:
    """The fund (its index) of each line, so that no fund pays more than it has; None: no way was found.

    Args:
        amounts: of the lines, above zero, with at most two decimals.
        available: of the funds, in the order in which they are to pay.
    """
    exact = [int(amount * 100) for amount in amounts]
    spare = [int(amount * 100) for amount in available]
    given = list(range(len(spare)))
    for order in (given, sorted(given, key=lambda fund: spare[fund]), sorted(given, key=lambda fund: -spare[fund])):
        shared = _in_order(exact, spare, order)
        if shared is not None:
            return shared
    return None


def _in_order(amounts: Sequence[int], available: Sequence[int], order: Sequence[int]) -> list[int] | None:
    shared = [-1] * len(amounts)
    left = list(range(len(amounts)))
    for fund in order:
        taken = {left[index] for index in fill([amounts[line] for line in left], available[fund])}
        for line in taken:
            shared[line] = fund
        left = [line for line in left if line not in taken]
    return None if left else shared


def fill(amounts: Sequence[int], capacity: int) -> list[int]:
    """The lines (their indexes) whose sum comes nearest to the capacity without being above it."""
    if sum(amounts) <= capacity:
        return list(range(len(amounts)))
    step = gcd(*amounts)
    steps, most = [amount // step for amount in amounts], capacity // step
    if len(steps) * most > MOST_BITS:
        return _largest_first(steps, most)
    mask = (1 << (most + 1)) - 1
    reachable = [1]
    for amount in steps:
        reachable.append((reachable[-1] | (reachable[-1] << amount)) & mask)
    total, taken = reachable[-1].bit_length() - 1, []
    for index in range(len(steps) - 1, -1, -1):
        if not reachable[index] >> total & 1:
            taken.append(index)
            total -= steps[index]
    return taken


def _largest_first(steps: Sequence[int], most: int) -> list[int]:
    taken = []
    for index in sorted(range(len(steps)), key=lambda index: -steps[index]):
        if steps[index] <= most:
            taken.append(index)
            most -= steps[index]
    return taken
