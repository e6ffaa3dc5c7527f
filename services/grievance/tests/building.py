"""Builders: a grievance service with keys, events of payments, and requests as officers make them."""

from __future__ import annotations

import base64
import tempfile
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from services.grievance.app import SERVICE
from shared.contracts.base import EventPayload
from shared.contracts.eligibility import DecisionMade, EnrolmentEnded, ProgrammePublished
from shared.contracts.payments import (
    PaymentExcluded,
    PaymentExpired,
    PaymentFailed,
    PaymentInstructed,
    PaymentReturned,
    PaymentSettled,
)
from shared.contracts.registry import HouseholdRegistered
from shared.ids import deterministic_uuid
from shared.testing.plugin import MakeService
from shared.testing.service import TestService

ENCRYPTION_KEY = base64.b64encode(b"e" * 32).decode()
SEALED_KEY = base64.b64encode(b"s" * 32).decode()
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
    "excluded": PaymentExcluded,
}


async def start(make_service: MakeService, **settings: Any) -> TestService:
    keys = {"encryption_key": ENCRYPTION_KEY, "hash_key": HASH_KEY, "sealed_key": SEALED_KEY}
    folder = Path(tempfile.mkdtemp(prefix="samaki-messages-"))
    return await make_service(SERVICE, **(keys | {"notification_dir": folder} | settings))


def uid(*parts: object) -> UUID:
    return deterministic_uuid(*(str(part) for part in parts))


def payment(
    name: str,
    status: str,
    version: int,
    *,
    attempt: int = 1,
    village: str = VILLAGE,
    beneficiary: str = "a",
    **facts: Any,
) -> EventPayload:
    extra: dict[str, Any] = {
        "settled": {"settled_on": date(2020, 7, 2)},
        "failed": {"reason_code": "AC04", "reason": "closed account"},
        "returned": {"reason_code": "AC04", "reason": "closed account"},
        "expired": {"expired_on": date(2020, 8, 1)},
        "excluded": {"reason_code": "no_account", "reason": "no account is known"},
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
            **(extra | facts),
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
        person_id: UUID | None = None,
    ) -> None:
        self.service = service
        claims = {} if person_id is None else {"person_id": str(person_id)}
        self.headers = service.token(*role.split(), areas=areas, subject=subject, **claims)

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


async def run_schedule(service: TestService, name: str) -> None:
    """Run one schedule as a worker would."""
    (schedule,) = [schedule for schedule in SERVICE.schedules if schedule.name == name]
    await schedule.handler(service.context)


def household(name: str, members: list[UUID], *, version: int = 1, village: str = VILLAGE) -> EventPayload:
    return HouseholdRegistered.model_validate(
        {
            "version": version,
            "household_id": uid("household", name),
            "reference": "HH-A",
            "village_code": village,
            "location_class": "rural",
            "poverty_level": 1,
            "members": [
                {"person_id": member, "relationship": "head", "sex": "female", "birth_date": date(1980, 1, 1)}
                for member in members
            ],
            "effective_on": date(2020, 1, 1),
        }
    )


def decision(name: str, *, eligible: bool = False, by: str | None = "decider", **facts: Any) -> EventPayload:
    return DecisionMade.model_validate(
        {
            "version": 1,
            "decision_id": uid("decision", name),
            "programme_code": "KH-CTP-COVID",
            "programme_version": 3,
            "beneficiary_id": uid("household", "a"),
            "beneficiary_reference": "HH-A",
            "village_code": VILLAGE,
            "decided_on": date(2020, 6, 20),
            "eligible": eligible,
            "failed_clauses": ["card_valid"],
            "facts": [{"name": "card_valid_until", "value": "2020-05-31"}],
            "facts_hash": "0" * 64,
            "decided_by": by,
            **facts,
        }
    )


def programme() -> EventPayload:
    return ProgrammePublished.model_validate(
        {
            "version": 3,
            "programme_code": "KH-CTP-COVID",
            "programme_version": 3,
            "unit": "household",
            "name_km": "ផ្ទេរសាច់ប្រាក់",
            "name_en": "Cash transfer",
            "funding_line": "X",
            "currency": "KHR",
            "valid_from": date(2020, 6, 1),
            "clauses": [{"code": "card_valid", "km": "ប័ណ្ណផុតកំណត់", "en": "The card has expired."}],
            "components": [],
        }
    )


def enrolment_ended(name: str, *, by: str | None = "decider", version: int = 2) -> EventPayload:
    return EnrolmentEnded.model_validate(
        {
            "version": version,
            "enrolment_id": uid("enrolment", name),
            "programme_code": "KH-CTP-COVID",
            "programme_version": 3,
            "beneficiary_id": uid("household", "a"),
            "beneficiary_reference": "HH-A",
            "village_code": VILLAGE,
            "effective_on": date(2020, 6, 25),
            "cause": "delisted_income",
            "ended_by": by,
        }
    )
