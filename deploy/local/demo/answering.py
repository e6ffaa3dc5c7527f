"""Grievance's part: a family asks why, the account is corrected, the payment is issued again, the case resolved."""

from __future__ import annotations

from typing import Any

from deploy.local.demo.bank import ROUTING, Bank
from deploy.local.demo.client import DemoFailed, Officer, Screen
from deploy.local.platform import Platform


def pick_failed(officer: Officer) -> dict[str, Any]:
    """A payment that failed because its bank account is closed."""
    for payment in officer.pages("/payments/v1/payments", status="failed"):
        detail: dict[str, Any] = officer.get(f"/payments/v1/payments/{payment['id']}")
        if detail["attempts"][-1]["rail"] == "bank":
            return detail
    raise DemoFailed("no payment failed at the bank, though some accounts are closed there")


def open_case(screen: Screen, clerk: Officer, failed: dict[str, Any]) -> dict[str, Any]:
    """The family complains at the commune."""
    body = {
        "category": "payment",
        "subject_type": "payment",
        "subject_id": failed["id"],
        "channel": "commune",
        "description": "The money of July did not come.",
    }
    case: dict[str, Any] = clerk.request("POST", "/grievance/v1/cases", json=body, expect=201).json()
    screen.say(f"case {case['reference']} opened, due on {case['due_on']}, receipt code given to the family")
    last = failed["attempts"][-1]
    screen.say(
        f"why: attempt {last['attempt']} over {last['rail']} {last['state']}: {last['reason_code']} {last['reason']}"
    )
    return case


def correct_and_reissue(screen: Screen, officer: Officer, failed: dict[str, Any]) -> None:
    """Give the account its new number and pay again."""
    account = failed["attempts"][-1]["account_id"]
    path = f"/payments/v1/accounts/{account}"
    tag = officer.request("GET", path).headers["etag"]
    change = {"rail": "bank", "account_number": "700800900111", "provider": ROUTING, "holder_name": "Corrected holder"}
    officer.request("PUT", path, json=change, headers={"If-Match": tag})
    answer = officer.post(f"/payments/v1/payments/{failed['id']}:reissue", {"reason": "account corrected"})
    screen.say(f"account corrected, attempt {answer['attempt']} queued")


def wait_for_settlement(screen: Screen, bank: Bank, officer: Officer, payment_id: str) -> None:
    """Until the new attempt is settled by the bank's own word."""
    path = f"/payments/v1/payments/{payment_id}"
    officer.post("/payments/v1/rails:poll")
    screen.until(
        "the new attempt goes out",
        lambda: (int(officer.get(path)["attempts"][-1]["state"] not in {"queued", "sent", "unknown"}), 1),
    )
    bank.next_days(4)
    officer.post("/payments/v1/rails:poll")
    screen.until("the bank pays and says so", lambda: (int(officer.get(path)["status"] == "settled"), 1))
    attempt = officer.get(path)["attempts"][-1]
    sources = " then ".join(f"{outcome['source']}: {outcome['kind']}" for outcome in attempt["outcomes"])
    screen.say(f"attempt {attempt['attempt']} settled ({sources})")


def resolve(screen: Screen, platform: Platform, officer: Officer, case: dict[str, Any]) -> None:
    """Resolve the case, once it shows what happened to the payment."""
    path = f"/grievance/v1/cases/{case['id']}"
    screen.until(
        "the case learns of the payment",
        lambda: (int((officer.get(path)["payment"] or {}).get("status") == "settled"), 1),
    )
    for action, body in (
        (":assign", {}),
        (":start", {}),
        (":resolve", {"outcome": "upheld", "note": "Paid to the corrected account."}),
    ):
        tag = officer.request("GET", path).headers["etag"]
        officer.request("POST", path + action, json=body, headers={"If-Match": tag})
    seen = officer.get(path)
    family = Officer(platform, "family", "public_client", areas=())
    status = family.get(f"/grievance/v1/receipts/{case['receipt_code']}")
    family.close()
    screen.say(
        f"case {seen['reference']} is {seen['state']}, {seen['outcome']}; the family's receipt says: {status['state']}"
    )
