"""Steps of officers in a small country: register, enrol, run a cycle, pay, and let a rail say what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

import services.eligibility
from services.payments.instructions.outcomes import Outcome, apply_outcomes
from services.payments.tests.builders import Office, account_csv
from services.registry.tests.building import file_of
from shared.contracts.eligibility import EntitlementGranted
from tests.flows.country import Country

PROGRAMME: Final = "KH-CTP-COVID"
PROGRAMME_FILE: Final = Path(services.eligibility.__file__).parent / "packs" / "kh" / f"{PROGRAMME}.yaml"
PERIOD: Final = "2020-07"
CARDS = text("SELECT id, household_ref FROM household")


@dataclass(frozen=True)
class Cycle:
    """A closed cycle: beneficiary -> what she is owed."""

    id: str
    owed: dict[UUID, Decimal]


async def register(country: Country, *lines: dict[str, str]) -> dict[str, UUID]:
    """Import households; the commune's number -> id."""
    answer = await country.call(
        "POST",
        "/registry/v1/household-imports",
        "commune_officer",
        status=202,
        content=file_of(*lines).encode(),
        headers={"Content-Type": "text/csv"},
    )
    await country.settle()
    done = await country.call("GET", f"/registry/v1/household-imports/{answer['import_id']}", "registry_officer")
    assert done["rejected_households"] == 0, done
    async with country.services["registry"].database.session() as session:
        return {row.household_ref: row.id for row in await session.execute(CARDS)}


async def publish_programme(country: Country) -> None:
    """Take the programme file in and publish it."""
    made = await country.call(
        "POST",
        "/eligibility/v1/programmes",
        "programme_officer",
        status=201,
        content=PROGRAMME_FILE.read_bytes(),
        headers={"Content-Type": "application/yaml"},
    )
    path = f"/eligibility/v1/programmes/{PROGRAMME}/versions/{made['version']}:publish"
    await country.call("POST", path, "programme_officer", subject="programme-officer-2")
    await country.settle()


async def enrol(country: Country, on: str = "2020-07-01") -> None:
    """Decide about everybody, and enrol those who qualify."""
    path = f"/eligibility/v1/programmes/{PROGRAMME}:enrol"
    await country.call("POST", path, "programme_officer", status=202, json={"effective_on": on})
    await country.settle()


async def run_cycle(country: Country, period: str = PERIOD) -> Cycle:
    """Open, compute and close a cycle."""
    body = {"programme_code": PROGRAMME, "period": period}
    opened = await country.call("POST", "/eligibility/v1/cycles", "programme_officer", status=201, json=body)
    path = f"/eligibility/v1/cycles/{opened['id']}"
    await country.call("POST", f"{path}:compute", "programme_officer", status=202)
    await country.settle()
    computed = await country.call("GET", path, "programme_officer")
    seen = {
        "expected_count": computed["count"],
        "expected_amount": computed["amount"],
        "comparison_hash": computed["comparison_hash"],
    }
    await country.call("POST", f"{path}:close", "programme_officer", status=202, json=seen)
    events = await country.settle()
    owed = {event.beneficiary_id: event.amount for event in events if isinstance(event, EntitlementGranted)}
    return Cycle(opened["id"], owed)


async def pay(country: Country, cycle: Cycle, *, accounts: bool = True) -> Sequence[Any]:
    """Accounts, fund, list, approval, disbursement; attempts that a rail has been sent, in the order of their ids."""
    office = Office(country.services["payments"])
    if accounts:
        await office.import_accounts(account_csv(sorted(cycle.owed)))
        body = {"code": "TREASURY", "currency": "KHR", "programme_lines": [PROGRAMME], "allotment": "1000000000"}
        await office.post("/funds", office.releaser, body, 201)
    answer = await office.post("/payment-lists", office.maker, {"cycle_id": cycle.id}, 202)
    await country.settle()
    made = await office.get(f"/payment-lists/{answer.json()['payment_list_id']}")
    await office.approve(made)
    await office.disburse(made)
    attempts = await office.send()
    await country.settle()
    return attempts


async def rail_says(country: Country, kind: str, *attempts: Any, on: date = date(2020, 7, 28)) -> None:
    """What a rail tells of attempts; everybody hears of it."""
    outcomes = [Outcome(attempt.id, kind, on, "camt.054", "MSG", "AC04", "closed account") for attempt in attempts]
    async with country.services["payments"].database.session() as session:
        await apply_outcomes(session, outcomes)
    await country.settle()
