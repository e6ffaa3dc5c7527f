"""The G2P Connect edge: signed, acknowledged, answered by callback."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.payments.edges.g2p_connect.signature import sign, verify
from services.payments.edges.orders.report_orders import report_orders
from services.payments.edges.sources.model import SigningKey, Source
from services.payments.edges.tests.builders import EDGES, SETTINGS, SourceBB, rows
from services.payments.edges.tests.specifications import answer_schema, request_schema, specification, valid
from shared.testing.plugin import MakeService


async def registered(make_service: MakeService, **changes: Any) -> SourceBB:
    source = SourceBB(await make_service(EDGES, **SETTINGS))
    await source.register(**changes)
    return source


def disbursements(*payees: str, amount: str = "10000.00", **changes: Any) -> dict[str, Any]:
    return {
        "transaction_id": str(uuid4()),
        "disbursements": [
            {
                "reference_id": f"R{number}-{uuid4().hex[:6]}",
                "payer_fa": "account:1@treasury",
                "payee_fa": payee,
                "amount": amount,
                "currency_code": "KHR",
            }
            | changes
            for number, payee in enumerate(payees)
        ],
    }


async def test_a_transaction_is_acknowledged_prepared_and_answered_as_specified(make_service: MakeService) -> None:
    document = specification("g2p-connect", "disburse_core_api_v1.0.0.yaml")
    source = await registered(make_service)
    await source.link(["id:1@nid", "id:2@nid"])
    content = disbursements("ID:1@NID", "mobile:85512000001@wing", "id:3@nid", "account:9@nowhere")
    message = source.message("disburse", content, 4)
    valid(document, request_schema(document, "/disburse"), message)
    acknowledged = await source.g2p("/disburse", message, 202)
    valid(document, answer_schema(document, "/disburse", "post", "default"), acknowledged.json())
    assert acknowledged.json()["message"]["ack_status"] == "ACK"
    await source.service.run_jobs()
    (order,) = await source.orders()
    assert (order["accepted_count"], order["batch_id"]) == (2, content["transaction_id"])
    assert order["id"] == acknowledged.json()["message"]["correlation_id"]

    references = [item["reference_id"] for item in content["disbursements"]]
    asked = {
        "transaction_id": str(uuid4()),
        "txnstatus_request": {
            "reference_id": "S1",
            "txn_type": "disburse",
            "attribute_type": "reference_id_list",
            "attribute_value": references[:3],
        },
    }
    body = source.message("search", asked, 1)
    answer = await source.g2p("/disburse/sync/txn/status", body, 200)
    schema = answer_schema(document, "/disburse/sync/txn/status", "post", "default")
    valid(document, schema, answer.json())
    told = answer.json()["message"]["txnstatus_response"]["txn_status"]["disbursements_status"]
    assert [(item["reference_id"], item["status"]) for item in told] == [
        (references[0], "pdng"),
        (references[1], "pdng"),
        (references[2], "rjct"),
    ]
    assert told[2]["status_reason_code"] == "rjct.payee_fa.invalid"
    await source.g2p("/disburse/txn/status", source.message("on-disburse", asked, 1), 202)
    (called,) = await source.callbacks("on-disburse")
    valid(document, request_schema(document, "/disburse/txn/on-status"), called)
    _ours(source, called)


async def test_on_disburse_tells_a_refused_transaction_signed_by_us(make_service: MakeService) -> None:
    from services.payments.edges.orders.report_orders import report_orders

    document = specification("g2p-connect", "disburse_core_api_v1.0.0.yaml")
    source = await registered(make_service)
    content = disbursements("id:1@nid", amount="10000.50")
    await source.g2p("/disburse", source.message("disburse", content, 1), 202)
    await source.service.run_jobs()
    assert await report_orders(source.service.context) == 1
    (told,) = await source.callbacks("order")
    valid(document, request_schema(document, "/on-disburse"), told)
    _ours(source, told)
    (status,) = told["message"]["disbursements_status"]
    assert (status["status"], status["status_reason_code"]) == ("rjct", "rjct.amount.invalid")


def _ours(source: SourceBB, message: dict[str, Any]) -> None:
    """The signature is ours, by the key we publish."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from services.payments.edges.g2p_connect.words import OUR_ID, our_key

    public = our_key(SETTINGS["encryption_key"]).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    ours = Source("x", "", "", "", "", "", "", OUR_ID, "", (SigningKey("1", public),), ())
    verify(ours, message["signature"], message["header"], message["message"], source.service.clock.now())


