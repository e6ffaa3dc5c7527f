"""What rails need of the process: the rails themselves, the cipher for payees, the rules for matching."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from services.payments.rails.bank import BankRail
from services.payments.rails.mobile_money import MobileMoneyRail
from services.payments.rails.pain001 import Debtor
from services.payments.rails.port import Rail
from services.payments.reconciliation.ingest_document import Rules
from shared.crypto import FieldCipher, KeyedHash
from shared.service import Context

if TYPE_CHECKING:
    from services.payments.settings import PaymentsSettings


@dataclass(frozen=True)
class Clients:
    """The rails by name, and what goes with them."""

    rails: Mapping[str, Rail]
    cipher: FieldCipher
    rules: Rules

    def rail(self, name: str) -> Rail:
        """The rail of that name; KeyError names one that is not configured."""
        return self.rails[name]


@asynccontextmanager
async def open_clients(settings: PaymentsSettings) -> AsyncIterator[Clients]:
    """The clients of both rails, with a time-out on every step of every call; closed at the end."""
    timeout = httpx.Timeout(settings.rail_timeout_seconds)
    limits = httpx.Limits(max_connections=8, max_keepalive_connections=4)
    async with (
        httpx.AsyncClient(base_url=settings.bank_url, timeout=timeout, limits=limits, trust_env=False) as bank,
        httpx.AsyncClient(
            base_url=settings.mobile_money_url, timeout=timeout, limits=limits, trust_env=False
        ) as operator,
    ):
        debtor = Debtor(settings.bank_debtor_name, settings.bank_debtor_account, settings.bank_debtor_bic)
        yield Clients(
            rails={
                BankRail.name: BankRail(bank, debtor),
                MobileMoneyRail.name: MobileMoneyRail(
                    operator, settings.mobile_money_callback_url, settings.mobile_money_account
                ),
            },
            cipher=FieldCipher(settings.encryption_key.get_secret_value()),
            rules=Rules(
                number_hash=KeyedHash(settings.hash_key.get_secret_value()),
                strict_iban=settings.bank_payees_have_ibans,
            ),
        )


def clients_of(context: Context) -> Clients:
    """The clients of this process."""
    resources = context.resources
    clients: Clients = resources if isinstance(resources, Clients) else resources.rails
    return clients
