"""What resolves a break: which payment it is, who bears the bank's charge, whose fund it was."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import text

from services.payments.ledger.repository import movements, open_fund_accounts, post
from services.payments.ledger.run_self_check import find_differences
from services.payments.rails.form_batches import form_batches
from services.payments.rails.tests.builders import camt, entry, pacs004, pain002
from services.payments.rails.tests.platform import SERVICE, SETTINGS, balanced, rows, sent, states
from services.payments.reconciliation.tests.desk import UNKNOWN, act, bank, listed, resolve, suspense
from shared.testing.plugin import MakeService
from shared.testing.service import TestService


@pytest.fixture
async def service(make_service: MakeService) -> TestService:
    return await make_service(SERVICE, **SETTINGS)


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


async def test_a_second_booking_is_never_explained_by_a_payment_that_has_one(service: TestService):
    _, (one,) = await sent(service, 1)
    await bank(service, camt("camt.054", "N1", [entry(one.reference, str(one.amount), own="B1")]))
    second = entry(one.reference[:16], str(one.amount), own="B2")
    third = entry(one.reference, str(one.amount), own="B3", payee="9999999")
    await bank(service, camt("camt.054", "N2", [second, third]))
    for found in await listed(service):
        named = {"payment_id": str(one.payment_id)} if found["kind"] == "unknown_reference" else {}
        body = {"action": "apply", "reason": "let us forget about it"} | named
        proposed = (await act(service, found, "propose", "maker", body)).json()
        refused = await act(service, proposed, "approve", "checker")
        assert (refused.status_code, refused.json()["code"]) == (422, "break_action")
    assert await suspense(service) == 2 * one.amount


async def test_a_batch_is_not_the_explanation_of_two_sums(service: TestService):
    message, (one,) = await sent(service, 1)
    named = f"<NtryDtls><Btch><PmtInfId>{message}</PmtInfId></Btch></NtryDtls></Ntry>"
    for number in range(2):
        line = entry("x", str(one.amount), own=f"SUM{number}")
        await bank(service, camt("camt.053", f"S{number}", [line[: line.index("<NtryDtls>")] + named]))
    first, second = await listed(service)
    await resolve(service, first, "apply")
    proposed = await act(service, second, "propose", "maker", {"action": "apply", "reason": "seen with the bank"})
    assert (await act(service, proposed.json(), "approve", "checker")).status_code == 422
    assert (await states(service, [one]), await suspense(service)) == (["settled"], one.amount)


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


async def test_a_payment_refused_and_paid_all_the_same_is_paid_once_two_persons_say_so(service: TestService):
    message, (one, other) = await sent(service, 2)
    await bank(service, pain002("R1", message, [(one.reference, "RJCT", "AC04"), (other.reference, "RJCT", "AC04")]))
    await bank(service, camt("camt.054", "N1", [entry(one.reference, str(one.amount))]))
    (found,) = await listed(service)
    assert found["actions"] == ["came_back", "charge", "apply"]
    await resolve(service, found, "apply")
    (payment,) = await rows(service, "SELECT status, attempt FROM payment WHERE id = :id", id=one.payment_id)
    assert (payment["status"], payment["attempt"]) == ("settled", 2)
    attempts = await rows(
        service,
        "SELECT state, batch_id IS NULL AS apart FROM payment_attempt WHERE payment_id = :id ORDER BY attempt",
        id=one.payment_id,
    )
    assert [tuple(row.values()) for row in attempts] == [("failed", False), ("settled", True)]
    assert await form_batches(service.context) == 0  # the second attempt is never sent
    assert (await moved(service, "settle"), await suspense(service)) == (one.amount, 0)
    assert await consistent(service)
    events = [type(event).__name__ for event in await service.outbox()]
    assert events == ["PaymentFailed", "PaymentFailed", "PaymentInstructed", "PaymentSettled"]
    again = entry(one.reference, str(one.amount))
    await bank(service, camt("camt.053", "S1", [again]))
    assert len(await listed(service)) == 1


async def test_a_refused_payment_that_was_issued_again_is_not_settled_by_what_was_booked_for_it(
    service: TestService,
):
    message, (one,) = await sent(service, 1)
    await bank(service, pain002("R1", message, [(one.reference, "RJCT", "AC04")]))
    await rows(
        service, "UPDATE payment SET attempt = 2, status = 'instructed' WHERE id = :id RETURNING id", id=one.payment_id
    )
    await bank(service, camt("camt.054", "N1", [entry(one.reference, str(one.amount))]))
    (found,) = await listed(service)
    proposed = await act(service, found, "propose", "maker", {"action": "apply", "reason": "seen with the bank"})
    refused = await act(service, proposed.json(), "approve", "checker")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_reissuable")
    assert await suspense(service) == one.amount


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
