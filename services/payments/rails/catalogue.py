"""Every rail, by name. Adding one here (and its name in `names.py`) is all that the rest of the service needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.payments.rails import bank, mobile_money
from services.payments.rails.cash import rail as cash
from services.payments.rails.kind import RailKind, ReaderFactory

KINDS: Final[tuple[RailKind, ...]] = (bank.KIND, mobile_money.KIND, cash.KIND)
BY_NAME: Final[Mapping[str, RailKind]] = {kind.name: kind for kind in KINDS}
READERS: Final[Mapping[str, ReaderFactory]] = {
    media: factory for kind in KINDS for media, factory in kind.readers.items()
}
"""How a document is read, by its media."""
