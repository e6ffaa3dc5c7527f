"""A bulk payment of another institution becomes a payment list like any other."""

from __future__ import annotations

from datetime import date

from services.payments.edges.orders.report_orders import report_orders
from services.payments.edges.tests.builders import EDGES, SETTINGS, SourceBB, rows
from services.payments.instructions.outcomes import Outcome, apply_outcomes
from services.payments.tests.builders import Office
from shared.testing.plugin import MakeService

TODAY = date(2020, 7, 28)


async def test_an_order_is_paid_only_after_list_approval_and_release_and_its_source_is_told(
    make_service: MakeService,
) -> None:
    service = await make_service(EDGES, **SETTINGS)
    source, office = SourceBB(service), Office(service)
    await source.register()
    await office.open_fund()
    people = [f"NID{n:04d}" for n in range(5)]
    await source.beneficiaries(people)
    message = source.bulk(people)
    answer = await source.post("/bulk-payment", message, 200)
    assert answer.json() | {"ResponseDescription": ""} == {
        "ResponseCode": "00",
        "ResponseDescription": "",
        "RequestID": message["RequestID"],
    }
    await service.run_jobs()
    (order,) = await source.orders()
    assert (order["state"], order["accepted_count"], order["accepted_amount"]) == ("prepared", 5, "500010")
    assert await rows(service, "SELECT 1 FROM payment") == []

    built = await office.post("/payment-lists", office.maker, {"cycle_id": order["id"]}, 202)
    await service.run_jobs()
    listed = await office.get(f"/payment-lists/{built.json()['payment_list_id']}")
    assert (listed["status"], listed["ready_count"], listed["programme_code"]) == ("built", 5, "EXT-MOSVY")
    await office.approve(listed)
    await office.disburse(listed)
    assert await report_orders(service.context) == 0  # nothing has come to an end

    attempts = await office.send()
    outcomes = [Outcome(attempts[0].id, "failed", TODAY, "pain.002", "M", "AC04", "closed")]
    outcomes += [Outcome(attempt.id, "settled", TODAY, "camt.054", "M") for attempt in attempts[1:]]
    async with service.database.session() as session:
        await apply_outcomes(session, outcomes)
    await rows(service, "UPDATE external_order SET check_at = '2020-01-01' RETURNING id")
    assert await report_orders(service.context) == 1
    (told,) = await source.callbacks("order")
    assert (told["TotalTransactions"], told["completed"], told["failed"], told["ongoing"]) == (5, 4, 1, 0)
    assert told["failed_amount"] == int(attempts[0].amount)
    statuses = sorted((await source.lines(order["id"])).values())
    assert statuses == [("failed", "AC04")] + [("paid", "")] * 4
