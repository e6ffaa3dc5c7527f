"""Several accounts for one person: preference, proof, cooling-off, the provider's word, history; never a deletion."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.payments.accounts.model import Validation
from services.payments.accounts.validation import verdict_of
from services.payments.rails.port import NameCheck
from services.payments.tests.builders import CORE, SETTINGS, Cycle, Office, grants
from shared.testing.plugin import MakeService

PROOF = {"kind": "identity_document", "reference": "card seen, copy K-99"}


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (None, Validation.UNKNOWN),
        (NameCheck(exists=False, payable=False), Validation.NOT_FOUND),
        (NameCheck(exists=True, payable=False), Validation.MISMATCHED),
        (NameCheck(exists=True, payable=True, name_agrees=False), Validation.MISMATCHED),
        (NameCheck(exists=True, payable=True, name_agrees=True), Validation.MATCHED),
        (NameCheck(exists=True, payable=True), Validation.PARTIAL),
    ],
)
def test_what_a_providers_answer_means(answer: Any, verdict: Validation) -> None:
    assert verdict_of(answer) is verdict


def account(person: Any, number: str, preference: int, **more: Any) -> dict[str, Any]:
    return {
        "beneficiary_id": str(person),
        "rail": "bank",
        "provider": "ABAAKHPP",
        "account_number": number,
        "holder_name": "Sok Dara",
        "preference": preference,
        **more,
    }


async def test_the_preferred_account_is_paid_to_once_a_second_person_has_confirmed_it(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(1))
    person = cycle.granted[0].beneficiary_id
    await office.service.deliver(*cycle.enrolments(), *cycle.entitlements(), cycle.closed())
    await office.open_fund()
    first = await office.post("/accounts", office.maker, account(person, "111222333", 2), 201)
    assert first.json()["usable_from"] is None
    better = await office.post("/accounts", office.maker, account(person, "444555666", 1, proof=PROOF), 201)
    assert better.json()["usable_from"] is not None
    built = await office.build(cycle)
    assert [item["reason"] for item in built["excluded"]] == ["account_changed"]
    second = office.service.token("payment_officer", subject="officer-2")
    tag = {"If-Match": better.headers["ETag"]}
    path = f"/accounts/{better.json()['id']}"
    assert (await office.post(f"{path}:confirm", office.maker, {"reason": "mine"}, 403, **tag)).json()[
        "code"
    ] == "same_person"
    await office.post(f"{path}:confirm", second, {"reason": "card seen"}, 200, **tag)

    class Bank:
        async def check_account(self, provider: str, number: str, holder_name: str) -> NameCheck:
            return NameCheck(exists=True, payable=True, name_agrees=number.startswith("1"))

    monkeypatch.setattr(type(office.service.context.resources.rails), "account_checker", lambda *_: Bank())
    for one, expected in ((first, "matched"), (better, "mismatched")):
        asked = f"/accounts/{one.json()['id']}"
        await office.post(f"{asked}:validate", office.maker, None, 202, **{"If-Match": one.headers["ETag"]})
        await office.service.run_jobs()
        assert (await office.get(asked))["validation"] == expected
    again = Cycle(cycle.granted, period="2020-08")
    await office.service.deliver(*again.entitlements(), again.closed(period="2020-08"))
    rebuilt = await office.build(again)
    assert [item["reason"] for item in rebuilt["excluded"]] == ["account_invalid"]

    await office.post(f"{path}:close", office.maker, {"reason": "closed at the bank"}, 200, **tag)
    closed = await office.post(f"{path}:confirm", second, {"reason": "card seen"}, 409, **{"If-Match": '"2"'})
    assert closed.json()["code"] == "account_state"
    listed = await office.get(f"/beneficiaries/{person}/accounts")
    assert [(item["status"], item["preference"]) for item in listed] == [("active", 2), ("closed", 1)]
    history = await office.get(f"{path}/history")
    assert [(item["version"], item["status"], item["proof_kind"]) for item in history] == [
        (2, "closed", None),
        (1, "active", "identity_document"),
    ]
    await office.get(f"/accounts/{uuid4()}/history", status=404)
    async with office.service.database.session() as session:
        dump = " ".join(await session.scalars(text("SELECT CAST(h AS text) FROM account_history h")))
        assert "K-99" not in dump
        assert b"K-99".hex() not in dump
    with pytest.raises(DBAPIError):
        async with office.service.database.session() as session:
            await session.execute(text("DELETE FROM account"))
