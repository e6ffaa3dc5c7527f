"""Values of ISO 20022 messages, as the schema has them."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache

from services.payments.reconciliation.model import Scheme, own_reference, rails_day

_AMOUNT = re.compile(r"[0-9]{1,16}(\.[0-9]{1,5})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)


class Unreadable(ValueError):
    """A field of one line is not what the schema allows; the text says which, never its content."""


def payee_of(iban: str | None, other: str | None) -> tuple[Scheme, str]:
    """How an account is identified, and its number."""
    if iban:
        return Scheme.IBAN, iban
    return (Scheme.OTHER, other) if other else (Scheme.NONE, "")


def amount_of(text: str | None) -> Decimal | None:
    """An amount exactly as written; None where there is none.

    Raises:
        Unreadable: text that is not an amount of the schema (18 digits, 5 of them decimals).
    """
    return None if text is None else _decimal(text)


@lru_cache(maxsize=4096)
def _decimal(text: str) -> Decimal:
    if not _AMOUNT.fullmatch(text):
        raise Unreadable("an amount is not one: digits, and up to five decimals")
    return Decimal(text)


def currency_of(amount: str | None, currency: str | None) -> str:
    """The currency of an amount; empty where there is none.

    Raises:
        Unreadable: it is no code of three capital letters.
    """
    return _code(currency) if amount is not None and currency else ""


@lru_cache(maxsize=64)
def _code(currency: str) -> str:
    if not _CURRENCY.fullmatch(currency):
        raise Unreadable("a currency is not three capital letters")
    return currency


def reference_of(value: str | None) -> str:
    """An EndToEndId, or nothing for the standard's own word for "none was given"."""
    return "" if value is None or value == "NOTPROVIDED" else own_reference(value)


def day_of(text: str | None, otherwise: date) -> date:
    """The rails' own day of an ISO date or date-time, or the document's."""
    return _date(text) if text else otherwise


@lru_cache(maxsize=1024)
def _date(text: str) -> date:
    try:
        return rails_day(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise Unreadable("a date is not a date") from None
