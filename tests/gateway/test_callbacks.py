"""Operators sign their callbacks and hold no token: the edge lets them through, small, at a limited rate, and once."""

import pytest

CALLBACKS = "/payments/v1/rails/mobile_money/callbacks"
SIGNED = {"X-Date": "2020-07-28T10:00:00Z", "X-CorrelationID": "c-1", "X-Signature": "00"}


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_a_signed_callback_reaches_the_service_without_a_token(gateway, method):
    answer = await gateway.http.request(method, CALLBACKS, json={"a": 1}, headers=SIGNED)
    assert answer.status_code == 200
    reached = answer.json()["headers"]
    assert (answer.json()["path"], answer.json()["received"]) == (CALLBACKS, 7)
    assert {name: reached[name.lower()] for name in SIGNED} == SIGNED


async def test_a_token_sent_along_with_a_callback_stays_at_the_edge(gateway):
    answer = await gateway.http.put(CALLBACKS, json={}, headers={**SIGNED, "Authorization": "Bearer x.y.z"})
    assert answer.status_code == 200
    assert "authorization" not in answer.json()["headers"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", CALLBACKS),
        ("DELETE", CALLBACKS),
        ("PUT", CALLBACKS + "/more"),
        ("PUT", "/payments/v1/rails/a/b/callbacks"),
        ("PUT", "/payments/v1/rails/mobile_money/policy"),
        ("POST", "/payments/v1/rails:poll"),
        ("PUT", "/registry/v1/rails/mobile_money/callbacks"),
        ("PUT", "/payments/v1/rails/mobile_money/callbacks/../policy"),
    ],
)
async def test_only_callbacks_are_open(gateway, upstream, method, path):
    before = upstream.calls.total()
    answer = await gateway.http.request(method, path, headers=SIGNED)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert upstream.calls.total() == before


@pytest.mark.parametrize("streamed", [False, True], ids=["with a length", "chunked"])
async def test_a_callback_is_small(open_gateway, streamed):
    async def chunks():
        for _ in range(3):
            yield bytes(1000)

    async with open_gateway(max_signed_bytes=2000) as gateway:
        assert (await gateway.http.put(CALLBACKS, content=bytes(2000), headers=SIGNED)).status_code == 200
        content = chunks() if streamed else bytes(3000)
        answer = await gateway.http.put(CALLBACKS, content=content, headers=SIGNED)
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
        assert (
            await gateway.http.post("/payments/v1/echo", content=bytes(3000), headers=gateway.token())
        ).status_code == 200


async def test_callbacks_are_limited_by_address(open_gateway):
    async with open_gateway(address_limit_per_minute=6, address_limit_burst=3) as gateway:
        seen = [(await gateway.http.put(CALLBACKS, json={}, headers=SIGNED)).status_code for _ in range(5)]
    assert seen == [200, 200, 200, 429, 429]


async def test_a_callback_is_never_sent_on_twice(gateway, upstream):
    path = "/payments/v1/rails/unavailable/callbacks"
    seen = upstream.calls["PUT", path]
    answer = await gateway.http.put(path, json={}, headers={**SIGNED, "Idempotency-Key": "k"})
    assert answer.status_code == 200
    assert upstream.calls["PUT", path] == seen + 1
