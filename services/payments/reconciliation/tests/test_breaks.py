"""Breaks: suspense, owners, ages, two persons; gaps between statements; late returns."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from services.payments.rails.tests.builders import camt, entry, pacs004, pain002
from services.payments.rails.tests.platform import SERVICE, SETTINGS, balanced, rows, sent, states
from services.payments.reconciliation.model import BreakKind
from services.payments.reconciliation.resolution import Action, actions, explaining
from services.payments.reconciliation.tests.desk import BREAKS, UNKNOWN, act, bank, listed, resolve, suspense
from services.payments.reconciliation.tests.test_explanations import released
from shared.testing.plugin import MakeService
from shared.testing.service import TestService


@pytest.fixture
async def service(make_service: MakeService) -> TestService:
    return await make_service(SERVICE, **SETTINGS)


# --- suspense -------------------------------------------------------------------------------------------------------


async def test_money_that_left_unexplained_waits_in_suspense_until_two_persons_explain_it(service: TestService):
    await sent(service, 1)
    await released(service, 5_000)
    await bank(service, camt("camt.054", "N1", [entry(UNKNOWN, "5000")]))
    (one,) = await listed(service)
    assert (one["kind"], one["suspended"], one["fund_code"], one["status"]) == (
        "unknown_reference", "5000", "F1", "open"
    )  # fmt: skip
    assert one["actions"] == ["came_back", "charge", "apply"]
    assert await suspense(service) == 5000
    await resolve(service, one, "charge")
    assert await suspense(service) == 0
    (fees,) = await rows(service, "SELECT sum(amount) AS n FROM movement WHERE kind = 'charge'")
    assert fees["n"] == 5000
    assert await balanced(service)
    audited = await rows(service, "SELECT action FROM audit_entry WHERE object_type = 'reconciliation_break'")
    assert [row["action"] for row in audited] == ["break.propose", "break.resolve"]


async def test_money_that_came_in_unexplained_is_owed_until_it_is_explained(service: TestService):
    await sent(service, 1)
    await bank(service, camt("camt.053", "S1", [entry("NOTPROVIDED", "7000", direction="CRDT", own="C1")]))
    (one,) = await listed(service)
    assert (one["kind"], one["suspended"], one["actions"]) == (
        "unknown_credit",
        "-7000",
        ["sent_back", "adopt", "apply"],
    )
    assert await suspense(service) == -7000
    await resolve(service, one, "adopt")
    assert await suspense(service) == 0
    (income,) = await rows(service, "SELECT sum(amount) AS n FROM movement WHERE kind = 'adopt'")
    assert income["n"] == 7000


async def test_a_second_booking_of_one_payment_goes_to_suspense_once_however_often_it_is_told(service: TestService):
    _, (one,) = await sent(service, 1)
    first = entry(one.reference, str(one.amount), own="B1")
    second = entry(one.reference, str(one.amount), own="B2")
    await bank(service, camt("camt.054", "N1", [first, second]))
    await bank(service, camt("camt.053", "S1", [first, second]))  # the day's statement repeats both
    assert await states(service, [one]) == ["settled"]
    (found,) = await listed(service)
    assert found["kind"] == "duplicate"
    assert await suspense(service) == one.amount


async def test_a_payment_refused_and_yet_booked_is_a_contradiction_with_its_money_in_suspense(service: TestService):
    message, (one,) = await sent(service, 1)
    await bank(service, pain002("R1", message, [(one.reference, "RJCT", "AC04")]))
    await bank(service, camt("camt.054", "N1", [entry(one.reference, str(one.amount))]))
    assert await states(service, [one]) == ["failed"]
    (found,) = await listed(service)
    assert (found["kind"], found["present_state"], found["offered"]) == ("contradiction", "failed", "settled")
    assert await suspense(service) == one.amount


async def test_a_fraction_that_the_currency_has_not_is_left_to_a_person(service: TestService):
    await sent(service, 1)
    await bank(service, camt("camt.054", "N1", [entry(UNKNOWN, "5000.5")]))
    (one,) = await listed(service)
    assert (one["suspended"], one["actions"]) == ("0", ["no_effect"])
    assert await suspense(service) == 0


async def test_one_unreadable_line_is_a_break_and_the_others_settle(service: TestService):
    _, waiting = await sent(service, 2)
    lines = [entry(waiting[0].reference, "80x00"), entry(waiting[1].reference, str(waiting[1].amount))]
    taken = await bank(service, camt("camt.054", "N1", lines))
    assert (taken["lines"], taken["matched"], taken["breaks"]) == (2, 1, 1)
    assert await states(service, waiting) == ["sent", "settled"]
    (one,) = await listed(service)
    assert (one["kind"], one["line"], "amount" in one["detail"]) == ("unreadable", 0, True)


# --- the work on a break --------------------------------------------------------------------------------------------


async def test_the_one_who_proposed_does_not_approve(service: TestService):
    await sent(service, 1)
    await bank(service, camt("camt.054", "N1", [entry(UNKNOWN, "5000")]))
    (one,) = await listed(service)
    proposal = {"action": "came_back", "reason": "seen with the bank"}
    proposed = (await act(service, one, "propose", "maker", proposal)).json()
    same = await act(service, proposed, "approve", "maker")
    assert (same.status_code, same.json()["code"]) == (403, "same_person")
    refused = await act(service, proposed, "reject", "checker")
    assert (refused.status_code, refused.json()["status"]) == (200, "open")
    assert await suspense(service) == 5000


async def test_officers_do_not_overwrite_each_other_and_nothing_is_posted_twice(service: TestService):
    await sent(service, 1)
    await bank(service, camt("camt.054", "N1", [entry(UNKNOWN, "5000")]))
    (one,) = await listed(service)
    assigned = await act(service, one, "assign", "lead", {"owner": "dara"})
    assert (assigned.status_code, assigned.json()["owner"]) == (200, "dara")
    stale = await act(service, one, "propose", "maker", {"action": "came_back", "reason": "seen with the bank"})
    assert stale.status_code == 412
    (one,) = await listed(service, owner="dara")
    await resolve(service, one, "came_back")
    (done,) = await listed(service, status="resolved")
    again = await act(service, done, "approve", "other")
    assert (again.status_code, again.json()["code"]) == (409, "break_state")
    assert await suspense(service) == 0


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"action": "adopt", "reason": "it left, it did not come"}, 422, "break_action"),
        ({"action": "no_effect", "reason": "let us forget about it"}, 422, "break_action"),
        ({"action": "came_back", "reason": "short"}, 422, "validation_error"),
        ({"action": "magic", "reason": "long enough a reason"}, 422, "validation_error"),
    ],
)
async def test_money_in_suspense_leaves_it_only_by_an_explanation(
    service: TestService, body: dict[str, str], status: int, code: str
):
    await sent(service, 1)
    await bank(service, camt("camt.054", "N1", [entry(UNKNOWN, "5000")]))
    (one,) = await listed(service)
    answer = await act(service, one, "propose", "maker", body)
    assert answer.status_code == status
    assert code in (answer.json()["code"], "validation_error")
    assert await suspense(service) == 5000


async def test_a_line_with_another_payee_may_be_found_right_by_two_persons(service: TestService):
    _, (one,) = await sent(service, 1)
    await bank(service, camt("camt.054", "N1", [entry(one.reference, str(one.amount), payee="9999999")]))
    (found,) = await listed(service)
    assert (found["kind"], found["actions"]) == ("payee_mismatch", ["came_back", "charge", "apply"])
    assert await suspense(service) == one.amount
    await resolve(service, found, "apply")
    assert (await states(service, [one]), await suspense(service)) == (["settled"], 0)


async def test_what_is_not_explained_grows_old_in_sight(service: TestService):
    await sent(service, 1)
    await bank(service, camt("camt.054", "N1", [entry(UNKNOWN, "5000")]))
    service.clock.advance(timedelta(days=9))
    await bank(service, camt("camt.053", "S1", [entry("NOTPROVIDED", "7000", direction="CRDT", own="C1")]))
    answer = await service.http.get(f"{BREAKS}:aging", headers=service.token("auditor"))
    assert answer.status_code == 200, answer.text
    found = {(row["kind"], row["bucket"]): row for row in answer.json()}
    assert set(found) == {("unknown_reference", "8-30"), ("unknown_credit", "0-1")}
    assert found["unknown_reference", "8-30"]["suspended_out"].startswith("5000")
    assert found["unknown_credit", "0-1"]["suspended_in"].startswith("7000")
    assert found["unknown_reference", "8-30"]["unowned"] == 1
    assert [one["age_days"] for one in await listed(service, older_than_days=7)] == [9]


async def test_only_those_who_may_see_to_breaks(service: TestService):
    await sent(service, 1)
    await bank(service, camt("camt.054", "N1", [entry(UNKNOWN, "5000")]))
    (one,) = await listed(service)
    body = {"owner": "dara"}
    assert (await act(service, one, "assign", "x", body, role="auditor")).status_code == 403
    assert (await act(service, one, "assign", "x", body, role="commune_officer")).status_code == 403
    assert (await service.http.get(BREAKS, headers=service.token("commune_officer"))).status_code == 403
    unknown = await act(service, one | {"id": "01890000-0000-7000-8000-000000000000"}, "assign", "x", body)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "break_not_found")


def test_what_holds_money_is_never_resolved_without_a_posting():
    for kind in BreakKind:
        for held in (Decimal(5), Decimal(-5)):
            may = actions(kind, held, names_payment=True)
            assert Action.NO_EFFECT not in may
            assert all(explaining(action) for action in may if action is not Action.APPLY)
    assert actions("gap", Decimal(0), names_payment=False) == [Action.NO_EFFECT]


# --- late returns ---------------------------------------------------------------------------------------------------


async def test_a_return_weeks_after_settlement_gives_the_money_back_and_the_payment_can_be_issued_again(
    service: TestService,
):
    message, (one,) = await sent(service, 1)
    await bank(service, camt("camt.054", "N1", [entry(one.reference, str(one.amount))]))
    service.clock.advance(timedelta(weeks=6))
    await bank(service, pacs004("B1", message, one.reference, str(one.amount), reason="AC04"))
    (payment,) = await rows(service, "SELECT status FROM payment WHERE id = :id", id=one.payment_id)
    assert payment["status"] == "returned"
    kinds = await rows(service, "SELECT kind FROM movement WHERE subject_id = :id ORDER BY kind", id=one.id)
    assert [row["kind"] for row in kinds] == ["restore", "return", "settle"]
    assert [type(event).__name__ for event in await service.outbox()] == ["PaymentSettled", "PaymentReturned"]
    assert await listed(service) == []


# --- the sequence of statements -------------------------------------------------------------------------------------


def mt940(number: int, opened: int, closed: int, lines: str = "") -> bytes:
    return (
        f":20:S{number}\n:25:NATBKHPP/0001\n:28C:{number}/1\n:60F:C200727KHR{opened},\n{lines}"
        f":62F:C200728KHR{closed},\n-\n"
    ).encode()


async def test_a_missing_statement_is_noticed_and_its_arrival_resolves_the_gap(service: TestService):
    await bank(service, mt940(14, 1000, 1000), "text/x-mt940")
    await bank(service, mt940(17, 1000, 1000), "text/x-mt940")
    (gap,) = await listed(service)
    assert (gap["kind"], gap["detail"]) == ("gap", "statements 15 to 16 are missing")
    await bank(service, mt940(15, 1000, 1000), "text/x-mt940")
    assert [one["status"] for one in await listed(service)] == ["open"]
    await bank(service, mt940(16, 1000, 1000), "text/x-mt940")
    assert {one["status"] for one in await listed(service)} == {"resolved"}


async def test_statements_whose_balances_do_not_follow_each_other_or_add_up_are_breaks(service: TestService):
    await bank(service, mt940(14, 1000, 1000), "text/x-mt940")
    await bank(service, mt940(15, 900, 800), "text/x-mt940")
    found = await listed(service)
    assert [one["kind"] for one in found] == ["balance", "balance"]
    assert {one["detail"].split(":")[0] for one in found} == {
        "opening balance and entries do not make the closing balance",
        "it does not open where the statement before closed",
    }


async def test_two_statements_of_one_number_are_a_break_unless_one_is_a_copy(service: TestService):
    await bank(service, mt940(14, 1000, 1000), "text/x-mt940")
    await bank(service, mt940(14, 1000, 1000).replace(b":20:S14", b":20:COPY"), "text/x-mt940")
    assert await listed(service) == []
    await bank(service, mt940(14, 1000, 900, ":61:200728D100,NTRFNONREF//B1\n"), "text/x-mt940")
    assert {one["kind"] for one in await listed(service)} == {"balance", "orphan"}


async def test_a_month_that_begins_a_new_sequence_or_counts_on_over_the_new_year_leaves_no_gap(service: TestService):
    last = mt940(365, 1000, 1000).replace(b":62F:C200728", b":62F:C201231")
    await bank(service, last, "text/x-mt940")
    await bank(service, mt940(1, 1000, 1000).replace(b":62F:C200728", b":62F:C210101"), "text/x-mt940")
    assert await listed(service) == []
    await bank(service, mt940(3, 1000, 1000).replace(b":62F:C200728", b":62F:C210103"), "text/x-mt940")
    assert [one["detail"] for one in await listed(service)] == ["statement 2 is missing"]


async def test_statements_of_two_accounts_are_two_sequences(service: TestService):
    await bank(service, mt940(14, 1000, 1000), "text/x-mt940")
    await bank(service, mt940(90, 5, 5).replace(b"/0001", b"/0002"), "text/x-mt940")
    assert await listed(service) == []


async def test_the_number_of_our_own_account_is_not_kept(service: TestService):
    await bank(service, mt940(14, 1000, 1000), "text/x-mt940")
    async with service.database.session() as session:
        row = (await session.execute(text("SELECT * FROM statement_sequence"))).one()
    assert "0001" not in str(row)
