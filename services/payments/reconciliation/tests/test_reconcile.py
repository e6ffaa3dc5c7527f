"""Every line against what was sent: matched lines move money, the others become breaks and hold nobody up.

faults.md 3 and 4.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.payments.rails.form_batches import form_batches
from services.payments.rails.poll_rails import take_in
from services.payments.rails.port import Document, Media
from services.payments.rails.tests.builders import camt, entry, pacs004, pain002
from services.payments.rails.tests.platform import (
    SERVICE,
    SETTINGS,
    FakeRail,
    balanced,
    breaks,
    queue,
    rows,
    sent,
    states,
    use_rail,
)
from services.payments.reconciliation import ingest_document
from shared.testing.plugin import MakeService
from shared.testing.service import TestService

INBOX = "/payments/v1/rails/bank/inbox"


@pytest.fixture
async def service(make_service: MakeService) -> TestService:
    return await make_service(SERVICE, **SETTINGS)


async def bank(service: TestService, body: bytes, **kwargs: Any) -> httpx.Response:
    headers = service.token("integration") | {"Content-Type": "application/xml"}
    return await service.http.post(INBOX, content=body, headers=headers, **kwargs)


# --- fault 3 --------------------------------------------------------------------------------------------------------


async def test_fault_3_one_unknown_reference_does_not_hold_up_the_statement(service: TestService):
    _, waiting = await sent(service, 3)
    good = [entry(one.reference, f"{one.amount}.00", payee=one.number) for one in waiting]
    answer = await bank(service, camt("camt.053", "S1", [good[0], entry("f" * 32, "5000"), *good[1:]]))
    assert answer.status_code == 201
    assert answer.json() | {"file_id": ""} == {"file_id": "", "lines": 4, "matched": 3, "breaks": 1}
    assert await states(service, waiting) == ["settled"] * 3
    assert await breaks(service) == [("unknown_reference", "f" * 32)]
    assert await balanced(service)
    (batch,) = await rows(service, "SELECT state FROM batch")
    assert batch["state"] == "completed"


async def test_a_booking_that_names_nothing_is_an_orphan_and_money_that_nobody_knows_must_be_explained(
    service: TestService,
):
    await sent(service, 1)
    body = camt("camt.053", "S1", [entry("NOTPROVIDED", "5000"), entry("x", "7", direction="CRDT")])
    assert (await bank(service, body)).json()["breaks"] == 2
    assert await breaks(service) == [("orphan", ""), ("unknown_credit", "x")]


async def test_a_rail_speaks_of_its_own_payments_only(service: TestService):
    _, (one,) = await sent(service, 1)
    body = camt("camt.054", "N1", [entry(one.reference, str(one.amount))])
    await take_in(service.context, Document("mobile_money", Media.ISO20022, "1", body))
    assert await states(service, [one]) == ["sent"]
    assert await breaks(service) == [("unknown_reference", one.reference)]
    assert await balanced(service)


@pytest.mark.parametrize("chunk", [1, 10_000])
async def test_two_bookings_without_a_name_of_their_own_are_two_bookings(
    service: TestService, monkeypatch: pytest.MonkeyPatch, chunk: int
):
    monkeypatch.setattr(ingest_document, "CHUNK", chunk)
    _, (one, other) = await sent(service, 2)
    nameless = [
        entry(each.reference, str(amount), own="-").replace("<AcctSvcrRef>-</AcctSvcrRef>", "")
        for each, amount in [(one, one.amount), (one, one.amount), (other, 1), (other, other.amount)]
    ]
    assert (await bank(service, camt("camt.054", "N1", nameless))).json()["matched"] == 2
    assert await states(service, [one, other]) == ["settled", "settled"]
    assert await breaks(service) == [("duplicate", one.reference), ("amount_mismatch", other.reference)]
    assert (await bank(service, camt("camt.053", "S1", [nameless[0], nameless[3]]))).json()["breaks"] == 0
    assert await balanced(service)


# --- fault 4 --------------------------------------------------------------------------------------------------------


async def test_fault_4_a_debit_of_another_amount_currency_or_payee_settles_nothing(service: TestService):
    _, waiting = await sent(service, 4)
    amount, currency, payee, good = waiting
    answer = await bank(
        service,
        camt(
            "camt.054",
            "S1",
            [
                entry(amount.reference, "1.00"),
                entry(currency.reference, str(currency.amount), currency="USD"),
                entry(payee.reference, str(payee.amount), payee="999888777"),
                entry(good.reference, str(good.amount), payee=good.number),
            ],
        ),
    )
    assert answer.json()["matched"] == 1
    assert await states(service, waiting) == ["sent", "sent", "sent", "settled"]
    assert sorted(await breaks(service)) == sorted(
        [
            ("amount_mismatch", amount.reference),
            ("currency_mismatch", currency.reference),
            ("payee_mismatch", payee.reference),
        ]
    )
    listed = await service.http.get(
        "/payments/v1/reconciliation/breaks?kind=amount_mismatch", headers=service.token("auditor")
    )
    (item,) = listed.json()["items"]
    assert (item["offered_amount"], Decimal(item["expected_amount"])) == ("1", amount.amount)
    assert item["payment_id"] == str(amount.payment_id)
    assert payee.number not in listed.text


async def test_a_second_debit_for_one_payment_is_a_duplicate_but_the_same_booking_told_twice_is_not(
    service: TestService,
):
    _, (one,) = await sent(service, 1)
    amount = str(one.amount)
    await bank(service, camt("camt.054", "N1", [entry(one.reference, amount, own="BOOKING-1")]))
    told_again = await bank(service, camt("camt.053", "S1", [entry(one.reference, amount, own="BOOKING-1")]))
    assert told_again.json()["breaks"] == 0
    twice = await bank(service, camt("camt.053", "S2", [entry(one.reference, amount, own="BOOKING-2")]))
    assert twice.json()["breaks"] == 1
    assert await breaks(service) == [("duplicate", one.reference)]
    assert await states(service, [one]) == ["settled"]


async def test_two_debits_for_one_payment_in_one_file_are_seen(service: TestService):
    _, (one,) = await sent(service, 1)
    amount = str(one.amount)
    lines = [entry(one.reference, amount, own="BOOKING-1"), entry(one.reference, amount, own="BOOKING-2")]
    assert (await bank(service, camt("camt.054", "N1", lines))).json() | {"file_id": ""} == {
        "file_id": "",
        "lines": 2,
        "matched": 1,
        "breaks": 1,
    }
    assert await states(service, [one]) == ["settled"]


# --- files ----------------------------------------------------------------------------------------------------------


async def test_the_same_file_twice_is_refused_and_changes_nothing(service: TestService):
    _, (one,) = await sent(service, 1)
    body = camt("camt.054", "N1", [entry(one.reference, str(one.amount))])
    assert (await bank(service, body)).status_code == 201
    await service.outbox()
    again = await bank(service, body)
    assert (again.status_code, again.json()["code"]) == (409, "statement_already_received")
    other = await bank(service, camt("camt.054", "N1", []))
    assert (other.status_code, other.json()["code"]) == (409, "statement_id_reused")
    assert await service.outbox() == []


async def test_the_same_file_from_eight_callers_at_once_is_taken_in_once(service: TestService):
    _, waiting = await sent(service, 5)
    body = camt("camt.054", "N1", [entry(one.reference, str(one.amount)) for one in waiting])
    answers = await asyncio.gather(*(bank(service, body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert len(await service.outbox()) == 5


async def test_a_file_cut_short_applies_nothing_and_may_be_sent_again(service: TestService):
    _, waiting = await sent(service, 3)
    body = camt("camt.054", "N1", [entry(one.reference, str(one.amount)) for one in waiting])
    answer = await bank(service, body[:-40])
    assert (answer.status_code, answer.json()["code"]) == (422, "statement_malformed")
    assert await states(service, waiting) == ["sent"] * 3
    assert await rows(service, "SELECT id FROM statement_file") == []
    assert (await bank(service, body)).status_code == 201


async def test_a_file_in_the_mailbox_that_cannot_be_read_is_recorded_and_does_not_stop_the_next(service: TestService):
    _, (one,) = await sent(service, 1)
    rail = FakeRail("bank")
    rail.documents = [
        Document("bank", Media.ISO20022, "1", camt("camt.054", "N0", [])[:-9]),
        Document("bank", Media.ISO20022, "2", camt("camt.054", "N1", [entry(one.reference, str(one.amount))])),
    ]
    use_rail(service, rail)
    await service.http.post("/payments/v1/rails:poll", headers=service.token("payment_officer"))
    await service.run_jobs()
    assert await states(service, [one]) == ["settled"]
    assert [document.reference for document in rail.documents] == ["1"]  # stays in the mailbox, for a person
    answer = await service.http.get("/payments/v1/reconciliation/files", headers=service.token("finance_officer"))
    assert {(item["kind"], item["refused"]) for item in answer.json()["items"]} == {
        ("", "statement_malformed"),
        ("camt.054", ""),
    }


async def test_only_the_bank_and_finance_hand_in_files(service: TestService):
    for role, status in (("finance_officer", 422), ("payment_officer", 403)):
        answer = await service.http.post(INBOX, content=b"<x/>", headers=service.token(role))
        assert answer.status_code == status
    assert (await service.http.post(INBOX, content=b"<x/>")).status_code == 401


async def test_an_integration_that_is_no_bank_settles_nobody_with_a_file_of_its_own(service: TestService):
    _, (one,) = await sent(service, 1)
    body = camt("camt.054", "N1", [entry(one.reference, str(one.amount))])
    agent = service.token("integration", subject="agent-1")
    refused = await service.http.post(INBOX, content=body, headers=agent)
    assert (refused.status_code, refused.json()["code"]) == (403, "statement_sender_unknown")
    assert await states(service, [one]) == ["sent"]


async def test_a_failing_commit_is_never_a_success(service: TestService):
    _, (one,) = await sent(service, 1)
    body = camt("camt.054", "N1", [entry(one.reference, str(one.amount))])
    async with service.commits_fail():
        assert (await bank(service, body)).status_code >= 500
    assert await states(service, [one]) == ["sent"]
    assert (await bank(service, body)).status_code == 201


async def test_failures_and_returns_carry_a_reason_in_words_and_no_free_text(service: TestService):
    message, (failed, returned) = await sent(service, 2)
    await bank(service, pain002("R1", message, [(failed.reference, "RJCT", "AC04"), (returned.reference, "ACCP", "")]))
    await bank(service, camt("camt.054", "N1", [entry(returned.reference, str(returned.amount))]))
    await bank(service, pacs004("B1", message, returned.reference, f"{returned.amount}.00", reason="MD07"))
    assert await states(service, [failed, returned]) == ["failed", "returned"]
    events = {type(event).__name__: event for event in await service.outbox()}
    assert set(events) == {"PaymentFailed", "PaymentSettled", "PaymentReturned"}
    assert events["PaymentFailed"].reason == "The account is closed."  # type: ignore[attr-defined]
    assert events["PaymentReturned"].reason == "The beneficiary has died."  # type: ignore[attr-defined]
    assert "Dara" not in str(await rows(service, "SELECT * FROM payment_outcome"))
    assert await balanced(service)


# --- any order ------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_order_and_repetition_of_the_same_messages_ends_in_the_same_state(
    service: TestService, data: st.DataObject
):
    use_rail(service, FakeRail("bank"))
    run = uuid4().hex[:12]
    waiting = await queue(service, ["000123401", "000123402", "000123403"], rail="bank")
    await form_batches(service.context)
    await service.run_jobs()
    (batch,) = await rows(
        service,
        "SELECT b.message_id FROM batch b JOIN payment_attempt a ON a.batch_id = b.id WHERE a.id = :id",
        id=waiting[0].id,
    )
    paid, failed, returned = waiting
    message = batch["message_id"]
    back = entry(returned.reference, str(returned.amount), direction="CRDT", returned="AC04")
    booked = [entry(one.reference, str(one.amount), payee=one.number) for one in (paid, returned)]
    messages = [
        pain002(f"R{run}", message, [(paid.reference, "ACCP", ""), (failed.reference, "RJCT", "AC01")]),
        pain002(f"Q{run}", message, [(returned.reference, "ACSP", "")]),
        camt("camt.054", f"N{run}", booked),
        camt("camt.053", f"S{run}", [*booked, back]),
        camt("camt.054", f"M{run}", [back]),
        pacs004(f"B{run}", message, returned.reference, str(returned.amount)),
    ]
    order = data.draw(st.permutations(range(len(messages))))
    repeats = data.draw(st.lists(st.sampled_from(range(len(messages))), max_size=4))
    for index in [*order, *repeats]:
        await take_in(service.context, Document("bank", Media.ISO20022, str(index), messages[index]))
    assert await states(service, waiting) == ["settled", "failed", "returned"]
    assert await rows(service, "SELECT id FROM reconciliation_break") == []
    assert await balanced(service)
    ids = [one.id for one in waiting]
    moved = await rows(
        service,
        "SELECT kind, count(*) AS n FROM ledger_transaction WHERE attempt_id = ANY(:ids) GROUP BY kind",
        ids=ids,
    )
    assert {row["kind"]: row["n"] for row in moved} == {"settle": 2, "fail": 1, "return": 1, "restore": 1}
