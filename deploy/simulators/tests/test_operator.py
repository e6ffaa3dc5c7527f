"""The simulated operator keeps to the specification's shapes and misbehaves exactly as told."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jsonschema
import pytest
import yaml
from fastapi import FastAPI, Request, Response

from deploy.simulators.mobile_money import __main__ as command
from deploy.simulators.mobile_money.app import create_app
from services.payments.rails.tests.platform import SECRET, serving
from shared.testing.waiting import wait_for

SPECS = Path(os.environ.get("SAMAKI_SPECS", Path(__file__).resolve().parents[4] / "shared" / "specs"))
SPEC = SPECS / "gsma-mobile-money" / "mobile-money-api-specification-1.2.0-disbursements.yaml"


@pytest.fixture
async def operator() -> AsyncIterator[httpx.AsyncClient]:
    async with serving(create_app(SECRET)) as url, httpx.AsyncClient(base_url=url, timeout=10) as client:
        yield client


class Heard:
    """What a subscriber heard."""

    def __init__(self) -> None:
        self.calls: list[tuple[bool, Any]] = []
        self.status = 204
        self.app = FastAPI()

        @self.app.put("/callbacks")
        async def callback(request: Request) -> Response:
            body = await request.body()
            signed = f"{request.headers['x-date']}\n{request.headers['x-correlationid']}\n".encode() + body
            expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
            self.calls.append((request.headers["x-signature"] == expected, await request.json()))
            return Response(status_code=self.status)


@pytest.fixture
async def heard() -> AsyncIterator[tuple[Heard, str]]:
    subscriber = Heard()
    async with serving(subscriber.app) as url:
        yield subscriber, url + "/callbacks"


def body(*numbers: str) -> dict[str, Any]:
    return {
        "transactions": [
            {
                "type": "disbursement",
                "requestingOrganisationTransactionReference": uuid4().hex,
                "amount": "80000",
                "currency": "KHR",
                "debitParty": [{"key": "accountid", "value": "samaki"}],
                "creditParty": [{"key": "msisdn", "value": number}],
            }
            for number in numbers
        ]
    }


async def send(client: httpx.AsyncClient, *numbers: str, callback: str = "", correlation: str = "") -> httpx.Response:
    headers = {"X-CorrelationID": correlation or str(uuid4())} | ({"X-Callback-URL": callback} if callback else {})
    return await client.post("/batchtransactions", json=body(*numbers), headers=headers)


async def behave(client: httpx.AsyncClient, **behaviour: Any) -> None:
    (await client.put("/_control/behaviour", json=behaviour)).raise_for_status()


async def decided(client: httpx.AsyncClient, batch_id: str, completed: int, rejected: int) -> dict[str, Any]:
    async def view() -> dict[str, Any] | None:
        batch = (await client.get(f"/batchtransactions/{batch_id}")).json()
        return batch if (batch["completedCount"], batch["rejectionCount"]) == (completed, rejected) else None

    result = await wait_for(view, what="the batch to be decided")
    assert result is not None
    return result


async def test_answers_have_the_shapes_of_the_specification(operator: httpx.AsyncClient):
    if not SPEC.exists():
        pytest.skip("the GSMA specification is not here: set SAMAKI_SPECS")
    document = yaml.safe_load(SPEC.read_text())

    def check(name: str, instance: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema.Draft4Validator(schema).validate(instance)

    state = (await send(operator, "85512000001", "85512990001")).json()
    check("requestStateObject", state)
    check("responseBatchTransaction", await decided(operator, state["objectReference"], 1, 1))
    base = f"/batchtransactions/{state['objectReference']}"
    (completion,) = (await operator.get(base + "/completions")).json()
    check("responseBatchTransactionCompletion", completion)
    (rejection,) = (await operator.get(base + "/rejections")).json()
    check("responseBatchTransactionRejection", rejection)
    check("responseTransactionType", (await operator.get(completion["link"])).json())
    check("requestStateObject", (await operator.get(f"/requeststates/{state['serverCorrelationId']}")).json())
    check("errorObject", (await operator.get("/batchtransactions/none")).json())
    check("errorObject", (await operator.post("/batchtransactions", json={"transactions": []})).json())
    check("responseHeartbeat", (await operator.get("/heartbeat")).json())


async def test_a_wallets_number_decides_its_fate(operator: httpx.AsyncClient):
    fates = {"990001": "identifierError", "990002": "incorrectState", "990003": "dailyValueLimitExceeded"}
    answer = await send(operator, "85512000001", "85512990004", "85512990005", *(f"85512{end}" for end in fates))
    batch = answer.json()["objectReference"]
    view = await decided(operator, batch, 2, 3)
    assert view["batchStatus"] == "approved"  # one is never decided
    rejected = (await operator.get(f"/batchtransactions/{batch}/rejections")).json()
    assert [row["rejectionReason"] for row in rejected] == list(fates.values())
    completed = (await operator.get(f"/batchtransactions/{batch}/completions")).json()
    assert [row["customData"][0]["value"] for row in completed] == ["80000", "79999"]


async def test_the_same_correlation_id_is_the_same_batch(operator: httpx.AsyncClient):
    correlation, document = str(uuid4()), body("85512000001")
    first, second = [
        await operator.post("/batchtransactions", json=document, headers={"X-CorrelationID": correlation})
        for _ in range(2)
    ]
    assert first.json()["objectReference"] == second.json()["objectReference"]
    link = (await operator.get(f"/responses/{correlation}")).json()["link"]
    assert link == "/batchtransactions/" + first.json()["objectReference"]
    state = (await operator.get("/_control/state")).json()
    assert (state["batches"], state["resubmissions"], state["paid_twice"]) == (1, 1, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"amount": "080"},
        {"amount": "-5"},
        {"amount": "5.50"},
        {"currency": "riel"},
        {"type": "transfer"},
        {"creditParty": []},
    ],
)
async def test_what_breaks_the_specification_is_refused(operator: httpx.AsyncClient, change: dict[str, Any]):
    document = body("85512000001")
    document["transactions"][0] |= change
    answer = await operator.post("/batchtransactions", json=document, headers={"X-CorrelationID": str(uuid4())})
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "formatError")


async def test_a_submission_without_a_correlation_id_is_refused(operator: httpx.AsyncClient):
    answer = await operator.post("/batchtransactions", json=body("85512000001"))
    assert answer.json()["errorCode"] == "mandatoryValueNotSupplied"


async def test_one_signed_callback_tells_of_a_batch(operator: httpx.AsyncClient, heard: tuple[Heard, str]):
    subscriber, url = heard
    state = (await send(operator, "85512000001", callback=url)).json()
    await wait_for(lambda: subscriber.calls, what="the callback")
    ((signed, view),) = subscriber.calls
    assert signed
    assert view["batchId"] == state["objectReference"]


async def test_callbacks_are_forged_doubled_and_contradicted_on_request(
    operator: httpx.AsyncClient, heard: tuple[Heard, str]
):
    subscriber, url = heard
    await behave(operator, callbacks="transaction", forge=True, callback_copies=2)
    await send(operator, "85512990006", callback=url)
    await wait_for(lambda: len(subscriber.calls) == 6, what="six callbacks")
    assert [(signed, view["transactionStatus"]) for signed, view in subscriber.calls] == [
        (False, "completed"),
        (True, "completed"),
        (True, "completed"),
        (False, "failed"),
        (True, "failed"),
        (True, "failed"),
    ]


async def test_a_callback_may_come_before_the_answer(operator: httpx.AsyncClient, heard: tuple[Heard, str]):
    subscriber, url = heard
    await behave(operator, callback_first=True)
    await send(operator, "85512000001", callback=url)
    assert len(subscriber.calls) == 1


async def test_a_late_decision_waits_for_the_word(operator: httpx.AsyncClient):
    await behave(operator, decide=False)
    state = (await send(operator, "85512000001")).json()
    assert (await operator.get(f"/requeststates/{state['serverCorrelationId']}")).json()["status"] == "pending"
    assert (await operator.post("/_control/decide")).json() == {"batches": 1}
    await decided(operator, state["objectReference"], 1, 0)
    await operator.post("/_control/reset")
    assert (await operator.get("/_control/state")).json()["batches"] == 0


async def test_a_subscriber_in_trouble_is_tried_again(operator: httpx.AsyncClient, heard: tuple[Heard, str]):
    subscriber, url = heard
    subscriber.status = 503
    await send(operator, "85512000001", callback=url)
    await wait_for(lambda: len(subscriber.calls) >= 2, what="a second try")


async def test_a_single_disbursement_is_taken_too(operator: httpx.AsyncClient, heard: tuple[Heard, str]):
    subscriber, url = heard
    document = body("85512000001")["transactions"][0]
    del document["type"]
    headers = {"X-CorrelationID": str(uuid4()), "X-Callback-URL": url}
    answer = await operator.post("/transactions/type/disbursement", json=document, headers=headers)
    assert answer.status_code == 202
    await wait_for(lambda: subscriber.calls, what="the callback")
    assert subscriber.calls[0][1]["transactionReference"] == answer.json()["objectReference"]


def test_the_command_needs_its_secret(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.delenv(command.SECRET, raising=False)
    with pytest.raises(SystemExit):
        command.main(["--port", "0"])
    assert command.SECRET in capsys.readouterr().err
