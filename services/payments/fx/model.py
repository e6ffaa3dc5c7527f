"""A conversion at a dated rate, with its rounding said. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, localcontext
from typing import Any, Final, Literal

from shared.money import Money, exponent

Rounding = Literal["half_up", "half_even", "down"]
MODES: Final[dict[str, str]] = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN, "down": ROUND_DOWN}


@dataclass(frozen=True, slots=True)
class Converted:
    """The outcome of a conversion.

    Attributes:
        amount: in the quote currency, with exactly its digits.
        currency: the quote currency.
        rounded_by: what rounding added (or took, below zero), in the quote currency: at most half a unit, or one.
    """

    amount: Decimal
    currency: str
    rounded_by: Decimal


def convert(amount: Decimal, rate: Any) -> Converted:
    """Convert an amount of `rate.base` into `rate.quote`: amount x rate, rounded once, as the rate's record says.

    Args:
        amount: exact, in the base currency.
        rate: has base, quote, rate (Decimal) and rounding (a key of MODES).

    Raises:
        MoneyError: the result is no money in the quote currency.
    """
    with localcontext(prec=60):  # 18 digits times 20: the product is exact before it is rounded, once
        exact = amount * rate.rate
        unit = Decimal(1).scaleb(-exponent(rate.quote))
        rounded = exact.quantize(unit, rounding=MODES[rate.rounding])
        return Converted(Money(rounded, rate.quote).amount, rate.quote, rounded - exact)
