"""Breaks: suspense, owners, ages, two persons; gaps between statements; late returns."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from services.payments.ledger.repository import movements, open_fund_accounts, post
from services.payments.ledger.run_self_check import find_differences
from services.payments.rails.tests.builders import camt, entry, pacs004, pain002
from services.payments.rails.tests.platform import SERVICE, SETTINGS, balanced, rows, sent, states
from services.payments.reconciliation.model import BreakKind
from services.payments.reconciliation.resolution import Action, actions, explaining
from shared.testing.plugin import MakeService
from shared.testing.service import TestService

INBOX = "/payments/v1/rails/bank/inbox"
BREAKS = "/payments/v1/reconciliation/breaks"
UNKNOWN = "f" * 32


@pytest.fixture
async def service(make_service: MakeService) -> TestService:
    return await make_service(SERVICE, **SETTINGS)


async def bank(service: TestService, body: bytes, media: str = "application/xml") -> dict[str, Any]:
    headers = service.token("integration") | {"Content-Type": media}
    answer = await service.http.post(INBOX, content=body, headers=headers)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def listed(service: TestService, **params: Any) -> list[dict[str, Any]]:
    answer = await service.http.get(BREAKS, params=params, headers=service.token("auditor"))
    assert answer.status_code == 200
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def suspense(service: TestService) -> Decimal:
    """What suspense holds: above zero left our account unexplained."""
    (row,) = await rows(
        service,
        """
        SELECT COALESCE(sum(p.amount), 0) AS total FROM posting p
        JOIN ledger_account a ON a.id = p.ledger_account_id WHERE a.type = 'suspense'
        """,
    )
    total: Decimal = row["total"]
    return total


async def act(service: TestService, one: dict[str, Any], verb: str, officer: str, body: Any = None, **more: Any) -> Any:
    headers = service.token(more.get("role", "finance_officer"), subject=officer) | {
        "If-Match": f'"{more.get("version", one["version"])}"'
    }
    return await service.http.post(f"{BREAKS}/{one['id']}:{verb}", json=body, headers=headers)


async def resolve(service: TestService, one: dict[str, Any], action: str, **more: Any) -> None:
    proposed = await act(service, one, "propose", "maker", {"action": action, "reason": "seen with the bank"} | more)
    assert proposed.status_code == 200, proposed.text
    approved = await act(service, proposed.json(), "approve", "checker")
    assert approved.status_code == 200, approved.text
    assert (approved.json()["status"], approved.json()["resolved_by"]) == ("resolved", "checker")


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
    assert (one["kind"], one["suspended"], one["actions"]) == ("unknown_credit", "-7000", ["sent_back", "adopt", "apply"])
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
    assert (found["kind"], found["actions"]) == ("payee_mismatch", ["apply", "no_effect"])
    await resolve(service, found, "apply")
    assert await states(service, [one]) == ["settled"]


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


# --- which payment, whose charge, whose fund ------------------------------------------------------------------------


async def released(service: TestService, amount: int, fund: str = "F1") -> None:
    """Give a fund money that may be spent."""
    async with service.database.session() as session:
        await open_fund_accounts(session, fund, "KHR")
        await post(session, _RELEASED, {"fund": fund, "amount": amount})


_RELEASED = movements(
    """
    SELECT uuidv7() AS subject_id, 'release_funds' AS kind, 0 AS number, current_date AS effective_on,
        CAST(:fund AS text) AS fund_code, '' AS programme_code, '' AS rail, '' AS party,
        CAST(:amount AS numeric) AS amount, 'KHR' AS currency
    """
)


async def moved(service: TestService, kind: str, fund: str = "F1") -> Decimal:
    """What movements of this kind booked in a fund."""
    (row,) = await rows(
        service,
        """
        SELECT COALESCE(sum(m.amount), 0) AS n FROM movement m JOIN ledger_account a ON a.id = m.debit_account_id
        WHERE m.kind = :kind AND a.fund_code = :fund
        """,
        kind=kind,
        fund=fund,
    )
    found: Decimal = row["n"]
    return found


async def consistent(service: TestService) -> bool:
    """Whether suspense holds what unresolved breaks say, statements agree, and the books balance."""
    async with service.database.session() as session:
        report = await find_differences(session)
    wrong = [item for item in report["items"] if item["check"] in ("suspense", "statement_line", "unwitnessed")]
    return wrong == [] and await balanced(service)


async def test_a_return_from_which_the_bank_kept_a_charge_comes_back_and_the_fund_bears_the_charge(
    service: TestService,
):
    message, (one,) = await sent(service, 1)
    await bank(service, camt("camt.054", "N1", [entry(one.reference, str(one.amount))]))
    await bank(service, pacs004("R1", message, one.reference, str(one.amount - 500)))
    back = entry(one.reference, str(one.amount - 500), direction="CRDT", returned="AC04", own="R1")
    await bank(service, camt("camt.053", "S1", [back]))
    assert await states(service, [one]) == ["settled"]
    told, found = await listed(service)
    assert (told["kind"], told["suspended"], told["actions"]) == ("amount_mismatch", "0", ["apply", "no_effect"])
    assert (found["kind"], found["suspended"]) == ("amount_mismatch", str(500 - one.amount))
    await resolve(service, found, "apply")
    await resolve(service, told, "no_effect")
    assert await states(service, [one]) == ["returned"]
    assert (await moved(service, "restore"), await moved(service, "charge")) == (one.amount, 500)
    assert await suspense(service) == 0
    assert await consistent(service)


async def test_a_debit_with_the_banks_charge_in_it_settles_and_the_fund_bears_the_charge(service: TestService):
    _, (one,) = await sent(service, 1)
    await released(service, 1_000)
    await bank(service, camt("camt.054", "N1", [entry(one.reference, str(one.amount + 300), own="B1")]))
    await bank(service, camt("camt.053", "S1", [entry(one.reference, str(one.amount + 300), own="B1")]))
    (found,) = await listed(service)  # told twice, one break
    assert (found["suspended"], found["actions"]) == (str(one.amount + 300), ["came_back", "charge", "apply"])
    await resolve(service, found, "apply")
    assert await states(service, [one]) == ["settled"]
    assert (await moved(service, "settle"), await moved(service, "charge")) == (one.amount, 300)
    (batch,) = await rows(service, "SELECT state FROM batch")
    assert (batch["state"], await suspense(service)) == ("completed", 0)
    assert await consistent(service)


async def test_a_charge_that_the_fund_has_not_got_waits_for_a_release(service: TestService):
    await sent(service, 1)
    await bank(service, camt("camt.054", "N1", [entry(UNKNOWN, "5000")]))
    (one,) = await listed(service)
    proposed = await act(service, one, "propose", "maker", {"action": "charge", "reason": "seen with the bank"})
    refused = await act(service, proposed.json(), "approve", "checker")
    assert (refused.status_code, refused.json()["code"]) == (409, "fund_insufficient")
    assert await suspense(service) == 5000
    await released(service, 5_000)
    assert (await act(service, proposed.json(), "approve", "checker")).status_code == 200
    assert await suspense(service) == 0


async def test_less_than_the_payment_never_settles_it_on_anybodys_word(service: TestService):
    _, (one,) = await sent(service, 1)
    await bank(service, camt("camt.054", "N1", [entry(one.reference, "1.00")]))
    (found,) = await listed(service)
    refused = await act(service, found, "propose", "maker", {"action": "apply", "reason": "seen with the bank"})
    assert (refused.status_code, refused.json()["code"]) == (422, "break_action")
    assert (await states(service, [one]), await suspense(service)) == (["sent"], 1)


async def test_a_booking_whose_reference_the_bank_cut_short_is_given_its_payment_by_two_persons(service: TestService):
    _, (one, other) = await sent(service, 2)
    await bank(service, camt("camt.054", "N1", [entry(one.reference[:16], str(one.amount))]))
    (found,) = await listed(service)
    assert found["kind"] == "unknown_reference"
    reason = {"action": "apply", "reason": "the bank's terminal cuts references"}
    unnamed = await act(service, found, "propose", "maker", reason)
    wrong = await act(service, found, "propose", "maker", reason | {"payment_id": str(other.payment_id)})
    nobody = await act(service, found, "propose", "maker", reason | {"payment_id": found["id"]})
    assert [answer.status_code for answer in (unnamed, wrong, nobody)] == [422] * 3
    named = reason | {"payment_id": str(one.payment_id)}
    proposed = (await act(service, found, "propose", "maker", named)).json()
    assert (proposed["payment_id"], Decimal(proposed["expected_amount"])) == (str(one.payment_id), one.amount)
    rejected = (await act(service, proposed, "reject", "checker")).json()
    assert (rejected["payment_id"], rejected["expected_amount"]) == (None, None)
    await resolve(service, rejected, "apply", payment_id=str(one.payment_id))
    assert await states(service, [one, other]) == ["settled", "sent"]
    assert await suspense(service) == 0
    assert await consistent(service)


async def test_a_return_that_the_bank_sends_as_a_plain_credit_is_given_its_payment_by_two_persons(
    service: TestService,
):
    _, (one,) = await sent(service, 1)
    await bank(service, camt("camt.054", "N1", [entry(one.reference, str(one.amount))]))
    await bank(service, camt("camt.053", "S1", [entry(one.reference, str(one.amount), direction="CRDT", own="C1")]))
    (found,) = await listed(service)
    assert (found["kind"], found["payment_id"]) == ("unknown_credit", str(one.payment_id))
    await resolve(service, found, "apply")
    assert await states(service, [one]) == ["returned"]
    assert (await moved(service, "restore"), await suspense(service)) == (one.amount, 0)
    assert await consistent(service)


async def test_a_batch_that_the_bank_books_as_one_sum_is_settled_by_two_persons_if_the_sum_is_right(
    service: TestService,
):
    message, (refused, *paid) = await sent(service, 3)
    await bank(service, pain002("R1", message, [(refused.reference, "RJCT", "AC04")]))
    whole = sum((one.amount for one in paid), Decimal(0))
    for number, amount in enumerate((whole + 1, whole)):
        line = entry("x", str(amount), own=f"SUM{number}")
        named = f"<NtryDtls><Btch><PmtInfId>{message}</PmtInfId></Btch></NtryDtls></Ntry>"
        await bank(service, camt("camt.053", f"S{number}", [line[: line.index("<NtryDtls>")] + named]))
    wrong, right = await listed(service)
    assert {one["end_to_end_id"] for one in (wrong, right)} == {message}
    proposed = await act(service, wrong, "propose", "maker", {"action": "apply", "reason": "seen with the bank"})
    answer = await act(service, proposed.json(), "approve", "checker")
    assert (answer.status_code, answer.json()["code"]) == (422, "break_action")
    await resolve(service, right, "apply")
    assert await states(service, [refused, *paid]) == ["failed", "settled", "settled"]
    (batch,) = await rows(service, "SELECT state FROM batch")
    assert (batch["state"], await suspense(service)) == ("completed", whole + 1)
    assert await consistent(service)


async def test_what_contradicts_and_is_told_twice_is_in_suspense_once(service: TestService):
    message, (one,) = await sent(service, 1)
    await bank(service, pain002("R1", message, [(one.reference, "RJCT", "AC04")]))
    booked = entry(one.reference, str(one.amount), own="B1")
    back = entry(one.reference, str(one.amount), direction="CRDT", returned="AC04", own="B2")
    for document, kind in (("N1", "camt.054"), ("S1", "camt.053")):
        await bank(service, camt(kind, document, [booked, back]))
    assert [(found["kind"], found["offered"]) for found in await listed(service)] == [
        ("contradiction", "settled"),
        ("contradiction", "returned"),
    ]
    assert await suspense(service) == 0  # it left and came back: each side is explained
    assert await consistent(service)


async def test_with_several_funds_of_a_currency_unknown_money_is_still_held_until_somebody_says_whose_it_is(
    service: TestService,
):
    await sent(service, 1)
    async with service.database.session() as session:
        await session.execute(
            text(
                "INSERT INTO fund (code, currency, programme_lines, allotment, priority, created_by) VALUES"
                " ('F2', 'KHR', '{L2}', 0, 2, 'test'), ('FUSD', 'USD', '{L2}', 0, 1, 'test')"
            )
        )
    await bank(service, camt("camt.053", "S1", [entry("NOTPROVIDED", "7000", direction="CRDT", own="C1")]))
    (one,) = await listed(service)
    assert (one["fund_code"], one["suspended"]) == ("F1", "-7000")
    body = {"action": "adopt", "reason": "a donor's money, see the letter"}
    for fund, status in (("FUSD", 422), ("NONE", 404)):
        assert (await act(service, one, "propose", "maker", body | {"fund_code": fund})).status_code == status
    await resolve(service, one, "adopt", fund_code="F2")
    assert (await moved(service, "adopt", "F1"), await moved(service, "adopt", "F2")) == (0, 7000)
    assert await suspense(service) == 0
    assert await consistent(service)


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
