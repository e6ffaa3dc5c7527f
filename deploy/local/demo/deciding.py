"""Eligibility's part: publish the programme from its file, enrol, compute and close the cycle of one month."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from deploy.local.demo.client import DemoFailed, Officer, Screen
from deploy.local.home import PROJECT

CODE = "KH-CTP-COVID"
PROGRAMME_FILE = Path("services/eligibility/packs/kh") / f"{CODE}.yaml"


@dataclass
class Cycle:
    """A closed cycle and its control totals."""

    id: str
    count: int
    amount: Decimal
    funding_line: str


def publish_programme(screen: Screen, officer: Officer) -> None:
    """Take the programme file in and publish it."""
    made = officer.request(
        "POST",
        "/eligibility/v1/programmes",
        content=(PROJECT / PROGRAMME_FILE).read_bytes(),
        headers={"Content-Type": "application/yaml"},
        expect=201,
    ).json()
    officer.post(f"/eligibility/v1/programmes/{CODE}/versions/{made['version']}:publish")
    screen.say(f"{CODE} version {made['version']} published from {PROGRAMME_FILE}")


def enrol(screen: Screen, officer: Officer, effective_on: date) -> int:
    """Decide about every household and enrol those who qualify."""
    started = time.perf_counter()
    answer = officer.post(f"/eligibility/v1/programmes/{CODE}:enrol", {"effective_on": effective_on.isoformat()})
    result = screen.job(officer, "eligibility", answer["job_id"], "deciding and enrolling")
    seconds = time.perf_counter() - started
    screen.say(
        f"{result['households']:,} households judged, {result['newly_enrolled']:,} enrolled, in {seconds:.1f} s;"
        " why, for one of them:"
    )
    enrolment = next(officer.pages(f"/eligibility/v1/programmes/{CODE}/enrolments", limit=1))
    decision = officer.get(f"/eligibility/v1/decisions/{enrolment['decision_id']}")
    for clause in decision["clauses"]:
        met = "holds" if clause["holds"] else "fails"
        screen.say(f"  {clause['id']} {met}: {clause['reason']['km']} {clause['reason']['en']}")
    return int(result["newly_enrolled"])


def run_cycle(screen: Screen, officer: Officer, period: str) -> Cycle:
    """Open, compute and close the cycle of a month."""
    opened = officer.post("/eligibility/v1/cycles", {"programme_code": CODE, "period": period})
    refused = officer.request(
        "POST", "/eligibility/v1/cycles", json={"programme_code": CODE, "period": period}, expect=409
    )
    screen.say(f"cycle {period} opened; opening it again is refused: {refused.json()['code']}")
    path = f"/eligibility/v1/cycles/{opened['id']}"
    screen.job(officer, "eligibility", officer.post(f"{path}:compute")["job_id"], "computing entitlements")
    computed = officer.get(path)
    screen.say(f"{computed['count']:,} entitlements, {Decimal(computed['amount']):,.0f} KHR")
    for total in computed["totals"]:
        amount = Decimal(total["amount"])
        screen.say(f"  province {total['province_code']}, {total['component']}: {total['count']:,}, {amount:,.0f} KHR")
    body = {
        "expected_count": computed["count"],
        "expected_amount": computed["amount"],
        "comparison_hash": computed["comparison_hash"],
    }
    screen.job(officer, "eligibility", officer.post(f"{path}:close", body)["job_id"], "closing with control totals")
    closed = officer.get(path)
    if closed["state"] != "closed" or closed["content_hash"] != computed["content_hash"]:
        raise DemoFailed(f"the cycle is {closed['state']}, and its hash must not change by closing")
    screen.say(f"closed, content hash {closed['content_hash'][:16]}...")
    return Cycle(opened["id"], closed["count"], Decimal(closed["amount"]), closed["funding_line"])
