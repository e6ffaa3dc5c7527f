"""Whatever a source sends, the answer is clean, and nothing half-read is kept (law 9)."""

from __future__ import annotations

import random
from typing import Any

import pytest

from services.payments.edges.tests.builders import EDGES, SETTINGS, SourceBB, request_id, rows
from services.payments.edges.tests.mutations import changed, places
from shared import migrations
from shared.testing.plugin import MakeService

NASTY: tuple[Any, ...] = (
    None, True, -1, 0, 10**30, 1.5, "", " ", "\x00", "x" * 100_000, "'; DROP TABLE payment; --", "ខ្មែរ", "NaN", "-5",
    "1e400", [], {}, [[]], {"a": {}}, "\ud800",
)  # fmt: skip


def encoded(document: Any) -> bytes:
    """As JSON, lone surrogates included, which orjson would not write."""
    import json

    return json.dumps(document).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("seed", range(2))
async def test_no_value_anywhere_in_a_govstack_message_is_answered_with_500(
    make_service: MakeService, seed: int
) -> None:
    source = SourceBB(await make_service(EDGES, **SETTINGS))
    await source.register()
    await source.beneficiaries(["A"])
    chance = random.Random(seed)
    vouchers = {
        "requestID": request_id(),
        "batchID": "VB",
        "voucherInstructions": [
            {"instructionID": "1", "groupCode": "A", "currency": "KHR", "amount": 5, "payeeFunctionalID": "A"}
        ],
    }
    beneficiaries = {
        "RequestID": request_id(),
        "SourceBBID": source.code,
        "Beneficiaries": [
            {
                "PayeeFunctionalID": "B",
                "PaymentModality": "01",
                "FinancialAddress": "85512000001",
                "BankingInstitutionCode": "WING",
            }
        ],
    }
    messages = {
        "/bulk-payment": source.bulk(["A"]),
        "/prepayment-validation": source.bulk(["A"]),
        "/register-beneficiary": beneficiaries,
        "/update-beneficiary-details": beneficiaries,
        "/vouchers": vouchers,
    }
    for path, message in messages.items():
        spots = list(places(message))
        for _ in range(25):
            body = changed(message, chance.choice(spots), chance.choice(NASTY))
            answer = await source.post(path, encoded(body))
            assert answer.status_code < 500, (path, answer.text)
            assert "ResponseCode" in answer.json() or answer.status_code >= 400
    await source.service.run_jobs()
    stored = await rows(source.service, "SELECT count(*) AS n FROM cycle WHERE count = 0 OR amount = 0")
    assert stored == [{"n": 0}]


async def test_no_value_anywhere_in_a_signed_message_is_answered_with_500(make_service: MakeService) -> None:
    source = SourceBB(await make_service(EDGES, **SETTINGS))
    await source.register()
    chance = random.Random(7)
    content = {
        "transaction_id": "T1",
        "disbursements": [
            {
                "reference_id": "R1",
                "payer_fa": "account:1@treasury",
                "payee_fa": "id:1@nid",
                "amount": "10.00",
                "currency_code": "KHR",
            }
        ],
    }
    spots = list(places(content))
    for _ in range(40):
        body = changed(content, chance.choice(spots), chance.choice(NASTY))
        try:
            message = source.message("disburse", body, 1)
        except (ValueError, UnicodeEncodeError):
            continue  # a fraction or a lone surrogate cannot even be signed
        answer = await source.g2p("/disburse", encoded(message))
        assert answer.status_code < 500, answer.text
        assert answer.json()["message"]["ack_status"] in ("ACK", "ERR")


async def test_the_revision_goes_down_and_up_again(make_service: MakeService) -> None:
    service = await make_service(EDGES, **SETTINGS)
    settings = service.context.settings
    url, schema = settings.database_url.get_secret_value(), settings.schema_name
    await migrations.downgrade(EDGES.migrations, url, schema, "0004")
    assert await rows(service, "SELECT to_regclass('external_order') AS found") == [{"found": None}]
    await migrations.upgrade(EDGES.migrations, url, schema)
    assert await rows(service, "SELECT count(*) AS n FROM external_order") == [{"n": 0}]
