"""Builders for the tests of cash: people with collections open, an agent, and what the messages said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from services.payments.app import SERVICE
from services.payments.rails.cash.messages import Message, send_messages
from services.payments.tests.builders import SETTINGS as PAYMENTS
from services.payments.tests.builders import VILLAGES, Cycle, Grant, Office, account_csv
from shared.contracts.registry import LifeEventRecorded
from shared.testing.service import TestService

CASH = replace(SERVICE, schedules=())
SETTINGS: dict[str, Any] = PAYMENTS | {"chunk_size": 1000, "account_beneficiary_limit": 3}
NETWORK = "wing"


class Gateway:
    """A message gateway that keeps what it is given, and takes it or not as told."""

    def __init__(self) -> None:
        self.messages: dict[UUID, Message] = {}
        self.takes = True

    async def send(self, messages: Sequence[Message]) -> set[UUID]:
        if not self.takes:
            return set()
        self.messages |= {message.id: message for message in messages}
        return {message.id for message in messages}


@dataclass(frozen=True)
class Told:
    """What a payee was told."""

    number: str
    reference: str
    code: str


class Desk:
    """An agents' desk with officers."""

    def __init__(self, service: TestService) -> None:
        self.service, self.office, self.gateway = service, Office(service), Gateway()
        self.agent = service.token("integration", subject="agent-1")

    async def open(self, grants: Sequence[Grant]) -> Cycle:
        """A cycle paid in cash: collections open."""
        cycle = Cycle(grants)
        await self.service.deliver(*cycle.enrolments(), *cycle.entitlements(), cycle.closed())
        await self.office.import_accounts(account_csv([grant.beneficiary_id for grant in grants], rail="cash"))
        await self.office.open_fund()
        built = await self.office.build(cycle)
        await self.office.approve(built)
        await self.office.disburse(built)
        await self.service.run_jobs()
        return cycle

    async def register_agent(self, code: str = "A1", subject: str = "agent-1", **changes: Any) -> dict[str, Any]:
        """An agent of the network."""
        body = {
            "code": code,
            "provider": NETWORK,
            "subject": subject,
            "name": f"Agent {code}",
            "currency": "KHR",
            "credit_limit": "100000000",
        } | changes
        return (await self.office.post("/cash/agents", self.office.releaser, body, 201)).json()

    async def messages(self) -> dict[str, Told]:
        """Send what is due; what was told, by reference, the newest code first."""
        await send_messages(self.service.context, self.gateway)
        told = {}
        for key in sorted(self.gateway.messages):
            message = self.gateway.messages[key]
            words = message.text.split("Reference ")[1].split(", code ")
            told[words[0]] = Told(message.number, words[0], words[1].split(".")[0])
        return told

    async def redeem(self, reference: str, code: str, amount: Any, status: int | None = None, **changes: Any) -> Any:
        """An agent hands out money."""
        who = changes.pop("who", self.agent)
        body = {
            "code": code,
            "amount": str(amount),
            "currency": "KHR",
            "agent_reference": f"T-{reference}",
            "identity_check": {"method": "equity_card", "matches": True},
        } | changes
        return await self.office.post(f"/cash/collections/{reference}:redeem", who, body, status)

    def office_now(self) -> Office:
        """The officers with tokens of the present hour."""
        return Office(self.service)

    async def rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        """What a statement gives."""
        async with self.service.database.session() as session:
            return [dict(row) for row in (await session.execute(text(statement), values)).mappings()]

    async def collections(self) -> list[dict[str, Any]]:
        """Every collection."""
        async with self.service.database.session() as session:
            found = await session.execute(text("SELECT * FROM cash_collection ORDER BY amount"))
            return [dict(row) for row in found.mappings()]


def death_of(person: UUID) -> LifeEventRecorded:
    """The registry's word that somebody died, in a household that lives on."""
    return LifeEventRecorded(
        version=1,
        life_event_id=uuid4(),
        kind="death",
        person_id=person,
        household_id=uuid4(),
        occurred_on=date(2020, 7, 1),
        source="civil_registration",
        village_code=VILLAGES[0],
        living_members=3,
    )


def code_other_than(code: str) -> str:
    """A wrong code."""
    return f"{(int(code) + 1) % 10**8:08d}"
