"""Builders for the tests of the edges: a source, its messages, officers who make its orders into payments."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import text

from services.payments.app import SERVICE
from services.payments.edges.callbacks.queue_callback import BODY_CONTEXT
from services.payments.edges.g2p_connect.signature import sign
from services.payments.edges.wiring import JOBS
from services.payments.lists.build_list import BUILD_LIST
from services.payments.lists.disburse_list import DISBURSE_LIST
from services.payments.tests.builders import CHECKER, MAKER, RELEASER
from services.payments.tests.builders import SETTINGS as PAYMENTS
from shared.testing.service import TestService

EDGES = replace(SERVICE, jobs=(BUILD_LIST, DISBURSE_LIST, *JOBS), schedules=())
"""Payments with its edges, without rails' jobs: attempts stay queued until a test plays the rail."""
SETTINGS: dict[str, Any] = PAYMENTS | {"chunk_size": 1000}
CALLBACK = "http://127.0.0.1:9/callbacks"
LINE = "social-transfers"


class SourceBB:
    """A source building block, acting through the API."""

    def __init__(self, service: TestService, code: str = "MOSVY", subject: str = "source-1") -> None:
        self.service, self.code, self.subject = service, code, subject
        self.sender = f"{code.lower()}.example.org"
        self.key = Ed25519PrivateKey.generate()
        self.headers = service.token("integration", subject=subject)
        self.admin = service.token("admin", subject="admin-1")
        self.maker = service.token("payment_officer", subject=MAKER)
        self.checker = service.token("payment_approver", subject=CHECKER)
        self.releaser = service.token("finance_officer", subject=RELEASER)

    async def register(self, **changes: Any) -> dict[str, Any]:
        """Registered by an administrator."""
        raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        body = {
            "code": self.code,
            "name": f"Ministry {self.code}",
            "subject": self.subject,
            "funding_line": LINE,
            "place_code": "12",
            "sender_id": self.sender,
            "keys": [{"key_id": "k1", "public_key": base64.b64encode(raw).decode()}],
            "callback_origins": ["http://127.0.0.1:9"],
        }
        answer = await self.service.http.post("/payments/v1/external-sources", headers=self.admin, json=body | changes)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def post(self, path: str, body: Any, status: int | None = None, method: str = "POST", **headers: str) -> Any:
        """A GovStack message with a callback address."""
        sent = {"X-Callback-URL": CALLBACK} | headers
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        answer = await self.service.http.request(
            method,
            f"/payments/v1/govstack{path}",
            headers=self.headers | sent | {"Content-Type": "application/json"},
            content=content,
        )
        assert status is None or answer.status_code == status, answer.text
        return answer

    async def beneficiaries(self, payees: list[str], *, modality: str = "01", start: int = 85512000000) -> None:
        """Registered, each with a number of its own."""
        body = {
            "RequestID": request_id(),
            "SourceBBID": self.code,
            "Beneficiaries": [
                {
                    "PayeeFunctionalID": payee,
                    "PaymentModality": modality,
                    "FinancialAddress": str(start + number),
                    "BankingInstitutionCode": "WING",
                }
                for number, payee in enumerate(payees)
            ],
        }
        answer = await self.post("/register-beneficiary", body, 200)
        assert answer.json()["ResponseCode"] == "00", answer.text

    def bulk(self, payees: list[str], *, amount: Any = 100_000, batch: str = "", **changes: Any) -> dict[str, Any]:
        """A bulk payment message."""
        return {
            "RequestID": request_id(),
            "SourceBBID": self.code,
            "BatchID": batch or f"B{uuid4().hex[:10]}",
            "CreditInstructions": [
                {
                    "InstructionID": uuid4().hex[:16],
                    "PayeeFunctionalID": payee,
                    "Amount": amount + number if isinstance(amount, int) else amount,
                    "Currency": "KHR",
                    "Narration": "test",
                }
                for number, payee in enumerate(payees)
            ],
        } | changes

    def message(self, action: str, message: dict[str, Any], total: int, /, **header: Any) -> dict[str, Any]:
        """A signed G2P Connect message."""
        head = {
            "version": "1.0.0",
            "message_id": str(uuid4()),
            "message_ts": self.service.clock.now().isoformat(),
            "action": action,
            "sender_id": self.sender,
            "sender_uri": f"{CALLBACK}/{action}",
            "receiver_id": "samaki-payments",
            "total_count": total,
        } | header
        return self.signed(head, message)

    def signed(self, header: dict[str, Any], message: Any, *, ago: timedelta = timedelta(0)) -> dict[str, Any]:
        """Any header and message, signed so long ago."""
        signature = sign(self.key, self.sender, "k1", header, message, self.service.clock.now() - ago)
        return {"signature": signature, "header": header, "message": message}

    async def g2p(self, path: str, body: Any, status: int | None = None) -> Any:
        """Send a G2P Connect message."""
        answer = await self.service.http.post(
            f"/payments/v1/g2p-connect{path}",
            headers=self.headers | {"Content-Type": "application/json"},
            content=body if isinstance(body, bytes) else orjson.dumps(body),
        )
        assert status is None or answer.status_code == status, answer.text
        return answer

    async def link(self, ids: list[str], *, start: int = 85512000000) -> None:
        """Ids linked to mobile numbers."""
        items = [
            {
                "reference_id": f"L{number}",
                "timestamp": "2020-07-01T09:00:00Z",
                "id": identity,
                "fa": f"mobile:{start + number}@wing",
                "name": "Sok Dara",
            }
            for number, identity in enumerate(ids)
        ]
        message = self.message("link", {"transaction_id": str(uuid4()), "link_request": items}, len(items))
        await self.g2p("/mapper/link", message, 202)

    async def orders(self, **params: str) -> list[dict[str, Any]]:
        """The orders, as an officer sees them."""
        answer = await self.service.http.get("/payments/v1/external-orders", headers=self.maker, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()["items"]

    async def lines(self, order_id: str) -> dict[str, tuple[str, str]]:
        """Status and code of each instruction of an order."""
        answer = await self.service.http.get(
            f"/payments/v1/external-orders/{order_id}/lines", headers=self.maker, params={"limit": "500"}
        )
        assert answer.status_code == 200, answer.text
        return {item["instruction_id"]: (item["status"], item["code"]) for item in answer.json()["items"]}

    async def callbacks(self, kind: str = "") -> list[dict[str, Any]]:
        """The bodies queued, oldest first."""
        cipher = self.service.context.resources.cipher
        async with self.service.database.session() as session:
            rows = await session.execute(text("SELECT kind, body_encrypted FROM external_callback ORDER BY id"))
            return [
                orjson.loads(cipher.decrypt(bytes(row.body_encrypted), BODY_CONTEXT))
                for row in rows
                if kind in ("", row.kind)
            ]


def request_id() -> str:
    """A GovStack request id: twelve characters."""
    return uuid4().hex[:12]


async def rows(service: TestService, statement: str, **values: Any) -> list[dict[str, Any]]:
    """What a query gives."""
    async with service.database.session() as session:
        return [dict(row) for row in (await session.execute(text(statement), values)).mappings()]
