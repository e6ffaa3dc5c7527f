"""Builders for the tests of payments: a closed cycle, accounts, a fund, a list at any stage."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, text

from services.payments.accounts.apply_import import IMPORT_ACCOUNTS
from services.payments.accounts.validation import VALIDATE_ACCOUNT
from services.payments.app import SERVICE
from services.payments.instructions.expire_payments import EXPIRE_PAYMENTS
from services.payments.instructions.model import payment_id
from services.payments.instructions.tables import payment_attempt
from services.payments.ledger.run_self_check import SELF_CHECK
from services.payments.lists.build_list import BUILD_LIST
from services.payments.lists.disburse_list import DISBURSE_LIST
from services.payments.sanctions.screen_accounts import SCREEN_ACCOUNTS
from shared.contracts.base import ControlTotal
from shared.contracts.eligibility import CycleClosed, EnrolmentApproved, EntitlementGranted, EntitlementLine
from shared.testing.service import TestService

CORE = replace(
    SERVICE,
    jobs=(IMPORT_ACCOUNTS, VALIDATE_ACCOUNT, BUILD_LIST, DISBURSE_LIST, EXPIRE_PAYMENTS, SELF_CHECK, SCREEN_ACCOUNTS),
    schedules=(),
)
"""Payments without its rails: attempts stay queued until a test plays the rail."""
SETTINGS: dict[str, Any] = {
    "encryption_key": base64.b64encode(b"k" * 32).decode(),
    "hash_key": base64.b64encode(b"h" * 32).decode(),
    "bank_url": "http://127.0.0.1:1",
    "bank_debtor_account": "KH000000000001",
    "bank_debtor_bic": "TESTKHPP",
    "mobile_money_url": "http://127.0.0.1:1",
    "mobile_money_callback_url": "http://127.0.0.1:1/callbacks",
    "mobile_money_callback_secret": "not-a-secret",
    "account_beneficiary_limit": 2,
    "chunk_size": 7,
}
PROGRAMME = "KH-CTP-COVID"
LINE = "social-transfers"
VILLAGES = ("01020101", "12010101", "08030102")
MAKER, CHECKER, RELEASER = "maker-1", "checker-1", "releaser-1"


@dataclass(frozen=True)
class Grant:
    """One entitlement to be."""

    beneficiary_id: UUID
    village_code: str = VILLAGES[0]
    amount: Decimal = Decimal(592000)
    component: str = "monthly_transfer"


def grants(count: int, amount: int = 100_000) -> list[Grant]:
    """Different people in three provinces, with different amounts."""
    return [Grant(uuid4(), VILLAGES[index % 3], Decimal(amount + index)) for index in range(count)]


@dataclass
class Cycle:
    """A cycle and its events."""

    granted: Sequence[Grant]
    id: UUID = field(default_factory=uuid4)
    period: str = "2020-07"

    def payment(self, index: int = 0) -> UUID:
        """The identity of the payment for the grant at this index."""
        grant = self.granted[index]
        return payment_id(PROGRAMME, self.id, grant.beneficiary_id, grant.component)

    def entitlements(self) -> list[EntitlementGranted]:
        """One event per grant."""
        return [
            EntitlementGranted(
                version=1,
                entitlement_id=uuid4(),
                cycle_id=self.id,
                programme_code=PROGRAMME,
                programme_version=1,
                period=self.period,
                beneficiary_id=grant.beneficiary_id,
                beneficiary_reference=f"HH-{index:08d}-0",
                village_code=grant.village_code,
                component=grant.component,
                amount=grant.amount,
                currency="KHR",
                lines=(EntitlementLine(component=grant.component, quantity=1, rate=grant.amount, amount=grant.amount),),
                decision_id=uuid4(),
            )
            for index, grant in enumerate(self.granted)
        ]

    def closed(self, **overrides: Any) -> CycleClosed:
        """The closing with its control totals."""
        sums: dict[tuple[str, str], tuple[int, Decimal]] = {}
        for grant in self.granted:
            key = (grant.component, grant.village_code[:2])
            count, amount = sums.get(key, (0, Decimal(0)))
            sums[key] = (count + 1, amount + grant.amount)
        values: dict[str, Any] = {
            "version": 1,
            "cycle_id": self.id,
            "programme_code": PROGRAMME,
            "programme_version": 1,
            "period": self.period,
            "reference_date": date(2020, 7, 1),
            "payment_window_from": date(2020, 7, 25),
            "payment_window_until": date(2020, 8, 24),
            "funding_line": LINE,
            "currency": "KHR",
            "count": len(self.granted),
            "amount": sum((grant.amount for grant in self.granted), Decimal(0)),
            "totals": tuple(
                ControlTotal(component=component, province_code=province, count=count, amount=amount)
                for (component, province), (count, amount) in sorted(sums.items())
            ),
            "content_hash": "0" * 64,
            "closed_by": "programme-officer-1",
        }
        return CycleClosed(**values | overrides)

    def enrolments(self) -> list[EnrolmentApproved]:
        """One event per person."""
        people = {grant.beneficiary_id: grant for grant in self.granted}
        return [
            EnrolmentApproved(
                version=1,
                enrolment_id=uuid4(),
                programme_code=PROGRAMME,
                programme_version=1,
                beneficiary_id=grant.beneficiary_id,
                beneficiary_reference="HH-0",
                village_code=grant.village_code,
                effective_on=date(2020, 6, 1),
            )
            for grant in people.values()
        ]


def account_csv(people: Sequence[UUID], *, rail: str = "mobile_money", start: int = 85512000000) -> str:
    """An account file with one number per person."""
    lines = ["beneficiary_id,rail,provider,account_number,holder_name,purpose"]
    lines += [f"{person},{rail},wing,{start + index},Sok Dara {index},any" for index, person in enumerate(people)]
    return "\n".join(lines) + "\n"


class Office:
    """The officers of one test, acting through the API."""

    def __init__(self, service: TestService) -> None:
        self.service = service
        self.maker = service.token("payment_officer", subject=MAKER)
        self.checker = service.token("payment_approver", subject=CHECKER)
        self.releaser = service.token("finance_officer", subject=RELEASER)

    async def post(self, path: str, who: dict[str, str], body: Any = None, status: int | None = None, **headers: str):
        """POST under /payments/v1; checks the status when one is given."""
        answer = await self.service.http.post(f"/payments/v1{path}", headers=who | headers, json=body)
        assert status is None or answer.status_code == status, answer.text
        return answer

    async def get(self, path: str, who: dict[str, str] | None = None, status: int = 200) -> Any:
        """GET under /payments/v1."""
        answer = await self.service.http.get(f"/payments/v1{path}", headers=who or self.maker)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def open_fund(self, allotment: str = "1000000000", code: str = "TREASURY-20") -> None:
        """A fund that serves the programme."""
        body = {"code": code, "currency": "KHR", "programme_lines": [LINE], "allotment": allotment}
        await self.post("/funds", self.releaser, body, 201)

    async def import_accounts(self, csv: str, who: dict[str, str] | None = None) -> dict[str, Any]:
        """Send a file and run the job; the import's counts."""
        answer = await self.service.http.post(
            "/payments/v1/accounts:import", headers=(who or self.maker) | {"Content-Type": "text/csv"}, content=csv
        )
        assert answer.status_code == 202, answer.text
        await self.service.run_jobs()
        return await self.get(f"/account-imports/{answer.json()['import_id']}", who)

    async def prepare(self, cycle: Cycle, *, allotment: str = "1000000000") -> None:
        """Events arrived, accounts imported, fund opened."""
        await self.service.deliver(*cycle.enrolments(), *cycle.entitlements(), cycle.closed())
        await self.import_accounts(account_csv([grant.beneficiary_id for grant in cycle.granted]))
        await self.open_fund(allotment)

    async def build(self, cycle: Cycle) -> dict[str, Any]:
        """Ask for the list and run the job; the list."""
        answer = await self.post("/payment-lists", self.maker, {"cycle_id": str(cycle.id)}, 202)
        await self.service.run_jobs()
        return await self.get(f"/payment-lists/{answer.json()['payment_list_id']}")

    async def approve(self, payment_list: dict[str, Any]) -> dict[str, Any]:
        """Submit and approve."""
        path = f"/payment-lists/{payment_list['id']}"
        await self.post(f"{path}:submit", self.maker, None, 200)
        body = {"content_hash": payment_list["content_hash"]}
        return (await self.post(f"{path}:approve", self.checker, body, 200)).json()

    async def disburse(self, payment_list: dict[str, Any]) -> dict[str, Any]:
        """Release and run the job; the list."""
        await self.post(f"/payment-lists/{payment_list['id']}:disburse", self.releaser, None, 202)
        await self.service.run_jobs()
        return await self.get(f"/payment-lists/{payment_list['id']}")

    async def pay(self, cycle: Cycle) -> dict[str, Any]:
        """From events to queued attempts."""
        await self.prepare(cycle)
        built = await self.build(cycle)
        await self.approve(built)
        return await self.disburse(built)

    async def attempts(self) -> list[Any]:
        """Every attempt, by id."""
        async with self.service.database.session() as session:
            return list((await session.execute(select(payment_attempt).order_by(payment_attempt.c.id))).all())

    async def send(self) -> list[Any]:
        """What a rail does before its call: queued attempts are sent."""
        async with self.service.database.session() as session:
            await session.execute(text("UPDATE payment_attempt SET state = 'sent' WHERE state = 'queued'"))
        return await self.attempts()

    async def balances(self) -> dict[str, Decimal]:
        """Balance per ledger account type, over all funds."""
        book = await self.get("/ledger/trial-balance", self.releaser)
        assert book["balanced"], book["totals"]
        sums: dict[str, Decimal] = {}
        for account in book["accounts"]:
            sums[account["type"]] = sums.get(account["type"], Decimal(0)) + Decimal(account["balance"])
        return sums

    async def self_check(self) -> Any:
        """Ask for the self-check and run it; its report."""
        answer = await self.post("/ledger/self-check", self.releaser, None, 202)
        jobs = await self.service.run_jobs()
        return next(job["result"] for job in jobs if str(job["id"]) == answer.json()["job_id"])
