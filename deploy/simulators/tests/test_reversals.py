"""A reversal against the running operator: its answer is lost, it acts once, and its callback brings the money back."""

from __future__ import annotations

import httpx

from deploy.simulators.tests.test_disbursement import all_dispatched
from services.payments.rails.apply_callbacks import apply_callbacks
from services.payments.rails.form_batches import form_batches
from services.payments.rails.reversals.run_reversal import schedule_reversals
from services.payments.rails.tests.platform import balanced, queue, rows, states
from shared.testing.service import TestService
from shared.testing.waiting import wait_for


async def test_a_payment_is_taken_back_once_though_the_answer_was_lost(
    service: TestService, operator: httpx.AsyncClient
):
    await operator.put("/_control/behaviour", json={"callbacks": "transaction"})
    one, other = await queue(service, ["85512000001", "85512000002"])
    await form_batches(service.context)
    await all_dispatched(service)

    async def ended() -> bool:
        await apply_callbacks(service.context)
        return await states(service, [one, other]) == ["settled", "settled"]

    await wait_for(ended, what="the callbacks")
    body = {"payment_id": str(one.payment_id), "reason": "the wallet was sold"}
    asks = service.token("payment_officer", subject="asks")
    asked = (await service.http.post("/payments/v1/reversals", json=body, headers=asks)).json()
    await operator.put("/_control/behaviour", json={"callbacks": "transaction", "stall": 1, "stall_seconds": 3})
    decides = service.token("payment_approver", subject="decides") | {"If-Match": '"1"'}
    assert (await service.http.post(f"/payments/v1/reversals/{asked['id']}:approve", headers=decides)).is_success
    await service.run_jobs()
    (lost,) = await rows(service, "SELECT state, tries FROM rail_reversal")
    assert tuple(lost.values()) == ("asked", 1)

    async def back() -> bool:
        await apply_callbacks(service.context)
        return await states(service, [one, other]) == ["returned", "settled"]

    await wait_for(back, what="the callback of the reversal")
    await rows(service, "UPDATE rail_reversal SET next_at = now() - make_interval(secs => :s) RETURNING id", s=1)
    await schedule_reversals(service.context)
    await service.run_jobs()
    (done,) = await rows(service, "SELECT state FROM rail_reversal")
    assert done["state"] == "done"
    paid = (await operator.get("/_control/payments")).json()
    assert (paid[one.reference], paid[other.reference]) == (0, 1)
    assert await balanced(service)
