"""The names of the rails this service knows, for those that must not import the rails themselves.

`catalogue.KINDS` holds the rails behind the names; a test compares the two.
"""

from __future__ import annotations

from typing import Final

BANK: Final = "bank"
MOBILE_MONEY: Final = "mobile_money"
CASH: Final = "cash"
RAIL_NAMES: Final = (BANK, MOBILE_MONEY, CASH)
