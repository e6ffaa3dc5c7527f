"""Builders of kinds and reports of events."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from services.eligibility.tests.builders import PACKS
from services.eligibility.tests.conftest import Office

KINDS = (PACKS / "kh" / "condition-kinds.yaml").read_bytes()
HEALTH = "health_worker"


def report(person_id: UUID, kind: str, on: date, **facts: Any) -> dict[str, Any]:
    """A report of the health centre of a commune."""
    body = {
        "kind": kind,
        "person_id": str(person_id),
        "occurred_on": on.isoformat(),
        "facility_code": "HC-1",
        "place_code": "010203",
    }
    return body | facts


async def put_kinds(office: Office) -> None:
    """Configure the kinds of the Cambodian pack."""
    headers = office.service.token("programme_officer")
    answer = await office.service.http.put("/eligibility/v1/condition-kinds", content=KINDS, headers=headers)
    assert answer.status_code == 200, answer.text


async def send(office: Office, body: dict[str, Any], *, status: int = 201, role: str = HEALTH, **token: Any) -> Any:
    """Report one event; the answer's document."""
    headers = office.service.token(role, **({"subject": f"{role}-1"} | token))
    answer = await office.service.http.post("/eligibility/v1/condition-events", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


async def send_file(office: Office, rows: bytes, *, media: str = "application/x-ndjson", role: str = HEALTH) -> Any:
    """Send a file of reports and let the job judge it; the file's outcomes."""
    headers = office.service.token(role, subject=f"{role}-1") | {"content-type": media}
    answer = await office.service.http.post("/eligibility/v1/condition-files", content=rows, headers=headers)
    assert answer.status_code == 202, answer.text
    await office.service.run_jobs()
    path = f"/eligibility/v1/condition-files/{answer.json()['file_id']}"
    return (await office.service.http.get(path, headers=headers)).json()
