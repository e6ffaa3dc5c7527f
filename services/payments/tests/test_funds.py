"""Funds: allotted, released, committed; several for one list; exchanged at a dated rate with its rounding said."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import combinations
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from services.payments.funds.share_out import fill, share_out
from services.payments.fx.model import MODES, convert
from services.payments.instructions.model import payment_id
from services.payments.tests.builders import CORE, LINE, PROGRAMME, SETTINGS, Cycle, Grant, Office, grants
from shared.testing.plugin import MakeService

CYCLE = UUID("0190b5c0-0000-7000-8000-000000000001")


class Rate:
    """A rate as recorded."""

    def __init__(self, base: str, quote: str, rate: Decimal, rounding: str) -> None:
        self.base, self.quote, self.rate, self.rounding = base, quote, rate, rounding


@given(
    st.decimals(min_value=0, max_value=10**8, places=2),
    st.decimals(min_value="0.00000001", max_value=10**6, places=8),
    st.sampled_from(sorted(MODES)),
)
def test_a_conversion_is_exact_but_for_one_rounding_that_it_tells(amount: Decimal, rate: Decimal, mode: str) -> None:
    result = convert(amount, Rate("USD", "KHR", rate, mode))
    assert result.amount == result.amount.to_integral_value()
    assert abs(result.rounded_by) < 1 if mode == "down" else abs(result.rounded_by) <= Decimal("0.5")
    # Multiplying back in integers, free of any context's precision.
    exact = int(amount * 100) * int(rate.scaleb(8))
    assert int(result.amount) * 10**10 - exact == int(result.rounded_by.scaleb(10))


async def test_only_what_is_released_is_promised(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(3))
    await office.prepare(cycle)
    body = {"code": "DONOR", "currency": "KHR", "programme_lines": ["x"], "allotment": "900", "released": False}
    await office.post("/funds", office.releaser, body | {"source": "grant", "document": "agreement 1"}, 201)
    fund = await office.get("/funds/DONOR")
    assert (fund["allotment"], fund["unreleased"], fund["available"]) == ("900", "900", "0")
    too_much = await office.post("/funds/DONOR/releases", office.releaser, {"amount": "901", "document": "r1"}, 409)
    assert too_much.json()["code"] == "fund_insufficient"
    await office.post("/funds/DONOR/releases", office.releaser, {"amount": "300", "document": "quarter 1"}, 201)
    more = {"amount": "100", "document": "addendum", "released": True}
    await office.post("/funds/DONOR/allotments", office.releaser, more, 201)
    fund = await office.get("/funds/DONOR")
    assert (fund["allotment"], fund["unreleased"], fund["released"], fund["available"]) == ("1000", "600", "400", "400")
    entries = await office.get("/funds/DONOR/entries")
    assert [entry["kind"] for entry in entries["items"]] == ["allot", "release_funds", "allot", "release_funds"]
    await office.post("/funds/DONOR/releases", office.maker, {"amount": "1", "document": "no"}, 403)
    await office.balances()


async def test_several_funds_pay_one_list_in_the_order_of_their_priority(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle([Grant(grant.beneficiary_id, amount=Decimal(100_000)) for grant in grants(10)])
    await office.prepare(cycle, allotment="350000")
    second = {"code": "SECOND", "currency": "KHR", "programme_lines": [LINE], "allotment": "5000000", "priority": 2}
    await office.post("/funds", office.releaser, second, 201)
    built = await office.build(cycle)
    assert built["fund_codes"] == ["TREASURY-20", "SECOND"]
    approved = await office.approve(built)
    shares = (await office.get(f"/payment-lists/{approved['id']}"))["funds"]
    assert [(share["fund_code"], share["count"], share["amount"]) for share in shares] == [
        ("TREASURY-20", 3, "300000"),
        ("SECOND", 7, "700000"),
    ]
    changed = await office.post(
        f"/payment-lists/{built['id']}/lines:exclude",
        office.maker,
        {"payments": [str(cycle.payment(0))], "reason": "moved abroad"},
        200,
    )
    assert [(await office.get(f"/funds/{code}"))["reserved"] for code in ("TREASURY-20", "SECOND")] == ["0", "0"]
    await office.approve(changed.json())
    await office.disburse(built)
    in_transit = [(await office.get(f"/funds/{code}"))["in_transit"] for code in ("TREASURY-20", "SECOND")]
    assert in_transit == ["300000", "600000"]
    page = await office.get("/payments")
    assert len(page["items"]) == 9


async def test_dollars_become_riels_at_the_rate_of_the_day(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    await office.open_fund("1000")
    usd = {"code": "USD-1", "currency": "USD", "programme_lines": ["x"], "allotment": "100.50"}
    await office.post("/funds", office.releaser, usd, 201)
    exchange = {"to_fund": "TREASURY-20", "amount": "10.25", "document": "deal 9"}
    none = await office.post("/funds/USD-1:exchange", office.releaser, exchange, 409)
    assert none.json()["code"] == "exchange_impossible"
    rate = {
        "base": "USD",
        "quote": "KHR",
        "rate": "4001.5",
        "source": "National bank, daily",
        "valid_from": "2020-06-01",
    }
    await office.post("/fx-rates", office.releaser, rate, 201)
    corrected = await office.post("/fx-rates", office.releaser, rate | {"rate": "4000.1"}, 201)
    assert corrected.json()["number"] == 2
    later = rate | {"rate": "9999", "valid_from": str(date(2020, 12, 1))}
    await office.post("/fx-rates", office.releaser, later, 201)
    shown = await office.get("/fx-rates/convert?amount=10.25&base=USD&quote=KHR")
    assert (shown["amount"], shown["rounded_by"], shown["rate"]["number"]) == ("41001", "-0.025", 2)
    await office.post("/funds/USD-1:exchange", office.releaser, exchange, 201)
    assert (await office.get("/funds/USD-1"))["available"] == "90.25"
    assert (await office.get("/funds/TREASURY-20"))["available"] == "42001"
    book = await office.get("/ledger/trial-balance", office.releaser)
    assert book["totals"] == {"KHR": "0", "USD": "0"}


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=9),
    st.lists(st.integers(0, 120), min_size=1, max_size=3),
)
def test_lines_are_shared_out_whole_and_no_fund_pays_more_than_it_has(amounts: list[int], funds: list[int]) -> None:
    lines, available = [Decimal(amount) for amount in amounts], [Decimal(fund) for fund in funds]
    shared = share_out(lines, available)
    if shared is None:
        assert not (len(funds) == 1 and sum(amounts) <= funds[0])
        return
    for fund, money in enumerate(available):
        assert sum(line for line, payer in zip(lines, shared, strict=True) if payer == fund) <= money


@given(st.lists(st.integers(1, 40), min_size=1, max_size=9), st.integers(0, 200))
def test_a_fund_is_filled_as_far_as_whole_lines_can(amounts: list[int], capacity: int) -> None:
    best = max(
        total
        for size in range(len(amounts) + 1)
        for chosen in combinations(amounts, size)
        if (total := sum(chosen)) <= capacity
    )
    taken = fill(amounts, capacity)
    assert len(set(taken)) == len(taken)
    assert sum(amounts[index] for index in taken) == best


async def fund_of_payments(office: Office) -> dict[str, Decimal]:
    async with office.service.database.session() as session:
        rows = await session.execute(text("SELECT fund_code, sum(amount) FROM payment GROUP BY 1"))
        return {row[0]: row[1] for row in rows}


async def test_a_list_that_no_fund_can_end_is_shared_out_line_by_line(make_service: MakeService) -> None:
    """Stretches alone leave a line of 20,000 over, and 10,000 in each fund: lines must change places."""
    office = Office(await make_service(CORE, **SETTINGS))
    people = sorted(grants(6), key=lambda grant: payment_id(PROGRAMME, CYCLE, grant.beneficiary_id, "monthly_transfer"))
    amounts = (70_000, 70_000, 50_000, 60_000, 30_000, 20_000)
    cycle = Cycle(
        [Grant(one.beneficiary_id, amount=Decimal(amount)) for one, amount in zip(people, amounts, strict=True)], CYCLE
    )
    await office.prepare(cycle, allotment="150000")
    second = {"code": "SECOND", "currency": "KHR", "programme_lines": [LINE], "allotment": "150000", "priority": 2}
    await office.post("/funds", office.releaser, second, 201)
    built = await office.build(cycle)
    approved = await office.approve(built)
    shares = (await office.get(f"/payment-lists/{approved['id']}"))["funds"]
    assert {share["fund_code"]: share["amount"] for share in shares} == {"TREASURY-20": "150000", "SECOND": "150000"}
    assert sum(share["count"] for share in shares) == 6
    assert (await office.disburse(built))["status"] == "disbursed"
    assert await fund_of_payments(office) == {"TREASURY-20": 150_000, "SECOND": 150_000}
    assert (await office.self_check())["items"] == []


async def test_a_list_that_cannot_be_shared_out_says_which_fund_has_what_and_what_is_needed(
    make_service: MakeService,
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle([Grant(grant.beneficiary_id, amount=Decimal(100_000)) for grant in grants(3)])
    await office.prepare(cycle, allotment="150000")
    second = {"code": "SECOND", "currency": "KHR", "programme_lines": [LINE], "allotment": "160000", "priority": 2}
    await office.post("/funds", office.releaser, second, 201)
    built = await office.build(cycle)
    path = f"/payment-lists/{built['id']}"
    await office.post(f"{path}:submit", office.maker, None, 200)
    body = {"content_hash": built["content_hash"]}
    refused = (await office.post(f"{path}:approve", office.checker, body, 409)).json()
    assert (refused["code"], refused["fund_code"], refused["available"]) == ("fund_insufficient", "SECOND", "160000")
    assert (refused["needed"], refused["line_needs"]) == ("300000", "100000")
    assert [fund["available"] for fund in refused["funds"]] == ["150000", "160000"]
    assert (await office.balances())["reserved"] == 0
    more = {"amount": "50000", "document": "addendum", "released": True}
    await office.post("/funds/TREASURY-20/allotments", office.releaser, more, 201)
    await office.post(f"{path}:approve", office.checker, body, 200)