async def test_what_is_unsigned_forged_altered_expired_or_somebody_elses_is_never_accepted(
    make_service: MakeService,
) -> None:
    """Fault 13 at this door."""
    source = await registered(make_service)
    other = SourceBB(source.service, "OTHER", "source-2")
    await other.register()
    good = source.message("disburse", disbursements("id:1@nid"), 1)
    now = source.service.clock.now()

    def changed(**parts: Any) -> dict[str, Any]:
        return copy.deepcopy(good) | parts

    altered = copy.deepcopy(good)
    altered["message"]["disbursements"][0]["amount"] = "99999.00"
    redirected = copy.deepcopy(good)
    redirected["header"]["sender_uri"] = "http://127.0.0.1:9/elsewhere"
    stranger = sign(Ed25519PrivateKey.generate(), source.sender, "k1", good["header"], good["message"], now)
    unknown_key = sign(source.key, source.sender, "k2", good["header"], good["message"], now)
    old = sign(source.key, source.sender, "k1", good["header"], good["message"], now - timedelta(hours=2))
    future = sign(source.key, source.sender, "k1", good["header"], good["message"], now + timedelta(hours=2))
    cases = {
        "missing": changed(signature=""),
        "null": changed(signature=None),
        "nonsense": changed(signature="Signature: yes"),
        "altered": altered,
        "redirected": redirected,
        "stranger": changed(signature=stranger),
        "unknown key": changed(signature=unknown_key),
        "expired": changed(signature=old),
        "future": changed(signature=future),
        "long-lived": changed(signature=good["signature"].replace('expires="', 'expires="9')),
    }
    document = specification("g2p-connect", "disburse_core_api_v1.0.0.yaml")
    for name, message in cases.items():
        answer = await source.g2p("/disburse", message)
        assert answer.status_code == 401, name
        assert answer.json()["code"] in ("signature_missing", "signature_invalid"), name
        valid(document, answer_schema(document, "/disburse", "post", "401"), answer.json())
    # Another institution's token does not carry this one's message, however well signed.
    stolen = await other.g2p("/disburse", good)
    assert stolen.status_code == 401
    assert await source.orders() == []
    await source.g2p("/disburse", good, 202)


async def test_a_replayed_message_gets_the_first_answer_and_does_nothing(make_service: MakeService) -> None:
    """Faults 2 and 13."""
    source = await registered(make_service)
    content = disbursements("id:1@nid")
    message = source.message("disburse", content, 1)
    first = await source.g2p("/disburse", message, 202)
    again = await source.g2p("/disburse", message, 202)
    assert again.json() == first.json()
    identity = message["header"]["message_id"]
    other = await source.g2p("/disburse", source.message("disburse", disbursements("id:2@nid"), 1, message_id=identity))
    assert (other.status_code, other.json()["message"]["ack_status"]) == (409, "ERR")
    renamed = await source.g2p("/disburse", source.message("disburse", content, 1))
    assert (renamed.status_code, renamed.json()["code"]) == (409, "batch_exists")
    assert len(await source.orders()) == 1


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({"total_count": 2}, "err.request.bad"),
        ({"action": "link"}, "err.request.bad"),
        ({"is_msg_encrypted": True}, "err.encryption.invalid"),
        ({"version": "9.9.9"}, "err.version.not_supported"),
        ({"sender_uri": "https://evil.example/x"}, "err.sender_uri.invalid"),
        ({"sender_uri": ""}, "err.sender_uri.invalid"),
        ({"sender_id": "somebody.else"}, "err.sender_id.invalid"),
        ({"message_ts": "yesterday"}, "err.request.bad"),
    ],
)
async def test_a_wrong_header_is_refused_in_their_words_and_in_ours(
    make_service: MakeService, header: dict, code: str
) -> None:
    source = await registered(make_service)
    message = source.message("disburse", disbursements("id:1@nid"), 1, **header)
    answer = await source.g2p("/disburse", message, 400)
    body = answer.json()
    assert body["message"]["ack_status"] == "ERR"
    assert body["message"]["error"]["code"] == code
    assert body["message"]["correlation_id"] == message["header"]["message_id"]
    document = specification("g2p-connect", "disburse_core_api_v1.0.0.yaml")
    valid(document, answer_schema(document, "/disburse", "post", "default"), body)


