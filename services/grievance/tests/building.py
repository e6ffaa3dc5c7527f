"""Builders: a grievance service with keys, events of payments, and requests as officers make them."""

from __future__ import annotations

import base64
from datetime import date
from typing import Any
from uuid import UUID

import httpx

from services.grievance.app import SERVICE
from shared.contracts.base import EventPayload
from shared.contracts.payments import (
    PaymentExpired,
    PaymentFailed,
    PaymentInstructed,
    PaymentReturned,
    PaymentSettled,
)
from shared.ids import deterministic_uuid
from shared.testing.plugin import MakeService
from shared.testing.service import TestService

ENCRYPTION_KEY = base64.b64encode(b"e" * 32).decode()
HASH_KEY = base64.b64encode(b"h" * 32).decode()
VILLAGE, ELSEWHERE = "08010101", "21010101"
COMMUNE = VILLAGE[:6]
STORY = "The agent at Psar Thmei kept the money of grandmother Sokha."
EVENTS: dict[str, type[EventPayload]] = {
    "instructed": PaymentInstructed,
    "settled": PaymentSettled,
    "failed": PaymentFailed,
    "returned": PaymentReturned,
    "expired": PaymentExpired,
}


async def start(make_service: MakeService, **settings: Any) -> TestService:
    return await make_service(SERVICE, encryption_key=ENCRYPTION_KEY, hash_key=HASH_KEY, **settings)


def uid(*parts: object) -> UUID:
    return deterministic_uuid(*(str(part) for part in parts))


def payment(
    name: str, status: str, version: int, *, attempt: int = 1, village: str = VILLAGE, beneficiary: str = "a"
) -> EventPayload:
    extra: dict[str, Any] = {
        "settled": {"settled_on": date(2020, 7, 2)},
        "failed": {"reason_code": "AC04", "reason": "closed account"},
        "returned": {"reason_code": "AC04", "reason": "closed account"},
        "expired": {"expired_on": date(2020, 8, 1)},
    }.get(status, {})
    return EVENTS[status].model_validate(
        {
            "version": version,
            "payment_id": uid("payment", name),
            "entitlement_id": uid("entitlement", name),
            "cycle_id": uid("cycle"),
            "programme_code": "KH-CTP-COVID",
            "period": "2020-07",
            "beneficiary_id": uid("household", beneficiary),
            "beneficiary_reference": "HH-A",
            "village_code": village,
            "component": "monthly_transfer",
            "amount": "200000",
            "currency": "KHR",
            "attempt": attempt,
            "rail": "bank",
            **extra,
        }
    )


def complaint(**changes: Any) -> dict[str, Any]:
    """A complaint about nothing in particular, by nobody in particular, in VILLAGE."""
    body = {"category": "payment", "channel": "phone", "place_code": VILLAGE, "description": STORY}
    return {name: value for name, value in (body | changes).items() if value is not None}


def about_payment(name: str, **changes: Any) -> dict[str, Any]:
    return complaint(subject_type="payment", subject_id=str(uid("payment", name)), **changes)


class Officer:
    """A caller with a token; answers are returned as they are."""

    def __init__(
        self,
        service: TestService,
        *,
        role: str = "grievance_officer",
        areas: tuple[str, ...] = ("*",),
        subject: str = "officer-1",
    ) -> None:
        self.service = service
        self.headers = service.token(role, areas=areas, subject=subject)

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.service.http.get(f"/grievance/v1{path}", params=query, headers=self.headers)

    async def post(self, path: str, body: Any = None, *, version: int | None = None, **headers: str) -> httpx.Response:
        sent = self.headers | headers | ({} if version is None else {"If-Match": f'"{version}"'})
        return await self.service.http.post(f"/grievance/v1{path}", json=body, headers=sent)

    async def open(self, **changes: Any) -> dict[str, Any]:
        answer = await self.post("/cases", complaint(**changes))
        assert answer.status_code == 201, answer.text
        opened: dict[str, Any] = answer.json()
        return opened

    async def act(self, case: dict[str, Any], action: str, body: Any = None) -> dict[str, Any]:
        answer = await self.post(f"/cases/{case['id']}:{action}", body, version=case["version"])
        assert answer.status_code == 200, answer.text
        changed: dict[str, Any] = answer.json()
        assert answer.headers["ETag"] == f'"{changed["version"]}"'
        return changed
