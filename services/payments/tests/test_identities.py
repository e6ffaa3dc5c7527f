"""Two records of one person: her account, her claim and her answer follow the one that survives; she is paid once."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from services.payments.identities.on_identity_changed import forget_identities
from services.payments.identities.repository import same_as
from services.payments.instructions.outcomes import Outcome, apply_outcomes
from services.payments.rails.form_batches import form_batches
from services.payments.tests.builders import CORE, PROGRAMME, SETTINGS, Cycle, Grant, Office, account_csv
from services.payments.tests.test_month import TODAY
from shared.contracts.payments import PaymentFailed
from shared.contracts.registry import IdentityMerged, IdentityRestored, LifeEventRecorded
from shared.testing.plugin import MakeService


def merged(retired: UUID, surviving: UUID, version: int = 1) -> IdentityMerged:
    return IdentityMerged(version=version, kind="person", retired_id=retired, surviving_id=surviving, merge_id=uuid4())


def restored(retired: UUID, surviving: UUID, version: int = 2) -> IdentityRestored:
    return IdentityRestored(
        version=version, kind="person", retired_id=retired, surviving_id=surviving, merge_id=uuid4()
    )


async def group(office: Office, person: UUID) -> list[UUID]:
    async with office.service.database.session() as session:
        return await same_as(session, person)


async def lines(office: Office, built: dict[str, Any]) -> dict[str, Any]:
    found = (await office.get(f"/payment-lists/{built['id']}/lines?limit=500"))["items"]
    return {line["beneficiary_id"]: line for line in found}


async def arrive(office: Office, cycle: Cycle, accounts: list[UUID]) -> None:
    """The cycle's events, a fund, and accounts for these people only."""
    await office.service.deliver(*cycle.enrolments(), *cycle.entitlements(), cycle.closed())
    await office.import_accounts(account_csv(accounts))
    await office.open_fund()


async def why(office: Office, beneficiary: UUID) -> Any:
    who = office.service.token("grievance_officer", subject="hotline-1")
    return await office.get(f"/beneficiaries/{beneficiary}/why?programme={PROGRAMME}&period=2020-07", who)


