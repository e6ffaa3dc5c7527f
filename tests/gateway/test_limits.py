"""Rate, size and time limits of the gateway, and what it repeats."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.errors import PROBLEM_JSON

MIB = 1 << 20
LITTLE_MORE = MIB + 65536
"""Small enough for the kernel's socket buffers: httpx sends all of it before it looks for an answer."""


async def until_refused(gateway, headers, most=12):
    for _ in range(most):
        answer = await gateway.http.get("/registry/v1/echo", headers=headers)
        if answer.status_code != 200:
            return answer
    return answer


async def test_a_client_over_its_rate_gets_429_with_retry_after_and_another_client_does_not(gateway):
    refused = await until_refused(gateway, gateway.token("greedy"))
    assert refused.status_code == 429
    assert refused.headers["content-type"] == PROBLEM_JSON
    assert refused.json()["code"] == "too_many_requests"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert (await gateway.http.get("/registry/v1/echo", headers=gateway.token("modest"))).status_code == 200


async def test_the_limit_follows_the_subject_not_the_token_nor_the_service(gateway):
    assert (await until_refused(gateway, gateway.token("many-tokens"))).status_code == 429
    other_token = gateway.token("many-tokens", jti="another")
    assert (await gateway.http.get("/payments/v1/echo", headers=other_token)).status_code == 429


async def test_a_subject_header_made_up_by_the_client_neither_reaches_a_service_nor_changes_its_limit(gateway):
    answer = await gateway.http.get(
        "/registry/v1/echo", headers={**gateway.token("spoofer"), "x-samaki-subject": "minister"}
    )
    assert answer.status_code == 200
    assert "minister" not in str(answer.json()["headers"])
    assert "x-samaki-subject" not in answer.json()["headers"]
    for number in range(12):
        headers = {**gateway.token("spoofer"), "x-samaki-subject": f"somebody-{number}"}
        answer = await gateway.http.get("/registry/v1/echo", headers=headers)
    assert answer.status_code == 429


async def test_guessing_tokens_is_limited_by_address(open_gateway):
    async with open_gateway(address_limit_per_minute=6, address_limit_burst=3) as gateway:
        seen = [(await gateway.http.get("/registry/v1/echo")).status_code for _ in range(5)]
    assert seen == [401, 401, 401, 429, 429]


async def chunks(total: int) -> AsyncIterator[bytes]:
    for _ in range(total // 65536):
        yield bytes(65536)


@pytest.mark.parametrize("streamed", [False, True], ids=["with a length", "chunked"])
async def test_a_body_over_the_limit_gets_413(gateway, streamed):
    content = chunks(LITTLE_MORE) if streamed else bytes(LITTLE_MORE)
    answer = await gateway.http.post(
        "/registry/v1/households", content=content, headers=gateway.token(f"large-{streamed}")
    )
    assert answer.status_code == 413
    assert answer.json()["code"] == "payload_too_large"


@pytest.mark.parametrize("streamed", [False, True], ids=["with a length", "chunked"])
@pytest.mark.parametrize(
    "path", ["/registry/v1/household-imports", "/payments/v1/accounts:import", "/payments/v1/rails/bank/inbox"]
)
async def test_a_file_of_many_mebibytes_streams_through(gateway, upstream, path, streamed):
    content = chunks(12 * MIB) if streamed else bytes(12 * MIB)
    answer = await gateway.http.post(path, content=content, headers=gateway.token(f"file {path} {streamed}"))
    assert (answer.status_code, answer.json()["received"]) == (200, 12 * MIB)


@pytest.mark.parametrize("streamed", [False, True], ids=["with a length", "chunked"])
async def test_a_file_over_its_own_limit_gets_413_too(open_gateway, streamed):
    async with open_gateway(max_body_bytes=1000, max_upload_bytes=MIB) as gateway:
        content = chunks(LITTLE_MORE) if streamed else bytes(LITTLE_MORE)
        answer = await gateway.http.post(
            "/registry/v1/household-imports?dry_run=true", content=content, headers=gateway.token()
        )
    assert answer.status_code == 413
    assert answer.json()["code"] == "payload_too_large"


async def test_a_read_that_meets_a_503_is_tried_again(gateway, upstream):
    answer = await gateway.http.get("/registry/v1/read/recovers", headers=gateway.token("reader"))
    assert answer.status_code == 200
    assert upstream.calls["GET", "/registry/v1/read/recovers"] == 2


async def test_a_download_has_more_time_and_is_not_begun_again(open_gateway, upstream):
    async with open_gateway(timeout_s=0.001) as gateway:
        headers = gateway.token("downloader")
        assert (await gateway.http.get("/payments/v1/hangs", headers=headers)).status_code == 504
        assert (await gateway.http.get("/payments/v1/exports/echo.csv", headers=headers)).status_code == 200
        assert (await gateway.http.get("/payments/v1/exports/unavailable.xlsx", headers=headers)).status_code == 503
    assert upstream.calls["GET", "/payments/v1/exports/unavailable.xlsx"] == 1


async def test_a_write_is_never_sent_twice(gateway, upstream):
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = await gateway.http.request(method, "/payments/v1/write/unavailable", headers=gateway.token("writer"))
        assert answer.status_code == 503
        assert answer.json() == {"code": "from_the_service"}
        assert upstream.calls[method, "/payments/v1/write/unavailable"] == 1


async def test_a_client_cannot_order_retries_or_time_outs(gateway, upstream):
    orders = {
        "x-envoy-retry-on": "5xx,retriable-status-codes",
        "x-envoy-max-retries": "5",
        "x-envoy-retriable-status-codes": "503",
    }
    answer = await gateway.http.post("/payments/v1/ordered/unavailable", headers={**gateway.token("bossy"), **orders})
    assert answer.status_code == 503
    assert upstream.calls["POST", "/payments/v1/ordered/unavailable"] == 1


async def test_a_write_with_an_idempotency_key_is_tried_again(gateway, upstream):
    headers = {**gateway.token("careful"), "Idempotency-Key": "k-1"}
    answer = await gateway.http.post("/payments/v1/keyed/recovers", json={"amount": "1"}, headers=headers)
    assert answer.status_code == 200
    assert upstream.calls["POST", "/payments/v1/keyed/recovers"] == 2


async def test_an_unanswered_write_gets_504_and_was_sent_once(gateway, upstream):
    answer = await gateway.http.post("/payments/v1/hangs", json={}, headers=gateway.token("waiting"))
    assert answer.status_code == 504
    assert answer.headers["content-type"] == PROBLEM_JSON
    assert answer.json()["code"] == "gateway_timeout"
    assert "Idempotency-Key" in answer.json()["detail"]
    assert upstream.calls["POST", "/payments/v1/hangs"] == 1


async def test_a_service_that_is_away_gets_a_503_problem(open_gateway):
    async with open_gateway(upstreams={"registry": ("127.0.0.1", 1)}) as gateway:
        answer = await gateway.http.get("/registry/v1/echo", headers=gateway.token())
    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"


async def test_a_burst_of_clients_is_served_concurrently(gateway):
    calls = [gateway.http.get("/insights/v1/echo", headers=gateway.token(f"burst-{n}")) for n in range(50)]
    assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200}
