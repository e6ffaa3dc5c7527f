"""Payments' part: accounts, fund, list, approval, two rails, reconciliation, money back to the fund."""

from __future__ import annotations

import csv
import io
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx

from deploy.local.demo.bank import ROUTING, Bank
from deploy.local.demo.client import DemoFailed, Officer, Screen
from deploy.local.demo.deciding import Cycle
from deploy.local.platform import Platform

FUND = "NAT-BUDGET-2020"
WITHOUT_ACCOUNT = 37
CLOSED_AT_BANK = 24
UNKNOWN_WALLETS = 19
CLOSED_WALLETS = 13
FINAL = {"settled", "failed", "returned", "expired"}


@dataclass
class Accounts:
    """What was written into the account file, to be held against what happens."""

    count: int = 0
    closed_at_bank: list[str] = field(default_factory=list)
    refusing_wallets: int = 0
    numbers: set[str] = field(default_factory=set)


def open_fund(screen: Screen, finance: Officer, cycle: Cycle) -> None:
    """Open the fund that pays, with some riel to spare."""
    allotment = cycle.amount + Decimal(50_000_000)
    body = {"code": FUND, "currency": "KHR", "programme_lines": [cycle.funding_line], "allotment": str(allotment)}
    finance.post("/payments/v1/funds", body)
    screen.say(f"fund {FUND}: {allotment:,.0f} KHR for line {cycle.funding_line}")


def import_accounts(screen: Screen, officer: Officer, beneficiaries: list[str]) -> Accounts:
    """Send the account file: bank and mobile money by turns, some closed, some unknown, some missing."""
    made = Accounts()
    draw = random.Random(7)  # noqa: S311 reproducible numbers, no secret
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["beneficiary_id", "rail", "provider", "account_number", "holder_name", "purpose"])
    for position, beneficiary in enumerate(sorted(beneficiaries)):
        if position < WITHOUT_ACCOUNT:
            continue
        if position % 2:
            number = f"{draw.randint(10**8, 10**9 - 1)}{position:05d}"
            if len(made.closed_at_bank) < CLOSED_AT_BANK:
                made.closed_at_bank.append(number)
            writer.writerow([beneficiary, "bank", ROUTING, number, f"Household {position}", "any"])
        else:
            ending = f"{position:06d}"
            if made.refusing_wallets < UNKNOWN_WALLETS:
                ending = "990001"
            elif made.refusing_wallets < UNKNOWN_WALLETS + CLOSED_WALLETS:
                ending = "990002"
            made.refusing_wallets += ending.startswith("9900")
            wallet = f"0{position + 10000:05d}{ending}"
            writer.writerow([beneficiary, "mobile_money", "wing", wallet, f"Household {position}", "any"])
            number = wallet
        made.numbers.add(number)
        made.count += 1
    answer = officer.request(
        "POST",
        "/payments/v1/accounts:import",
        content=text.getvalue().encode(),
        headers={"Content-Type": "text/csv"},
        expect=202,
    ).json()
    result = screen.job(officer, "payments", answer["job_id"], "taking in accounts")
    screen.say(f"{result['accepted']:,} accounts taken in, {result['rejected']} refused")
    return made


def build_list(screen: Screen, maker: Officer, cycle: Cycle) -> dict[str, Any]:
    """Build the payment list of the cycle, whose entitlements have all arrived."""
    started = time.perf_counter()
    answer = maker.post("/payments/v1/payment-lists", {"cycle_id": cycle.id})
    screen.job(maker, "payments", answer["job_id"], "building and checking the list")
    seconds = time.perf_counter() - started
    made: dict[str, Any] = maker.get(f"/payments/v1/payment-lists/{answer['payment_list_id']}")
    screen.say(
        f"{made['ready_count']:,} payments of {Decimal(made['ready_amount']):,.0f} KHR ready,"
        f" {made['excluded_count']} left out, in {seconds:.1f} s"
    )
    excluded = maker.pages(f"/payments/v1/payment-lists/{made['id']}/lines", status="excluded")
    reasons = Counter(reason for line in excluded for reason in line["reasons"])
    screen.say("left out for: " + ", ".join(f"{reason} {count}" for reason, count in reasons.items()))
    return made


