"""The desk that sees to breaks, for tests: hand files in, look, propose, approve, count suspense."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from services.payments.rails.tests.platform import rows
from shared.testing.service import TestService

INBOX = "/payments/v1/rails/bank/inbox"
BREAKS = "/payments/v1/reconciliation/breaks"
UNKNOWN = "f" * 32


async def bank(service: TestService, body: bytes, media: str = "application/xml") -> dict[str, Any]:
    headers = service.token("integration") | {"Content-Type": media}
    answer = await service.http.post(INBOX, content=body, headers=headers)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def listed(service: TestService, **params: Any) -> list[dict[str, Any]]:
    answer = await service.http.get(BREAKS, params=params, headers=service.token("auditor"))
    assert answer.status_code == 200
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def suspense(service: TestService) -> Decimal:
    """What suspense holds: above zero left our account unexplained."""
    (row,) = await rows(
        service,
        """
        SELECT COALESCE(sum(p.amount), 0) AS total FROM posting p
        JOIN ledger_account a ON a.id = p.ledger_account_id WHERE a.type = 'suspense'
        """,
    )
    total: Decimal = row["total"]
    return total


async def act(service: TestService, one: dict[str, Any], verb: str, officer: str, body: Any = None, **more: Any) -> Any:
    headers = service.token(more.get("role", "finance_officer"), subject=officer) | {
        "If-Match": f'"{more.get("version", one["version"])}"'
    }
    return await service.http.post(f"{BREAKS}/{one['id']}:{verb}", json=body, headers=headers)


async def resolve(service: TestService, one: dict[str, Any], action: str, **more: Any) -> None:
    proposed = await act(service, one, "propose", "maker", {"action": action, "reason": "seen with the bank"} | more)
    assert proposed.status_code == 200, proposed.text
    approved = await act(service, proposed.json(), "approve", "checker")
    assert approved.status_code == 200, approved.text
    assert (approved.json()["status"], approved.json()["resolved_by"]) == ("resolved", "checker")