async def test_a_transaction_due_later_waits_and_the_payer_must_be_the_registered_one(
    make_service: MakeService,
) -> None:
    source = await registered(make_service, payer_address="account:1@treasury")
    await source.link(["id:1@nid"])
    later = (source.service.clock.now() + timedelta(days=2)).isoformat()
    content = disbursements("id:1@nid", scheduled_timestamp=later)
    content["disbursements"].append(content["disbursements"][0] | {"reference_id": "P2", "payer_fa": "account:2@x"})
    await source.g2p("/disburse", source.message("disburse", content, 2), 202)
    await source.service.run_jobs()
    assert [order["state"] for order in await source.orders()] == ["received"]
    source.service.clock.advance(timedelta(days=2, minutes=1))
    source.maker = source.service.token("payment_officer", subject="maker-1")
    await report_orders(source.service.context)
    await source.service.run_jobs()
    (order,) = await source.orders()
    assert (order["state"], order["accepted_count"]) == ("prepared", 1)
    assert sorted((await source.lines(order["id"])).values()) == [("pending", ""), ("refused", "bad_payer")]
    source.headers = source.service.token("integration", subject=source.subject)
    far = (source.service.clock.now() + timedelta(days=200)).isoformat()
    content = disbursements("id:1@nid", scheduled_timestamp=far)
    assert (await source.g2p("/disburse", source.message("disburse", content, 1))).status_code == 400


def items(*pairs: tuple[str, str], **changes: Any) -> list[dict[str, Any]]:
    return [
        {"reference_id": f"M{number}", "timestamp": "2020-07-01T09:00:00Z"}
        | {key: value for key, value in (("id", identity), ("fa", fa)) if value}
        | changes
        for number, (identity, fa) in enumerate(pairs)
    ]


async def test_the_mapper_links_resolves_updates_and_unlinks_as_specified(make_service: MakeService) -> None:
    document = specification("g2p-connect", "mapper_core_api_v1.0.0.yaml")
    source = await registered(make_service)

    async def ask(action: str, content: list[dict[str, Any]], sync: bool = False) -> list[dict[str, Any]]:
        message = {"transaction_id": str(uuid4()), f"{action}_request": content}
        body = source.message(action, message, len(content))
        path = f"/mapper/{'sync/' if sync else ''}{action}"
        answer = await source.g2p(path, body, 200 if sync else 202)
        if sync:
            told = answer.json()
        else:
            valid(document, answer_schema(document, path, "post", "default"), answer.json())
            told = (await source.callbacks(f"on-{action}"))[-1]
            valid(document, request_schema(document, f"/mapper/on-{action}"), told)
        _ours(source, told)
        return told["message"][f"{action}_response"]

    linked = await ask(
        "link",
        items(
            ("id:1@nid", "mobile:85512000001@wing"),
            ("id:2@nid", "account:000123456@acleda"),
            ("id:3@nid", "carrier-pigeon:1@x"),
            ("no id", "mobile:85512000001@wing"),
            ("ID:1@NID", "mobile:85512000001@wing"),
        ),
    )
    assert [item["status"] for item in linked] == ["succ", "succ", "rjct", "rjct", "rjct"]
    assert [item.get("status_reason_code") for item in linked[2:]] == [
        "rjct.fa.invalid",
        "rjct.id.invalid",
        "rjct.reference_id.duplicate",
    ]
    resolved = await ask(
        "resolve",
        items(
            ("id:1@nid", ""),
            ("id:9@nid", ""),
            ("", "account:000123456@acleda"),
            ("", "account:999@acleda"),
            ("id:1@nid", "account:000123456@acleda"),
            ("id:2@nid", "account:000123456@acleda"),
            ("", ""),
        ),
        sync=True,
    )
    assert [item["status_reason_code"] for item in resolved] == [
        "succ.id.active",
        "succ.id.not_found",
        "succ.fa.active",
        "succ.fa.not_found",
        "succ.fa.not_linked_to_id",
        "succ.fa.active",
        "rjct.id.invalid",
    ]
    updated = await ask("update", items(("id:1@nid", "mobile:85512000009@wing"), ("id:9@nid", "mobile:1@wing")))
    assert [item["status"] for item in updated] == ["succ", "rjct"]
    unlinked = await ask("unlink", items(("id:1@nid", "mobile:85512000001@wing"), ("id:2@nid", "")))
    assert [item["status"] for item in unlinked] == ["rjct", "succ"]
    gone = await ask("resolve", items(("id:2@nid", "")), sync=True)
    assert gone[0]["status_reason_code"] == "succ.id.inactive"
    stored = await rows(source.service, "SELECT status, version FROM account_history ORDER BY changed_at, version")
    assert [row["status"] for row in stored] == ["active", "active", "active", "closed"]


async def test_an_address_that_several_payees_share_names_none_of_them(make_service: MakeService) -> None:
    source = await registered(make_service)
    for identity in ("id:1@nid", "id:2@nid"):
        await source.link([identity])
    await source.g2p("/disburse", source.message("disburse", disbursements("mobile:85512000000@wing"), 1), 202)
    await source.service.run_jobs()
    (order,) = await source.orders()
    assert order["state"] == "refused"
