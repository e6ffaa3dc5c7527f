"""The service under test, and steps of the month as a programme officer takes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from services.eligibility.app import SERVICE
from services.eligibility.tests.builders import COVID, OFFICER
from shared.testing.service import TestService


@dataclass
class Office:
    """A programme officer at work on the service."""

    service: TestService

    async def post(self, path: str, body: Any = None, *, status: int, **options: Any) -> Any:
        """POST as the officer; assert the status; the answer's document."""
        headers = self.service.token(OFFICER) | options.pop("headers", {})
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        answer = await self.service.http.post(f"/eligibility/v1{path}", headers=headers, **content, **options)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def get(self, path: str, *, status: int = 200, **token: Any) -> Any:
        """GET as the officer (or with other token options)."""
        roles = token.pop("roles", (OFFICER,))
        answer = await self.service.http.get(f"/eligibility/v1{path}", headers=self.service.token(*roles, **token))
        assert answer.status_code == status, answer.text
        return answer.json()

    async def publish(self, source: bytes = COVID) -> int:
        """Take in a programme file and publish it; its version."""
        draft = await self.post("/programmes", source, status=201)
        path = f"/programmes/{draft['programme_code']}/versions/{draft['version']}:publish"
        await self.post(path, status=200)
        return int(draft["version"])

    async def enrol(self, code: str = "KH-CTP-COVID", on: str = "2020-07-01") -> Any:
        """Enrol everybody; the job's result."""
        await self.post(f"/programmes/{code}:enrol", {"effective_on": on}, status=202)
        return (await self.service.run_jobs())[-1]["result"]

    async def open(self, code: str = "KH-CTP-COVID", period: str = "2020-07") -> str:
        """Open a cycle; its id."""
        cycle = await self.post("/cycles", {"programme_code": code, "period": period}, status=201)
        return str(cycle["id"])

    async def compute(self, cycle_id: str) -> Any:
        """Compute a cycle; the cycle afterwards."""
        await self.post(f"/cycles/{cycle_id}:compute", status=202)
        await self.service.run_jobs()
        return await self.get(f"/cycles/{cycle_id}")

    async def close(self, cycle: Any) -> Any:
        """Close a computed cycle with its own totals; the cycle afterwards."""
        body = {
            "expected_count": cycle["count"],
            "expected_amount": cycle["amount"],
            "comparison_hash": cycle["comparison_hash"],
        }
        await self.post(f"/cycles/{cycle['id']}:close", body, status=202)
        await self.service.run_jobs()
        return await self.get(f"/cycles/{cycle['id']}")


@pytest.fixture
async def office(make_service: Callable[..., Any]) -> Office:
    """A programme officer and an empty eligibility service."""
    return Office(await make_service(SERVICE))
