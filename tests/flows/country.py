"""A small country in one process: every service with its own database, and their events carried between them.

What crosses services is tested here without a broker and without processes: quick enough for many stories. That the
broker, the gateway and the processes carry the same is what `tests/e2e` and `tests/faults` show.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from services.eligibility.app import SERVICE as ELIGIBILITY
from services.grievance.app import SERVICE as GRIEVANCE
from services.insights.app import SERVICE as INSIGHTS
from services.payments.app import SERVICE as PAYMENTS
from services.payments.tests.builders import SETTINGS as PAYMENTS_SETTINGS
from services.registry.app import SERVICE as REGISTRY
from services.registry.places import repository as places
from services.registry.places.location_class import load_class_rules
from services.registry.tests.building import VILLAGES, place_rows
from shared.contracts import EventPayload
from shared.service import Service
from shared.testing.plugin import MakeService
from shared.testing.service import TestService

MAX_ROUNDS: Final = 40
_KEYS: Final = {
    "encryption_key": base64.b64encode(bytes(range(32))).decode(),
    "hash_key": base64.b64encode(bytes(range(1, 33))).decode(),
}
SERVICES: Final[tuple[tuple[Service, Mapping[str, Any]], ...]] = (
    (REGISTRY, _KEYS),
    (ELIGIBILITY, {}),
    (PAYMENTS, PAYMENTS_SETTINGS),
    (GRIEVANCE, _KEYS),
    (INSIGHTS, {}),
)


@dataclass
class Country:
    """The services, by name, and every event that passed between them."""

    services: dict[str, TestService]
    passed: list[EventPayload] = field(default_factory=list)

    @classmethod
    async def found(cls, make_service: MakeService) -> Country:
        """Start every service on an empty database; the registry knows four villages."""
        services = {service.name: await make_service(service, **settings) for service, settings in SERVICES}
        rules = load_class_rules()
        async with services["registry"].database.session() as session:
            await places.upsert_places(session, place_rows())
            await places.set_rule_classes(session, {code: rules.class_of(code) for code in VILLAGES}, rules.valid_from)
        return cls(services)

    async def call(
        self, method: str, path: str, *roles: str, status: int = 200, subject: str = "officer-1", **options: Any
    ) -> Any:
        """A request of an officer with national rights to the service that the path names; the answer's document.

        Raises:
            AssertionError: another status; the answer is shown.
        """
        service = self.services[path.split("/", 2)[1]]
        claims = options.pop("claims", {})
        headers = service.token(*roles, subject=subject, **claims) | options.pop("headers", {})
        answer = await service.http.request(method, path, headers=headers, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def tag(self, path: str, *roles: str, **options: Any) -> dict[str, str]:
        """If-Match for the thing at this path, as it stands."""
        service = self.services[path.split("/", 2)[1]]
        answer = await service.http.get(path, headers=service.token(*roles, **options))
        assert answer.status_code == 200, answer.text
        return {"If-Match": answer.headers["etag"]}

    async def settle(self) -> list[EventPayload]:
        """Run jobs and carry events until nothing moves any more; the events that passed, in order.

        Raises:
            AssertionError: two services keep answering each other.
        """
        passed: list[EventPayload] = []
        for _ in range(MAX_ROUNDS):
            moved = False
            for service in self.services.values():
                await service.run_jobs()
                events = await service.outbox()
                moved = moved or bool(events)
                passed += events
                await self._carry(events)
            if not moved:
                self.passed += passed
                return passed
        raise AssertionError(f"after {MAX_ROUNDS} rounds events still pass: {sorted({e.TYPE for e in passed[-20:]})}")

    async def tick(self, name: str) -> None:
        """Run every schedule of a service once, as its worker would."""
        service = self.services[name]
        for schedule in service.context.service.schedules:
            await schedule.handler(service.context)

    async def _carry(self, events: Iterable[EventPayload]) -> None:
        for service in self.services.values():
            heard = {subscription.topic for subscription in service.context.service.subscriptions}
            mine = [event for event in events if event.TOPIC in heard]
            if mine:
                await service.deliver(*mine)
