"""The mobile money client keeps every rail's promises, against the simulated operator over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from deploy.simulators.mobile_money.app import create_app
from services.payments.rails.mobile_money import MobileMoneyRail
from services.payments.rails.port import Answer
from services.payments.rails.tests.builders import header, instructions
from services.payments.rails.tests.contract import Counterpart, RailContract
from services.payments.rails.tests.platform import SECRET, LostAnswers, serving
from services.payments.reconciliation.ingest_document import digest_of, reader_of
from shared.testing.waiting import wait_for


class TestOperatorAsARail(RailContract):
    """The contract, against the simulator."""

    @pytest.fixture
    async def other(self) -> AsyncIterator[Counterpart]:
        transport = LostAnswers(0)
        app = create_app(SECRET)
        async with serving(app) as url, httpx.AsyncClient(base_url=url, transport=transport) as client:
            yield Counterpart(
                MobileMoneyRail(client, "", "samaki"),
                lambda: dict(app.state.operator.books.payments),
                lambda n: setattr(transport, "lose", n),
            )


async def test_a_stalled_operator_has_the_batch_and_says_so_when_asked():
    app = create_app(SECRET)
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=0.3) as client:
        await client.put("/_control/behaviour", json={"stall": 1, "stall_seconds": 2})
        rail = MobileMoneyRail(client, "", "samaki")
        members = instructions(3)
        batch = header(members, rail="mobile_money")
        assert (await rail.submit(batch, members)).answer is Answer.UNKNOWN
        answer = await rail.query(batch)
        assert answer.answer is Answer.ACCEPTED
        assert answer.reference in app.state.operator.books.by_id


async def test_an_operator_out_of_service_leaves_the_outcome_unknown_and_then_absent():
    app = create_app(SECRET)
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
        await client.put("/_control/behaviour", json={"fail": 1})
        rail = MobileMoneyRail(client, "", "samaki")
        members = instructions(1)
        batch = header(members, rail="mobile_money")
        assert (await rail.submit(batch, members)).answer is Answer.UNKNOWN
        assert (await rail.query(batch)).answer is Answer.ABSENT


async def test_a_batch_that_breaks_the_api_is_rejected():
    app = create_app(SECRET)
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
        rail = MobileMoneyRail(client, "", "samaki")
        members = [replace(instructions(1)[0], currency="riel")]
        submission = await rail.submit(header(members, rail="mobile_money"), members)
        assert (submission.answer, submission.reason_code) == (Answer.REJECTED, "formatError")


async def test_more_lines_than_a_page_are_all_fetched():
    app = create_app(SECRET)
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
        rail = MobileMoneyRail(client, "", "samaki")
        members = instructions(1_201)
        batch = header(members, rail="mobile_money")
        submission = await rail.submit(batch, members)
        await wait_for(lambda: len(app.state.operator.books.payments) == 1_201, what="the operator to pay")
        documents = [d async for d in rail.fetch([replace(batch, reference=submission.reference)])]
        lines = [line for d in documents for line in reader_of(d, digest_of(d)).lines()]
        assert {line.end_to_end_id for line in lines} == {i.end_to_end_id for i in members}
        assert {line.end_to_end_id: line.amount for line in lines} == {i.end_to_end_id: i.amount for i in members}


async def test_a_long_list_of_instructions_is_held_to_its_control_totals():
    rail = MobileMoneyRail(httpx.AsyncClient(base_url="http://127.0.0.1:1"), "", "samaki")
    members = instructions(2)
    with pytest.raises(ValueError, match="promise"):
        await rail.submit(header(members), members[:1])


async def test_a_batch_of_one_goes_as_a_single_disbursement_and_its_end_is_found_by_asking():
    app = create_app(SECRET)
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
        rail = MobileMoneyRail(client, "", "samaki")
        members = instructions(1)
        batch = header(members, rail="mobile_money")
        submission = await rail.submit(batch, members)
        (known,) = app.state.operator.books.by_id.values()
        assert (known.single, submission.answer) == (True, Answer.ACCEPTED)
        assert (await rail.query(batch)).reference == submission.reference
        await wait_for(lambda: app.state.operator.books.payments, what="the operator to pay")
        (document,) = [d async for d in rail.fetch([replace(batch, reference=submission.reference)])]
        (line,) = reader_of(document, digest_of(document)).lines()
        assert (line.kind, line.end_to_end_id, line.amount) == ("settled", members[0].end_to_end_id, members[0].amount)


async def test_a_completed_transaction_is_taken_back_once_and_told_of_as_a_return():
    app = create_app(SECRET)
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
        rail = MobileMoneyRail(client, "", "samaki")
        members = instructions(1)
        batch = header(members, rail="mobile_money")
        submission = await rail.submit(batch, members)
        books = app.state.operator.books
        await wait_for(lambda: books.payments[members[0].end_to_end_id] == 1, what="the operator to pay")
        (reference,) = books.transactions
        for _ in range(2):
            answer = await rail.reverse(reference, batch.id, batch.created_at)
            assert answer.answer is Answer.ACCEPTED
        assert books.payments[members[0].end_to_end_id] == 0
        (document,) = [d async for d in rail.fetch([replace(batch, reference=submission.reference)])]
        (line,) = reader_of(document, digest_of(document)).lines()
        assert line.kind == "returned"
        unknown = await rail.reverse("T-unknown", batch.id, batch.created_at)
        assert unknown.answer is not Answer.ACCEPTED


async def test_in_a_maintenance_window_nothing_is_known_and_afterwards_the_batch_is_absent():
    app = create_app(SECRET)
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
        rail = MobileMoneyRail(client, "", "samaki")
        members = instructions(2)
        batch = header(members, rail="mobile_money")
        await client.put("/_control/behaviour", json={"maintenance": True})
        assert (await rail.submit(batch, members)).answer is Answer.UNKNOWN
        assert (await rail.query(batch)).answer is Answer.UNKNOWN  # never "absent": it could not be asked
        await client.put("/_control/behaviour", json={})
        assert (await rail.query(batch)).answer is Answer.ABSENT
        assert (await rail.submit(batch, members)).answer is Answer.ACCEPTED


async def test_what_a_partial_batch_leaves_open_is_told_later():
    app = create_app(SECRET)
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
        await client.put("/_control/behaviour", json={"partial": 2})
        rail = MobileMoneyRail(client, "", "samaki")
        members = instructions(5)
        batch = header(members, rail="mobile_money")
        located = replace(batch, reference=(await rail.submit(batch, members)).reference)

        async def told() -> int:
            documents = [d async for d in rail.fetch([located])]
            return sum(1 for d in documents for _ in reader_of(d, digest_of(d)).lines())

        await wait_for(lambda: len(app.state.operator.books.payments) == 2, what="two to be paid")
        assert await told() == 2
        await client.put("/_control/behaviour", json={})
        await client.post("/_control/decide")
        await wait_for(lambda: len(app.state.operator.books.payments) == 5, what="all to be paid")
        assert await told() == 5


async def test_a_wallet_is_asked_about_before_it_is_paid():
    app = create_app(SECRET)
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=5) as client:
        rail = MobileMoneyRail(client, "", "samaki")
        good, closed, unknown = "+85512000001", "85512990002", "85512990001"
        silent = await rail.check_account("WING", good, "Sok Dara")
        assert silent is not None
        assert (silent.exists, silent.payable, silent.name_agrees) == (True, True, None)
        await client.put("/_control/behaviour", json={"holder_name": "DARA SOK"})
        same, other = [await rail.check_account("WING", good, name) for name in ("Sok Dara", "Chea Vanna")]
        assert same is not None
        assert other is not None
        assert (same.name_agrees, other.name_agrees) == (True, False)
        shut, nobody = [await rail.check_account("WING", number, "Sok Dara") for number in (closed, unknown)]
        assert shut is not None
        assert nobody is not None
        assert (shut.exists, shut.payable) == (True, False)
        assert (nobody.exists, nobody.payable) == (False, False)
        await client.put("/_control/behaviour", json={"maintenance": True})
        assert await rail.check_account("WING", good, "Sok Dara") is None


async def test_an_operator_without_account_calls_says_nothing_of_a_wallet():
    async with httpx.AsyncClient(
        base_url="http://operator", transport=httpx.MockTransport(lambda _: httpx.Response(404))
    ) as c:
        assert await MobileMoneyRail(c, "", "samaki").check_account("WING", "85512000001", "Sok Dara") is None