async def test_merges_chain_and_are_undone_and_the_order_of_their_arrival_does_not_matter(
    make_service: MakeService,
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    a, b, c, d = (uuid4() for _ in range(4))
    assert await group(office, a) == [a]
    await office.service.deliver(merged(a, b), merged(d, b))
    assert (await group(office, a), len(await group(office, d))) == ([b, *sorted((a, d))], 3)
    await office.service.deliver(merged(b, c))
    assert await group(office, a) == [c, *sorted((a, b, d))] == await group(office, c)
    await office.service.deliver(restored(b, c))
    assert (await group(office, c), await group(office, d)) == ([c], [b, *sorted((a, d))])
    await office.service.deliver(restored(a, b, 4))
    await office.service.deliver(merged(a, b, 3))
    assert (await group(office, a), await group(office, b)) == ([a], [b, d])
    await office.service.deliver(merged(a, c, 5))
    assert await group(office, c) == [c, a]
    async with office.service.database.session() as session:
        await forget_identities(office.service.context, session)
    assert await group(office, c) == [c]


def expected_groups(events: list[IdentityMerged | IdentityRestored]) -> dict[UUID, set[UUID]]:
    """The plain way: the newest word on each retired record, then everything that is linked is one."""
    newest = {event.retired_id: event for event in sorted(events, key=lambda event: event.version)}
    groups: dict[UUID, set[UUID]] = {}
    for event in events:
        for one in (event.retired_id, event.surviving_id):
            groups.setdefault(one, {one})
    for event in newest.values():
        if isinstance(event, IdentityMerged):
            joined = groups[event.retired_id] | groups[event.surviving_id]
            groups |= dict.fromkeys(joined, joined)
    return groups


@pytest.mark.parametrize("seed", range(4))
async def test_groups_are_those_of_the_newest_words_whatever_the_order_and_the_batches(
    make_service: MakeService, seed: int
) -> None:
    chance = random.Random(seed)
    office = Office(await make_service(CORE, **SETTINGS))
    people = [uuid4() for _ in range(14)]
    events: list[IdentityMerged | IdentityRestored] = []
    for version in range(1, 40):
        into, retired = sorted(chance.sample(range(len(people)), 2))
        kind = restored if chance.random() < 0.3 else merged
        events.append(kind(people[retired], people[into], version))
    chance.shuffle(events)
    while_arriving = list(events)
    while while_arriving:
        size = chance.randint(1, 9)
        batch, while_arriving = while_arriving[:size], while_arriving[size:]
        await office.service.deliver(*batch)
    expected = expected_groups(events)
    alive = {event.retired_id: event for event in sorted(events, key=lambda event: event.version)}
    for person, members in expected.items():
        found = await group(office, person)
        assert set(found) == members
        survivor = alive.get(found[0])
        assert survivor is None or isinstance(survivor, IdentityRestored)


async def test_the_account_of_a_retired_record_serves_the_survivor_who_has_none_until_the_merge_is_undone(
    make_service: MakeService,
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    old, new = uuid4(), uuid4()
    cycle = Cycle([Grant(new), Grant(uuid4())])
    await office.service.deliver(*Cycle([Grant(old)], period="2020-06").enrolments())
    await arrive(office, cycle, [old, cycle.granted[1].beneficiary_id])
    await office.service.deliver(merged(old, new))
    built = await office.build(cycle)
    line = (await lines(office, built))[str(new)]
    assert (line["status"], line["rail"], built["ready_count"]) == ("ready", "mobile_money", 2)
    (account,) = await office.get(f"/beneficiaries/{new}/accounts")
    assert account["beneficiary_id"] == str(old)
    approved = await office.approve(built)
    await office.service.deliver(restored(old, new))
    await office.disburse(approved)
    attempt = next(item for item in await office.attempts() if item.payment_id == cycle.payment())
    assert (attempt.state, attempt.reason_code) == ("failed", "merged_identity")
    assert await office.get(f"/beneficiaries/{new}/accounts") == []
    assert (await office.self_check())["items"] == []


async def test_the_survivors_own_account_goes_before_a_retired_ones_purpose_by_purpose(
    make_service: MakeService,
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    old, new = uuid4(), uuid4()
    cycle = Cycle([Grant(new), Grant(old, component="child")])
    await arrive(office, cycle, [old, new])
    await office.service.deliver(merged(old, new))
    own = (await lines(office, await office.build(cycle)))[str(old)]["account_id"]
    accounts = await office.get(f"/beneficiaries/{new}/accounts")
    assert own == next(account["id"] for account in accounts if account["beneficiary_id"] == str(new))


async def test_two_records_of_one_person_are_not_both_put_on_a_list(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    old, new, other = uuid4(), uuid4(), uuid4()
    cycle = Cycle([Grant(old), Grant(new), Grant(other), Grant(old, component="child")])
    await arrive(office, cycle, [old, new, other])
    await office.service.deliver(merged(old, new))
    built = await office.build(cycle)
    found = (await office.get(f"/payment-lists/{built['id']}/lines?limit=500"))["items"]
    by_grant = {(line["beneficiary_id"], line["component"]): line["reasons"] for line in found}
    assert by_grant == {
        (str(old), "monthly_transfer"): ["merged_identity"],
        (str(new), "monthly_transfer"): [],
        (str(other), "monthly_transfer"): [],
        (str(old), "child"): [],
    }
    assert (built["ready_count"], built["excluded_count"]) == (3, 1)


async def test_who_was_paid_under_one_record_is_not_paid_again_under_the_other(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    old, new = uuid4(), uuid4()
    await office.pay(Cycle([Grant(old)]))
    await office.service.deliver(merged(old, new))
    second = Cycle([Grant(new)])
    await office.service.deliver(*second.enrolments(), *second.entitlements(), second.closed())
    built = await office.build(second)
    assert (await lines(office, built))[str(new)]["reasons"] == ["already_paid"]


async def test_a_merge_after_the_approval_stops_one_of_the_two_and_it_cannot_be_issued_again(
    make_service: MakeService,
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    old, new = uuid4(), uuid4()
    cycle = Cycle([Grant(old), Grant(new), *(Grant(uuid4()) for _ in range(9))])
    await office.prepare(cycle)
    approved = await office.approve(await office.build(cycle))
    await office.service.deliver(merged(old, new))
    await office.disburse(approved)
    attempts = {item.payment_id: item for item in await office.send()}
    assert (attempts[cycle.payment(0)].state, attempts[cycle.payment(0)].reason_code) == ("failed", "merged_identity")
    assert attempts[cycle.payment(1)].state == "sent"
    body = {"same_account": True, "reason": "she asks for it"}
    refused = await office.post(f"/payments/{cycle.payment(0)}:reissue", office.maker, body, 409)
    assert (refused.json()["code"], refused.json()["payment_id"]) == ("not_reissuable", str(cycle.payment(1)))
    assert (await office.self_check())["items"] == []
    balances = await office.balances()
    assert balances["in_transit"] == 592_000 * 10


async def released(make_service: MakeService) -> tuple[Office, Cycle, UUID, UUID]:
    """Two records on one list, both instructed, nothing handed to a rail."""
    office = Office(await make_service(CORE, **SETTINGS))
    old, new = uuid4(), uuid4()
    cycle = Cycle([Grant(old), Grant(new), Grant(uuid4())])
    await office.pay(cycle)
    return office, cycle, old, new


async def by_payment(office: Office) -> dict[UUID, Any]:
    return {item.payment_id: item for item in await office.attempts()}


async def test_a_merge_after_the_release_stops_the_retired_records_payment_before_a_rail_sees_it(
    make_service: MakeService,
) -> None:
    office, cycle, old, new = await released(make_service)
    await office.service.deliver(merged(old, new))
    attempts = await by_payment(office)
    assert (attempts[cycle.payment(0)].state, attempts[cycle.payment(0)].reason_code) == ("failed", "merged_identity")
    assert [attempts[cycle.payment(n)].state for n in (1, 2)] == ["queued", "queued"]
    assert (await office.balances())["in_transit"] == 592_000 * 2
    body = {"same_account": True, "reason": "she asks for it"}
    refused = await office.post(f"/payments/{cycle.payment(0)}:reissue", office.maker, body, 409)
    assert refused.json()["code"] == "not_reissuable"
    assert (await office.self_check())["items"] == []
    told = [event for event in await office.service.outbox() if isinstance(event, PaymentFailed)]
    assert [(event.payment_id, event.reason_code) for event in told] == [(cycle.payment(0), "merged_identity")]


async def test_of_two_merged_records_the_payment_that_a_rail_has_already_keeps_its_way(
    make_service: MakeService,
) -> None:
    office, cycle, old, new = await released(make_service)
    async with office.service.database.session() as session:
        sent = text("UPDATE payment_attempt SET state = 'sent' WHERE payment_id = :id")
        await session.execute(sent, {"id": cycle.payment(0)})
    await office.service.deliver(merged(old, new))
    attempts = await by_payment(office)
    assert [attempts[cycle.payment(n)].state for n in range(3)] == ["sent", "failed", "queued"]
    await office.service.deliver(merged(old, new, version=3))
    assert [item.state for item in (await by_payment(office)).values()].count("failed") == 1


async def test_a_merge_takes_a_payment_out_of_a_batch_that_has_not_left_and_leaves_one_that_has(
    make_service: MakeService,
) -> None:
    office, cycle, old, new = await released(make_service)
    await form_batches(office.service.context)
    async with office.service.database.session() as session:
        (batch,) = (await session.execute(text("SELECT count, amount FROM batch"))).all()
        assert (batch.count, batch.amount) == (3, 592_000 * 3)
    await office.service.deliver(merged(old, new))
    attempts = await by_payment(office)
    assert (attempts[cycle.payment(0)].state, attempts[cycle.payment(0)].batch_id) == ("failed", None)
    async with office.service.database.session() as session:
        (batch,) = (await session.execute(text("SELECT id, count, amount FROM batch"))).all()
        assert (batch.count, batch.amount) == (2, 592_000 * 2)
        await session.execute(text("UPDATE batch SET state = 'submitting', tries = 1"))
    await office.service.deliver(merged(cycle.granted[2].beneficiary_id, new))
    attempts = await by_payment(office)
    assert [attempts[cycle.payment(n)].batch_id for n in (1, 2)] == [batch.id, batch.id]


async def test_why_and_the_death_of_either_record_follow_the_survivor(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    old, new, dead, alive = (uuid4() for _ in range(4))
    cycle = Cycle([Grant(old), Grant(alive)])
    await arrive(office, cycle, [old, alive])
    gone = LifeEventRecorded(
        version=1, life_event_id=uuid4(), kind="death", person_id=dead, household_id=uuid4(), occurred_on=TODAY,
        source="officer", village_code="01020101", living_members=2,
    )  # fmt: skip
    await office.service.deliver(merged(old, new), merged(dead, alive), gone)
    built = await office.build(cycle)
    assert (await lines(office, built))[str(alive)]["reasons"] == ["deceased"]
    await office.approve(built)
    await office.disburse(built)
    async with office.service.database.session() as session:
        told = [Outcome(item.id, "settled", TODAY, "camt.054", "M") for item in await office.send()]
        await apply_outcomes(session, told)
    for asked in (old, new):
        answer = await why(office, asked)
        assert (answer["conclusion"]["code"], answer["beneficiary_id"]) == ("paid", str(new))
        assert answer["stages"][0]["detail"]["merged_records"] == [str(old)]
    assert (await why(office, alive))["conclusion"]["code"] == "deceased"


async def test_why_says_that_the_other_record_is_paid(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    old, new = uuid4(), uuid4()
    cycle = Cycle([Grant(old), Grant(new)])
    await arrive(office, cycle, [old, new])
    await office.service.deliver(merged(old, new))
    await office.build(cycle)
    answer = await why(office, old)
    assert "merged_identity" in [stage["code"] for stage in answer["stages"]]
    assert answer["conclusion"]["code"] == "awaiting_approval"


async def test_a_claim_on_the_retired_record_is_kept_back_of_what_the_survivor_is_paid(
    make_service: MakeService,
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    old, new = uuid4(), uuid4()
    first = Cycle([Grant(old, amount=Decimal(100_000))])
    await office.pay(first)
    (attempt,) = await office.send()
    async with office.service.database.session() as session:
        await apply_outcomes(session, [Outcome(attempt.id, "settled", TODAY, "camt.054", "M")])
    body = {"payment_id": str(first.payment()), "amount": "50000", "reason": "a child counted twice"}
    claim = await office.post("/claims", office.maker, body, 201)
    path, tag = f"/claims/{claim.json()['id']}", {"If-Match": claim.headers["ETag"]}
    await office.post(f"{path}:confirm", office.checker, None, 200, **tag)
    await office.service.deliver(merged(old, new))
    second = Cycle([Grant(new, amount=Decimal(100_000))], period="2020-08")
    await office.service.deliver(*second.enrolments(), *second.entitlements(), second.closed())
    built = await office.build(second)
    assert (built["ready_amount"], built["deducted_amount"]) == ("80000", "20000")


async def test_a_further_account_under_the_other_record_needs_proof_and_one_shared_by_both_is_no_sharing(
    make_service: MakeService,
) -> None:
    office = Office(await make_service(CORE, **(SETTINGS | {"account_beneficiary_limit": 1})))
    old, new = uuid4(), uuid4()
    cycle = Cycle([Grant(old), Grant(new)])
    await arrive(office, cycle, [old])
    await office.service.deliver(merged(old, new))
    body = {
        "beneficiary_id": str(new), "rail": "mobile_money", "provider": "wing", "account_number": "85512000000",
        "holder_name": "Sok Dara 0",
    }  # fmt: skip
    refused = await office.post("/accounts", office.maker, body, 422)
    assert refused.json()["errors"][0]["code"] == "proof_needed"
    body["proof"] = {"kind": "in_person", "reference": "visit 12"}
    added = (await office.post("/accounts", office.maker, body, 201)).json()
    assert added["shared_by"] == 1
    async with office.service.database.session() as session:
        await session.execute(text("UPDATE account SET usable_from = NULL"))
    assert (await lines(office, await office.build(cycle)))[str(new)]["reasons"] == []
