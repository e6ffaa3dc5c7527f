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


def show_automatic_cases(screen: Screen, officer: Officer, payments: Officer) -> None:
    """Each payment that failed or came back has opened one case by itself."""
    summary = {row["status"]: row["count"] for row in payments.get("/payments/v1/summary")["states"]}
    wrong = summary.get("failed", 0) + summary.get("returned", 0)

    def opened() -> tuple[int, int]:
        cases = [
            case for case in officer.pages("/grievance/v1/cases", category="payment") if case["channel"] == "platform"
        ]
        subjects = {case["subject_id"] for case in cases}
        return min(len(subjects), wrong), wrong

    screen.until("cases open by themselves", opened)
    screen.say(f"{wrong} payments failed or came back; each has opened one case by itself")


def ask_why(screen: Screen, clerk: Officer, failed: dict[str, Any]) -> None:
    """The family asks at the commune; one call answers, stage by stage, in Khmer and English."""
    path = f"/payments/v1/beneficiaries/{failed['beneficiary_id']}/why"
    answer = clerk.get(path, params={"programme": failed["programme_code"], "period": failed["period"]})
    for stage in answer["stages"]:
        screen.say(f"  {stage['stage']:<12}{stage['state']:<9}{stage['en']}")
    screen.say(f"in short: {answer['conclusion']['km']} {answer['conclusion']['en']}")


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
    return case


def correct_account(screen: Screen, officer: Officer, second: Officer, failed: dict[str, Any]) -> None:
    """Give the account its new number, with proof; a second person confirms it, which ends the cooling-off."""
    account = failed["attempts"][-1]["account_id"]
    path = f"/payments/v1/accounts/{account}"
    tag = officer.request("GET", path).headers["etag"]
    change: dict[str, Any] = {
        "rail": "bank",
        "account_number": "700800900111",
        "provider": ROUTING,
        "holder_name": "Corrected holder",
        "proof": {"kind": "bank_book", "reference": "copy kept at the commune"},
    }
    tag = officer.request("PUT", path, json=change, headers={"If-Match": tag}).headers["etag"]
    second.request("POST", f"{path}:confirm", json={"reason": "bank book seen"}, headers={"If-Match": tag})
    screen.say(f"account corrected by {officer.subject}, confirmed by {second.subject}")


def ask_for_remedy(screen: Screen, officer: Officer, case: dict[str, Any], failed: dict[str, Any]) -> None:
    """The case asks payments to issue the payment again, by an event; payments answers that an officer must act."""
    path = f"/grievance/v1/cases/{case['id']}"
    for action, body in (
        (":assign", {}),
        (":start", {}),
        ("/remedies", {"kind": "reissue_payment", "payment_id": failed["id"]}),
    ):
        tag = officer.request("GET", path).headers["etag"]
        officer.request("POST", path + action, json=body, headers={"If-Match": tag})
    screen.until("payments answers", lambda: (int(_remedy(officer, path)["state"] != "requested"), 1))
    remedy = _remedy(officer, path)
    screen.say(f"remedy {remedy['kind']} asked for from the case; payments answers: {remedy['state']}")


def reissue(screen: Screen, officer: Officer, failed: dict[str, Any]) -> None:
    """A payment officer issues it again."""
    answer = officer.post(f"/payments/v1/payments/{failed['id']}:reissue", {"reason": "account corrected"})
    screen.say(f"attempt {answer['attempt']} queued")


def _remedy(officer: Officer, path: str) -> dict[str, Any]:
    remedy: dict[str, Any] = officer.get(path)["remedies"][-1]
    return remedy


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
    """Resolve the case, once it shows what happened; the one that opened by itself has ended by itself."""
    path = f"/grievance/v1/cases/{case['id']}"
    screen.until(
        "the case learns of the payment",
        lambda: (int((officer.get(path)["payment"] or {}).get("status") == "settled"), 1),
    )
    screen.until("and of the remedy", lambda: (int(_remedy(officer, path)["state"] == "done"), 1))
    tag = officer.request("GET", path).headers["etag"]
    body = {"outcome": "upheld", "note": "Paid to the corrected account."}
    officer.request("POST", f"{path}:resolve", json=body, headers={"If-Match": tag})
    seen = officer.get(path)
    others = [
        found
        for found in officer.pages("/grievance/v1/cases", subject_id=seen["subject_id"])
        if found["channel"] == "platform"
    ]
    if not others or any(found["state"] not in {"resolved", "closed", "merged"} for found in others):
        raise DemoFailed("the case that the failure opened did not end when the money arrived")
    family = Officer(platform, "family", "public_client", areas=())
    status = family.get(f"/grievance/v1/receipts/{case['receipt_code']}")
    family.close()
    screen.say(
        f"case {seen['reference']} is {seen['state']}, {seen['outcome']}; the family's receipt says: {status['state']};"
        f" the case that opened by itself is {others[0]['state']}"
    )


def show_papers(screen: Screen, officer: Officer, failed: dict[str, Any]) -> None:
    """The family's proof of payment, and the year's statement, as printable papers."""
    proof = officer.get(f"/payments/v1/payments/{failed['id']}/proof")
    paper = officer.request("GET", f"/payments/v1/payments/{failed['id']}/proof.pdf").content
    screen.say(
        f"proof of payment: {proof['amount']} {proof['currency']} on {proof['paid_on']}, by {proof['confirmed_by']};"
        f" on paper {len(paper):,} bytes of PDF in Khmer and English"
    )
