"""Advice, proof and yearly statement: what a family holds in its hand says what was decided and paid, no more."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.advice import words as say
from services.payments.advice.document import render
from services.payments.advice.make_advice import grouped
from services.payments.advice.paper import Grid, Paper, Row
from services.payments.instructions.outcomes import Outcome, apply_outcomes
from services.payments.tests.builders import CORE, PROGRAMME, SETTINGS, VILLAGES, Cycle, Grant, Office
from shared.contracts.eligibility import EntitlementLine, ProgrammePublished, ProgrammeText
from shared.tables import audit_entry
from shared.testing.plugin import MakeService

PAID_ON = date(2020, 7, 28)


def published(version: int = 1) -> ProgrammePublished:
    return ProgrammePublished(
        version=version,
        programme_code=PROGRAMME,
        programme_version=1,
        unit="household",
        name_km="កម្មវិធីសាកល្បង",
        name_en="Trial programme",
        funding_line="social-transfers",
        currency="KHR",
        valid_from=date(2020, 1, 1),
        clauses=(),
        components=(ProgrammeText(code="base", km="ទឹកប្រាក់គោល", en="Base amount"),),
    )


@pytest.fixture
async def office(make_service: MakeService) -> Office:
    return Office(await make_service(CORE, **SETTINGS))


async def paid(office: Office, cycle: Cycle, kind: str = "settled") -> str:
    """Pays a cycle of one; the payment's id."""
    await office.pay(cycle)
    (attempt,) = await office.send()
    await outcome(office, attempt.id, kind)
    return str(attempt.payment_id)


async def outcome(office: Office, attempt_id, kind: str) -> None:
    async with office.service.database.session() as session:
        await apply_outcomes(session, [Outcome(attempt_id, kind, PAID_ON, "camt.054", "MSG-1", "AC06", "blocked")])


def one() -> Cycle:
    return Cycle([Grant(uuid4(), VILLAGES[0], Decimal(592_000))])


async def test_an_advice_says_what_is_paid_by_component_to_whom_and_until_when(office: Office) -> None:
    cycle = one()
    (entitlement,) = cycle.entitlements()
    lines = (
        EntitlementLine(component="base", quantity=1, rate=Decimal(600_000), amount=Decimal(600_000)),
        EntitlementLine(
            component="base",
            quantity=1,
            rate=Decimal(8_000),
            amount=Decimal(8_000),
            kind="recovery",
            for_period="2020-06",
        ),
    )
    await office.service.deliver(published())
    cycle_events = [entitlement.model_copy(update={"lines": lines})]
    cycle.entitlements = lambda: cycle_events  # type: ignore[method-assign]
    await office.pay(cycle)

    advice = await office.get(f"/payments/{cycle.payment()}/advice")

    assert advice["programme"] == {"km": "កម្មវិធីសាកល្បង", "en": "Trial programme"}
    assert [(line["words"]["en"], line["amount"]) for line in advice["lines"]] == [
        ("Base amount", "600000"),
        ("Base amount · Taken off: paid too much before 2020-06", "-8000"),
    ]
    assert (advice["amount"], advice["currency"]) == ("592000", "KHR")
    assert advice["holder_name"] == "Sok Dara 0"
    assert advice["account"] == "wing •••000"
    assert (advice["collect_from"], advice["collect_until"]) == ("2020-07-25", "2020-08-24")
    assert advice["status_words"]["en"] == "Sent to the bank or operator"


async def test_a_look_at_a_paper_is_audited_and_limited_to_the_area(office: Office) -> None:
    cycle = one()
    await office.pay(cycle)
    path = f"/payments/{cycle.payment()}/advice"

    mine = office.service.token("commune_officer", areas=(VILLAGES[0][:6],), subject="clerk-7")
    other = office.service.token("commune_officer", areas=("2501",))

    assert (await office.get(path, mine))["holder_name"]
    assert (await office.get(path, other, 404))["code"] == "payment_not_found"
    async with office.service.database.session() as session:
        rows = (await session.execute(audit_entry.select().where(audit_entry.c.action == "payment.advice"))).all()
    assert [row.actor for row in rows] == ["clerk-7"]


