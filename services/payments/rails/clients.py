"""What rails need of the process: the rails themselves, the cipher for payees, the rules for matching."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.rails import health_repository
from services.payments.rails.catalogue import BY_NAME, KINDS
from services.payments.rails.policy import RailPolicy
from services.payments.rails.port import ChecksAccounts, Rail
from services.payments.reconciliation.rules import Rules
from shared.crypto import FieldCipher, KeyedHash
from shared.service import Context

if TYPE_CHECKING:
    from services.payments.settings import PaymentsSettings


@dataclass(frozen=True)
class Clients:
    """The configured rails by name, and what goes with them."""

    rails: Mapping[str, Rail]
    policies: Mapping[str, RailPolicy]
    cipher: FieldCipher
    rules: Rules

    def rail(self, name: str) -> Rail:
        """The rail of that name; KeyError names one that is not configured."""
        return self.rails[name]

    def account_checker(self, name: str) -> ChecksAccounts | None:
        """The rail as one that can be asked about accounts, where it can."""
        rail = self.rails.get(name)
        return rail if isinstance(rail, ChecksAccounts) else None

    async def policy(self, session: AsyncSession, name: str) -> RailPolicy:
        """The policy in force: an officer's, or the one that the rail's module proposes."""
        row = await health_repository.policy_row(session, name)
        return RailPolicy.model_validate(row.policy) if row is not None else self.policies[name]


@asynccontextmanager
async def open_clients(settings: PaymentsSettings) -> AsyncIterator[Clients]:
    """Open every rail that is configured; closed at the end."""
    async with AsyncExitStack() as stack:
        rails: dict[str, Rail] = {}
        for kind in KINDS:
            rail = await stack.enter_async_context(kind.open(settings))
            if rail is not None:
                rails[kind.name] = rail
        yield Clients(
            rails=rails,
            policies={name: kind.policy(settings) for name, kind in BY_NAME.items()},
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