def approve(screen: Screen, maker: Officer, checker: Officer, same_person: Officer, made: dict[str, Any]) -> None:
    """Submit as one officer, approve as another; the same person under another role is refused."""
    path = f"/payments/v1/payment-lists/{made['id']}"
    maker.post(f"{path}:submit")
    body = {"content_hash": made["content_hash"]}
    answer = same_person.request("POST", f"{path}:approve", json=body, expect=403)
    screen.say(f"approval by the maker herself under another role is refused: {answer.json()['code']}")
    checker.post(f"{path}:approve", body)
    screen.say(f"approved by {checker.subject}: exactly the list with hash {made['content_hash'][:16]}...")


def disburse(screen: Screen, platform: Platform, finance: Officer, officer: Officer, made: dict[str, Any]) -> None:
    """Hand the payments to the rails; one call to the operator times out after it was accepted; callbacks are late."""
    control = {"stall": 1, "stall_seconds": 8, "callback_delay_ms": 6000, "callback_copies": 2}
    answer = httpx.put(f"{platform.mobile_money_url}/_control/behaviour", json=control, timeout=10)
    if not answer.is_success:
        raise DemoFailed(f"the simulator refused its behaviour: {answer.text[:200]}")
    job = finance.post(f"/payments/v1/payment-lists/{made['id']}:disburse")["job_id"]
    screen.job(finance, "payments", job, "instructing the rails")
    latest: dict[str, dict[str, Any]] = {}

    def sent() -> tuple[int, int]:
        latest.update({b["id"]: b for b in officer.pages("/payments/v1/batches", payment_list_id=made["id"])})
        waiting = [batch for batch in latest.values() if batch["state"] in {"formed", "submitting", "unknown"}]
        return len(latest) - len(waiting), max(len(latest), 2)

    screen.until("batches go out", sent)
    counts = Counter(f"{batch['rail']} {batch['state']}" for batch in latest.values())
    screen.say("batches: " + ", ".join(f"{state} {count}" for state, count in sorted(counts.items())))
    operator = httpx.get(f"{platform.mobile_money_url}/_control/state", timeout=10).json()
    stalled = control["stall"] - operator["behaviour"]["stall"]
    screen.say(
        f"calls that timed out though the operator had accepted: {stalled}; batches found by asking, none sent again"
        f" ({operator['submissions']} submissions, {operator['resubmissions']} of them repeated)"
    )
    if not stalled or operator["resubmissions"]:
        raise DemoFailed("the time-out did not happen, or its batch was sent again")


def reconcile(screen: Screen, platform: Platform, bank: Bank, officer: Officer, made: dict[str, Any]) -> Counter[str]:
    """Let days pass at the bank and callbacks come in until every payment has its outcome."""
    total = made["ready_count"]

    def outcomes() -> Counter[str]:
        summary = officer.get("/payments/v1/summary")
        return Counter({row["status"]: row["count"] for row in summary["states"] if row["status"] != "excluded"})

    bank.next_days(1)
    officer.post("/payments/v1/rails:poll")
    bank.next_days(3)
    officer.post("/payments/v1/rails:poll")

    def files() -> Counter[str]:
        return Counter(file["kind"] for file in officer.pages("/payments/v1/reconciliation/files"))

    def look() -> tuple[int, int]:
        stated = int("camt.053" in files())
        return _final(outcomes()) + stated, total + 1

    screen.until("pain.002, camt.054, camt.053 and callbacks are matched", look)
    counts = outcomes()
    screen.say(", ".join(f"{status} {count:,}" for status, count in sorted(counts.items())))
    screen.say("documents read: " + ", ".join(f"{kind} {count}" for kind, count in sorted(files().items())))
    operator = httpx.get(f"{platform.mobile_money_url}/_control/state", timeout=10).json()
    taken = operator["callbacks"].get("204", 0)
    screen.say(f"the operator's late callbacks, each sent twice: {taken} taken; paid twice: {operator['paid_twice']}")
    if operator["paid_twice"]:
        raise DemoFailed("the operator paid somebody twice")
    breaks = Counter(found["kind"] for found in officer.pages("/payments/v1/reconciliation/breaks"))
    screen.say("breaks: " + (", ".join(f"{kind} {count}" for kind, count in breaks.items()) or "none"))
    return counts


def _final(counts: Counter[str]) -> int:
    return sum(count for status, count in counts.items() if status in FINAL)