async def test_a_proof_is_given_once_the_money_arrived_and_its_code_can_be_checked(office: Office) -> None:
    cycle = one()
    await office.pay(cycle)
    path = f"/payments/{cycle.payment()}/proof"
    early = await office.get(path, None, 409)
    assert early["code"] == "not_paid"
    (attempt,) = await office.send()
    await outcome(office, attempt.id, "settled")

    proof = await office.get(path)

    assert (proof["paid_on"], proof["confirmed_by"], proof["confirmation_reference"]) == (
        "2020-07-28",
        "camt.054",
        "MSG-1",
    )
    body = {"payment_id": str(cycle.payment()), "check_code": proof["check_code"]}
    genuine = (await office.post("/proofs:check", office.maker, body, 200)).json()
    assert (genuine["genuine"], genuine["amount"]) == (True, "592000")
    forged = {**body, "check_code": proof["check_code"][:-1] + ("A" if proof["check_code"][-1] != "A" else "B")}
    assert (await office.post("/proofs:check", office.maker, forged, 200)).json()["genuine"] is False
    unknown = {**body, "payment_id": str(uuid4())}
    assert (await office.post("/proofs:check", office.maker, unknown, 200)).json()["genuine"] is False


async def test_a_proof_of_money_that_came_back_is_no_longer_genuine(office: Office) -> None:
    cycle = one()
    await paid(office, cycle)
    proof = await office.get(f"/payments/{cycle.payment()}/proof")
    (attempt,) = await office.attempts()
    await outcome(office, attempt.id, "returned")

    body = {"payment_id": str(cycle.payment()), "check_code": proof["check_code"]}
    assert (await office.post("/proofs:check", office.maker, body, 200)).json()["genuine"] is False
    assert (await office.get(f"/payments/{cycle.payment()}/proof", None, 409))["code"] == "not_paid"


async def test_a_yearly_statement_adds_up_what_was_paid_in_that_year(office: Office) -> None:
    cycle = one()
    await paid(office, cycle)
    beneficiary = cycle.granted[0].beneficiary_id

    year = await office.get(f"/beneficiaries/{beneficiary}/statements/2020")
    before = await office.get(f"/beneficiaries/{beneficiary}/statements/2019")

    assert year["totals"] == [{"currency": "KHR", "count": 1, "amount": "592000"}]
    assert [line["paid_on"] for line in year["lines"]] == ["2020-07-28"]
    assert (before["lines"], before["totals"]) == ([], [])
    unknown = await office.get(f"/beneficiaries/{uuid4()}/statements/2020", None, 404)
    assert unknown["code"] == "beneficiary_not_found"


@pytest.mark.parametrize("what", ["advice.pdf", "proof.pdf", "statement"])
async def test_each_paper_can_be_printed(office: Office, what: str) -> None:
    cycle = one()
    await paid(office, cycle)
    beneficiary = cycle.granted[0].beneficiary_id
    path = (
        f"/beneficiaries/{beneficiary}/statements/2020/pdf"
        if what == "statement"
        else f"/payments/{cycle.payment()}/{what}"
    )

    answer = await office.service.http.get(f"/payments/v1{path}", headers=office.maker)

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content.startswith(b"%PDF-")


def test_a_paper_carries_its_khmer_font_in_both_weights() -> None:
    grid = Grid((say.COMPONENT, say.AMOUNT), (("ទឹកប្រាក់", "1"),), (60, 40), frozenset({1}), True)
    content = render(Paper(say.TITLE_ADVICE, (Row(say.REFERENCE, "PM-1"),), grid, (say.NOTE_ADVICE,)))
    assert content.count(b"/FontFile2") == 2
    assert b"NotoSansKhmer" in content


@given(st.decimals(min_value=0, max_value=10**12, places=2, allow_nan=False))
def test_a_printed_amount_reads_back_as_itself(amount: Decimal) -> None:
    assert Decimal(grouped(amount).replace(",", "")) == amount
