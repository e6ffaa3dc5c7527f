"""Why was I not paid? One call, in order, in words of both languages, within the asker's rights; and remedies, and
expiry.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from services.payments.explanations.model import ORDER
from services.payments.explanations.words import WORDS
from services.payments.instructions.outcomes import Outcome, apply_outcomes
from services.payments.lists.model import LineReason
from services.payments.tests.builders import CORE, PROGRAMME, SETTINGS, VILLAGES, Cycle, Office, account_csv, grants
from services.payments.tests.test_month import TODAY
from shared.contracts.eligibility import DecisionMade, EnrolmentEnded, FactValue, ProgrammePublished, ProgrammeText
from shared.contracts.grievance import CaseOpened, RemedyRequested
from shared.contracts.payments import PaymentExpired, RemedyAnswered
from shared.testing.plugin import MakeService


def published() -> ProgrammePublished:
    return ProgrammePublished(
        version=1,
        programme_code=PROGRAMME,
        programme_version=1,
        unit="household",
        name_km="កម្មវិធីឧបត្ថម្ភ",
        name_en="Cash transfer",
        funding_line="social-transfers",
        currency="KHR",
        valid_from=date(2020, 6, 1),
        clauses=(ProgrammeText(code="valid_card", km="បណ្ណផុតកំណត់។", en="Your equity card has expired."),),
        components=(ProgrammeText(code="monthly_transfer", km="ប្រចាំខែ", en="Monthly transfer"),),
    )


def decided(beneficiary: Any, village: str, *, eligible: bool = True, on: date = date(2020, 7, 1)) -> DecisionMade:
    return DecisionMade(
        version=1,
        decision_id=uuid4(),
        programme_code=PROGRAMME,
        programme_version=1,
        beneficiary_id=beneficiary,
        beneficiary_reference="HH-00000000-0",
        village_code=village,
        decided_on=on,
        eligible=eligible,
        failed_clauses=() if eligible else ("valid_card",),
        facts=(FactValue(name="poverty_level", value="1"), FactValue(name="members_with_hiv", value="1")),
        facts_hash="a" * 64,
    )


async def why(office: Office, beneficiary: Any, who: Any = None, status: int = 200) -> Any:
    path = f"/beneficiaries/{beneficiary}/why?programme={PROGRAMME}&period=2020-07"
    return await office.get(path, who or office.service.token("grievance_officer", subject="hotline-1"), status)


def test_there_are_words_in_both_languages_for_every_reason_a_check_can_give() -> None:
    assert {reason.value for reason in LineReason} <= set(WORDS)
    for code, (km, en) in WORDS.items():
        assert any("\u1780" <= sign <= "\u17ff" for sign in km), code
        assert en.isascii(), code


async def test_every_stage_is_told_in_order_up_to_the_banks_line_and_the_case(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(2))
    person = cycle.granted[0].beneficiary_id
    await office.service.deliver(published(), decided(person, cycle.granted[0].village_code))
    await office.pay(cycle)
    waiting = await why(office, person)
    assert waiting["conclusion"]["code"] == "queued"
    by_payment = {item.payment_id: item for item in await office.send()}
    attempt = by_payment[cycle.payment(0)]
    async with office.service.database.session() as session:
        await apply_outcomes(
            session, [Outcome(attempt.id, "failed", TODAY, "pain.002", "M-9", "AC04", "closed account")]
        )
    await office.service.deliver(
        CaseOpened(
            version=1, case_id=uuid4(), reference="C-1", category="payment", subject_type="payment",
            subject_id=cycle.payment(0), place_code=VILLAGES[0], channel="hotline", due_on=date(2020, 8, 1),
        )
    )  # fmt: skip
    answer = await why(office, person)
    assert [stage["stage"] for stage in answer["stages"]] == list(ORDER)
    assert (answer["conclusion"]["code"], answer["programme_en"]) == ("failed", "Cash transfer")
    line = answer["stages"][8]["detail"]
    assert (line["reason_code"], line["reason"], line["told_by"]) == ("AC04", "closed account", "pain.002")
    entitlement = answer["stages"][4]["detail"]
    assert (entitlement["component_en"], entitlement["amount"]) == ("Monthly transfer", "100000")
    assert answer["stages"][9]["detail"]["cases"][0]["reference"] == "C-1"
    assert all(stage["km"] and stage["en"] for stage in answer["stages"])
    other = (await why(office, cycle.granted[1].beneficiary_id))["conclusion"]
    assert (other["code"], other["state"]) == ("no_bank_line", "waiting")


async def test_each_place_where_the_way_ends_is_the_conclusion(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(4))
    people = [grant.beneficiary_id for grant in cycle.granted]
    village = cycle.granted[0].village_code
    stranger = uuid4()
    await why(office, stranger, status=404)
    await office.service.deliver(published(), decided(stranger, village, eligible=False))
    refused = (await why(office, stranger))["conclusion"]
    assert (refused["stage"], refused["en"], refused["km"]) == ("rules", "Your equity card has expired.", "បណ្ណផុតកំណត់។")
    enrolled = cycle.enrolments()
    await office.service.deliver(*enrolled)
    assert (await why(office, people[0]))["conclusion"]["code"] == "not_entitled"
    fields = enrolled[1].model_dump() | {"version": 2, "cause": "moved", "effective_on": date(2020, 7, 1)}
    await office.service.deliver(EnrolmentEnded(**fields))
    assert (await why(office, people[1]))["conclusion"]["code"] == "enrolment_ended"
    await office.service.deliver(*cycle.entitlements(), cycle.closed())
    assert (await why(office, people[0]))["conclusion"]["code"] == "not_listed"
    await office.import_accounts(account_csv(people[1:]))
    await office.open_fund()
    built = await office.build(cycle)
    assert (await why(office, people[0]))["conclusion"]["code"] == "no_account"
    assert (await why(office, people[2]))["conclusion"]["code"] == "awaiting_approval"
    await office.approve(built)
    assert (await why(office, people[2]))["conclusion"]["code"] == "awaiting_release"
    await office.disburse(built)
    async with office.service.database.session() as session:
        told = [Outcome(item.id, "settled", TODAY, "camt.054", "M") for item in await office.send()]
        await apply_outcomes(session, told)
    assert (await why(office, people[2]))["conclusion"]["code"] == "paid"


async def test_the_answer_is_limited_by_area_and_role(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(1))
    person = cycle.granted[0].beneficiary_id
    await office.service.deliver(published(), decided(person, VILLAGES[0]), *cycle.enrolments())
    token = office.service.token
    await why(office, person, token("commune_officer", areas=("99",)), 404)
    await why(office, person, token("registry_officer"), 403)
    clerk = await why(office, person, token("commune_officer", areas=(VILLAGES[0][:6],)))
    facts = clerk["stages"][1]["detail"]
    assert ([fact["name"] for fact in facts["facts"]], facts["withheld"]) == (["poverty_level"], 1)
    payer = await why(office, person, token("payment_officer"))
    assert (payer["stages"][1]["code"], "facts" in payer["stages"][1]["detail"]) == ("facts_withheld", False)
    programme = await why(office, person, token("programme_officer"))
    assert len(programme["stages"][1]["detail"]["facts"]) == 2
    async with office.service.database.session() as session:
        looks = "SELECT count(*) FROM audit_entry WHERE action = 'payment.explain'"
        assert (await session.execute(text(looks))).scalar_one() == 3


async def test_a_remedy_is_refused_or_waits_and_is_done_by_an_officer_who_did_not_ask_for_it(
    make_service: MakeService,
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(2))
    await office.pay(cycle)
    by_payment = {item.payment_id: item for item in await office.send()}
    async with office.service.database.session() as session:
        first, second = (by_payment[cycle.payment(n)].id for n in range(2))
        told = [Outcome(first, "failed", TODAY, "x", "M", "AC04"), Outcome(second, "settled", TODAY, "x", "M")]
        await apply_outcomes(session, told)
    await office.service.outbox()

    def ask(payment: Any, kind: str = "reissue_payment") -> RemedyRequested:
        return RemedyRequested(
            version=1, remedy_id=uuid4(), case_id=uuid4(), case_reference="C-1", kind=kind,  # type: ignore[arg-type]
            payment_id=payment, requested_by="maker-1",
        )  # fmt: skip

    asked = [ask(cycle.payment(0)), ask(cycle.payment(1)), ask(uuid4()), ask(None, "redecide")]
    await office.service.deliver(*asked)
    await office.service.deliver(*asked)
    answers = {event.remedy_id: event for event in await office.service.outbox() if isinstance(event, RemedyAnswered)}
    assert [(answers[item.remedy_id].outcome, answers[item.remedy_id].reason_code) for item in asked[:3]] == [
        ("waiting", "officer_must_reissue"),
        ("refused", "payment_already_settled"),
        ("refused", "payment_unknown"),
    ]
    assert asked[3].remedy_id not in answers
    path = f"/payments/{cycle.payment(0)}:reissue"
    own = await office.post(path, office.maker, {"same_account": True}, 403)
    assert own.json()["code"] == "same_person"
    other = office.service.token("payment_officer", subject="officer-2")
    await office.post(path, other, {"same_account": True}, 200)
    (done,) = [event for event in await office.service.outbox() if isinstance(event, RemedyAnswered)]
    assert (done.remedy_id, done.outcome, done.result_id, done.version) == (
        asked[0].remedy_id, "done", cycle.payment(0), 2,
    )  # fmt: skip


async def test_fault_14_uncollected_money_expires_returns_to_the_fund_is_counted_and_reissued(
    make_service: MakeService,
) -> None:
    office = Office(await make_service(CORE, **SETTINGS, collected_rails=["mobile_money"]))
    cycle = Cycle(grants(3))
    await office.pay(cycle)
    attempts = await office.send()
    async with office.service.database.session() as session:
        told: list[Any] = [Outcome(item.id, "accepted", TODAY, "callback", "M") for item in attempts]
        await apply_outcomes(session, [*told, Outcome(attempts[0].id, "settled", TODAY, "callback", "M")])
        await session.execute(text("UPDATE payment_attempt SET created_at = '2020-07-28'"))
        await session.execute(
            text("UPDATE payment_attempt SET state = 'unknown' WHERE id = :id"), {"id": attempts[1].id}
        )
    await office.service.outbox()
    before = await _available(office)
    for days, expired in ((54, 0), (4, 1), (1, 0)):  # the window closes on 24 August; three days of grace follow
        office.service.clock.advance(timedelta(days=days))
        await _expire(office)
        told_now = [event for event in await office.service.outbox() if isinstance(event, PaymentExpired)]
        assert len(told_now) == expired, days
    office = Office(office.service)
    assert await _available(office) == before + attempts[2].amount
    summary = {state["status"]: state["count"] for state in (await office.get("/summary"))["states"]}
    assert summary == {"expired": 1, "settled": 1, "instructed": 1}
    listed = await office.get("/payments?status=expired")
    assert [item["id"] for item in listed["items"]] == [str(attempts[2].payment_id)]
    await office.post(f"/payments/{attempts[2].payment_id}:reissue", office.maker, {"same_account": True}, 200)


async def _available(office: Office) -> Any:
    return (await Office(office.service).balances())["available"]


async def _expire(office: Office) -> None:
    from services.payments.instructions.expire_payments import schedule_expiry

    await schedule_expiry(office.service.context)
    await office.service.run_jobs()
