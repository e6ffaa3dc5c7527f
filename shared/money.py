"""Exact money: Decimal and a currency, never float. KHR has no minor unit (ISO 4217)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

EXPONENTS: Final[dict[str, int]] = {"KHR": 0, "USD": 2, "EUR": 2, "THB": 2, "VND": 0}
"""ISO 4217 minor-unit digits of the currencies in use. Unknown ones are refused, not guessed."""
MAX_AMOUNT: Final = Decimal(10) ** 16


class MoneyError(ValueError):
    """An amount that cannot be money in its currency."""


def exponent(currency: str) -> int:
    """Digits after the point in this currency.

    Raises:
        MoneyError: the currency is not known here.
    """
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise MoneyError(f"unknown currency {currency!r}: known are {', '.join(sorted(EXPONENTS))}") from None


def check_amount(amount: Decimal, currency: str, *, allow_negative: bool = False) -> Decimal:
    """The amount, with exactly the currency's digits.

    Raises:
        MoneyError: not finite, a fraction finer than the currency's unit, negative, or too large. Nothing is rounded.
    """
    if not isinstance(amount, Decimal):
        raise MoneyError(f"money is a Decimal, not {type(amount).__name__}")
    if not amount.is_finite():
        raise MoneyError("an amount must be a finite number")
    digits = exponent(currency)
    exact = amount.quantize(Decimal(1).scaleb(-digits)) if abs(amount) < MAX_AMOUNT else amount
    if abs(amount) >= MAX_AMOUNT:
        raise MoneyError(f"an amount must be below {MAX_AMOUNT}")
    if exact != amount:
        raise MoneyError(f"{currency} has {digits} digits after the point: {amount} is finer than that")
    if exact < 0 and not allow_negative:
        raise MoneyError("an amount must not be negative")
    return exact


def round_amount(amount: Decimal, currency: str) -> Decimal:
    """Round half up to the currency's unit: only where a rule says so (a percentage, an exchange)."""
    return amount.quantize(Decimal(1).scaleb(-exponent(currency)), rounding=ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount in one currency. Adding two currencies is an error, not a conversion."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "amount", check_amount(self.amount, self.currency, allow_negative=True))

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise MoneyError(f"cannot combine {self.currency} and {other.currency}")

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount - other.amount, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __mul__(self, quantity: int) -> Money:
        if not isinstance(quantity, int):
            raise MoneyError("money is multiplied by whole quantities only")
        return Money(self.amount * quantity, self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same(other)
        return self.amount < other.amount

    def __str__(self) -> str:
        return f"{self.amount:,} {self.currency}"
