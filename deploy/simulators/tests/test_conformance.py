"""Our rail's requests, the operator's answers and its callbacks, held to the OpenAPI of the GSMA Mobile Money API 1.2.

The specification is data of other people, read where it lies beside the project; these tests are skipped elsewhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jsonschema
import orjson
import pytest
import yaml
from fastapi import FastAPI, Request, Response
from hypothesis import given
from hypothesis import strategies as st

from deploy.simulators.mobile_money.app import create_app
from services.payments.rails.mobile_money import MobileMoneyRail
from services.payments.rails.port import Answer, BatchHeader, Instruction, Submission
from services.payments.rails.tests.builders import header, instructions
from services.payments.rails.tests.platform import SECRET, serving
from services.payments.reconciliation.gsma import ERROR_CODES
from shared.testing.waiting import wait_for

SPECS = Path(os.environ.get("SAMAKI_SPECS", Path(__file__).resolve().parents[4] / "shared" / "specs"))
SPEC = SPECS / "gsma-mobile-money" / "mobile-money-api-specification-1.2.0-disbursements.yaml"


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    if not SPEC.exists():
        pytest.skip(f"the GSMA specification is not in {SPECS}: set SAMAKI_SPECS")
    loaded: dict[str, Any] = yaml.safe_load(SPEC.read_text(encoding="utf-8"))
    return loaded


class Watched(httpx.AsyncBaseTransport):
    """Passes requests on, and holds each of them and its answer to the specification."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.seen: set[tuple[str, str, int]] = set()
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        body = await response.aread()
        if not request.url.path.startswith("/_control"):
            self._hold(request, response, body)
        return httpx.Response(response.status_code, headers=response.headers, content=body)

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _hold(self, request: httpx.Request, response: httpx.Response, body: bytes) -> None:
        template, values = self._find(request.url.path)
        described = self.document["paths"][template]
        operation = described[request.method.lower()]
        parameters = [self._of(p) for p in [*described.get("parameters", []), *operation.get("parameters", [])]]
        for parameter in parameters:
            where, name = parameter["in"], parameter["name"]
            given_ = {"header": request.headers, "query": request.url.params, "path": values}[where].get(name)
            assert given_ is not None or not parameter.get("required"), (template, name)
            if given_ is not None:
                typed = int(given_) if parameter["schema"].get("type") == "integer" else given_
                self.check(parameter["schema"], typed)
        known = {p["name"] for p in parameters if p["in"] == "query"}
        assert set(request.url.params) <= known, template
        if "requestBody" in operation and response.is_success:
            self.check(self._body(operation["requestBody"]), orjson.loads(request.content))
        told = operation["responses"].get(response.status_code) or operation["responses"][str(response.status_code)]
        self.check(told["content"]["application/json"]["schema"], orjson.loads(body))
        for moment in (request.headers.get("X-Date"), response.headers["X-Date"]):
            assert moment is None or datetime.fromisoformat(moment).tzinfo is not None
        for name, node in told.get("headers", {}).items():
            value = response.headers[name]
            self.check(self._of(node)["schema"], int(value) if value.isdecimal() else value)
        self.seen.add((request.method, template, response.status_code))

    def _find(self, path: str) -> tuple[str, dict[str, str]]:
        for template in self.document["paths"]:
            pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template)
            if match := re.fullmatch(pattern, path):
                return template, match.groupdict()
        raise AssertionError(f"the specification has no such path: {path}")

    def _of(self, node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            found: Any = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            node = found
        return node

    def _body(self, node: dict[str, Any]) -> dict[str, Any]:
        schema: dict[str, Any] = self._of(node)["content"]["application/json"]["schema"]
        return schema

    def check(self, schema: dict[str, Any], instance: Any) -> None:
        rooted = {"allOf": [schema], "components": self.document["components"]}
        jsonschema.Draft4Validator(rooted, format_checker=jsonschema.FormatChecker()).validate(instance)


@pytest.fixture
async def watched(document: dict[str, Any]) -> AsyncIterator[tuple[MobileMoneyRail, httpx.AsyncClient, Watched]]:
    transport = Watched(document)
    async with (
        serving(create_app(SECRET)) as url,
        httpx.AsyncClient(base_url=url, transport=transport, timeout=10) as client,
    ):
        yield MobileMoneyRail(client, "http://127.0.0.1:9/callbacks", "samaki"), client, transport


def wallets(*numbers: str) -> list[Instruction]:
    return [replace(one, number=number) for one, number in zip(instructions(len(numbers)), numbers, strict=True)]


async def sent(rail: MobileMoneyRail, members: list[Instruction]) -> tuple[BatchHeader, Submission]:
    batch = header(members, rail="mobile_money")
    submission = await rail.submit(batch, members)
    return replace(batch, reference=submission.reference), submission


Rig = tuple[MobileMoneyRail, httpx.AsyncClient, Watched]


async def test_everything_the_rail_asks_and_every_answer_is_as_specified(watched: Rig) -> None:
    rail, client, transport = watched
    batch, submission = await sent(rail, wallets("85512000001", "85512990001", "85512000002"))
    assert submission.answer is Answer.ACCEPTED
    one, single = await sent(rail, wallets("+85512000003"))
    assert single.answer is Answer.ACCEPTED
    for located in (batch, one):
        assert (await rail.query(located)).reference == located.reference

    async def all_told() -> bool:
        return len([d async for d in rail.fetch([batch, one])]) == 3

    await wait_for(all_told, what="completions, a rejection and a transaction")
    reference = one.reference.removeprefix("transactions/")
    identity = uuid4()
    for _ in range(2):
        assert (await rail.reverse(reference, identity, one.created_at)).answer is Answer.ACCEPTED
    assert (await rail.reverse(reference, uuid4(), one.created_at)).reason_code == "incorrectState"
    assert (await rail.reverse("T-none", uuid4(), one.created_at)).answer is Answer.DEFERRED  # a 404 is not looked at
    assert await rail.look(reference, one.id) is not None
    assert (await rail.query(replace(batch, id=uuid4()))).answer is Answer.ABSENT
    state = (await client.get(f"/responses/{identity}")).json()["link"]
    assert (await client.get(state)).json()["originalTransactionReference"] == reference
    made = (await client.post("/batchtransactions", content=b"{}")).json()
    assert made["errorCode"] == "formatError"
    await client.put("/_control/behaviour", json={"maintenance": True})
    assert (await rail.query(batch)).answer is Answer.UNKNOWN
    assert transport.seen >= {
        ("POST", "/batchtransactions", 202),
        ("POST", "/transactions/type/{transactionType}", 202),
        ("POST", "/transactions/{transactionReference}/reversals", 202),
        ("POST", "/transactions/{transactionReference}/reversals", 400),
        ("POST", "/transactions/{transactionReference}/reversals", 404),
        ("GET", "/transactions/{transactionReference}", 200),
        ("GET", "/batchtransactions/{batchId}", 200),
        ("GET", "/batchtransactions/{batchId}/completions", 200),
        ("GET", "/batchtransactions/{batchId}/rejections", 200),
        ("GET", "/responses/{clientCorrelationId}", 200),
        ("GET", "/responses/{clientCorrelationId}", 404),
        ("GET", "/responses/{clientCorrelationId}", 503),
    }


async def test_a_request_of_another_type_and_a_used_correlation_id_are_errors_as_specified(watched: Rig) -> None:
    _, client, transport = watched
    body = {"amount": "1", "currency": "KHR", "creditParty": [{"key": "msisdn", "value": "85512000001"}]}
    headers = {"X-CorrelationID": str(uuid4())}
    transfer = await client.post("/transactions/type/transfer", json=body, headers=headers)
    assert transfer.json()["errorCode"] == "transactionTypeError"
    for amount, status in (("1", 202), ("1", 202), ("2", 400)):
        answer = await client.post("/transactions/type/disbursement", json=body | {"amount": amount}, headers=headers)
        assert answer.status_code == status
    assert answer.json()["errorCode"] == "duplicateRequest"
    assert ("POST", "/transactions/type/{transactionType}", 400) in transport.seen


@given(st.decimals(min_value=Decimal("0.01"), max_value=Decimal("9999999999999999.99"), places=2))
def test_every_amount_is_written_as_the_specification_wants_it(amount: Decimal) -> None:
    rail = MobileMoneyRail(httpx.AsyncClient(), "", "samaki")
    written = rail._transaction(replace(instructions(1)[0], amount=amount, currency="USD"))["amount"]
    assert re.fullmatch(r"([0]|([1-9][0-9]{0,17}))([.][0-9]{0,3}[1-9])?", written)
    assert Decimal(written) == amount


def test_the_harmonised_error_codes_are_those_of_the_specification(document: dict[str, Any]) -> None:
    told = document["components"]["schemas"]["errorObject"]["properties"]["errorCode"]["enum"]
    assert set(told) == ERROR_CODES


class Subscriber:
    """Keeps the callbacks it hears, in order."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], Any]] = []
        self.app = FastAPI()
        self.app.add_api_route("/callbacks", self._take, methods=["PUT"])

    async def _take(self, request: Request) -> Response:
        self.heard.append((dict(request.headers), await request.json()))
        return Response(status_code=204)


CALLBACKS = {
    "a batch": (["85512000001", "85512000002"], "complete", "/batchtransactions", "responseBatchTransaction"),
    "a disbursement": (["85512000001"], "complete", "/transactions/type/{transactionType}", "responseTransaction"),
    "a failed one": (["85512990001"], "complete", "/transactions/type/{transactionType}", "errorObject"),
    "a reversal": (["85512000001"], "complete", "/transactions/{transactionReference}/reversals", "responseReversal"),
    "a failed reversal": (["85512000001"], "fail", "/transactions/{transactionReference}/reversals", "errorObject"),
}


@pytest.mark.parametrize("name", CALLBACKS)
async def test_a_callback_is_the_one_that_the_operation_describes(document: dict[str, Any], name: str) -> None:
    numbers, reversals, path, schema = CALLBACKS[name]
    described = document["paths"][path]["post"]["callbacks"]
    bodies = {
        document["components"]["requestBodies"][event["put"]["requestBody"]["$ref"].rpartition("/")[2]]["content"][
            "application/json"
        ]["schema"]["$ref"].rpartition("/")[2]
        for callback in described.values()
        for event in callback.values()
    }
    assert schema in bodies
    subscriber, watched = Subscriber(), Watched(document)
    async with (
        serving(subscriber.app) as there,
        serving(create_app(SECRET)) as url,
        httpx.AsyncClient(base_url=url, transport=watched, timeout=10) as client,
    ):
        await client.put("/_control/behaviour", json={"reversals": reversals})
        rail = MobileMoneyRail(client, f"{there}/callbacks", "samaki")
        batch, submission = await sent(rail, wallets(*numbers))
        await wait_for(lambda: len(subscriber.heard) == 1, what="the callback")
        correlation = batch.id
        if "reversal" in name:
            correlation = uuid4()
            reference = submission.reference.removeprefix("transactions/")
            assert (await rail.reverse(reference, correlation, batch.created_at)).answer is Answer.ACCEPTED
            await wait_for(lambda: len(subscriber.heard) == 2, what="the callback of the reversal")
        headers, body = subscriber.heard[-1]
        watched.check({"$ref": f"#/components/schemas/{schema}"}, body)
        assert headers["x-correlationid"] == str(correlation)
        watched.check(document["components"]["parameters"]["X-Date"]["schema"], headers["x-date"])
