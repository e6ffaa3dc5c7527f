"""CORS, request ids, trace context and the access log."""

import time

from shared.testing import wait_for

ORIGIN = "https://officer.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,idempotency-key"}


async def test_a_browser_of_a_named_origin_may_ask_and_call(gateway, upstream):
    answer = await gateway.http.options("/registry/v1/asked", headers={"Origin": ORIGIN, **PREFLIGHT})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "idempotency-key" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in answer.headers
    assert upstream.calls["OPTIONS", "/registry/v1/asked"] == 0

    answer = await gateway.http.get("/registry/v1/echo", headers={"Origin": ORIGIN, **gateway.token("browser")})
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "etag" in answer.headers["access-control-expose-headers"]


async def test_a_browser_sees_why_it_was_refused(gateway):
    answer = await gateway.http.get("/registry/v1/echo", headers={"Origin": ORIGIN})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == ORIGIN


async def test_another_origin_is_given_no_leave(gateway):
    origin = {"Origin": "https://elsewhere.example"}
    preflight = await gateway.http.options("/registry/v1/echo", headers={**origin, **PREFLIGHT})
    assert "access-control-allow-origin" not in preflight.headers
    answer = await gateway.http.get("/registry/v1/echo", headers={**origin, **gateway.token("elsewhere")})
    assert "access-control-allow-origin" not in answer.headers


async def test_every_answer_has_a_request_id_that_the_client_cannot_choose(gateway):
    headers = {**gateway.token("tracer"), "x-request-id": "chosen-by-the-client"}
    answer = await gateway.http.get("/registry/v1/echo", headers=headers)
    assert answer.headers["x-request-id"] == answer.json()["headers"]["x-request-id"]
    assert "chosen" not in answer.headers["x-request-id"]
    refused = await gateway.http.get("/registry/v1/echo")
    assert refused.json()["request_id"] == refused.headers["x-request-id"]


async def test_the_trace_context_is_passed_on(gateway):
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = await gateway.http.get(
        "/registry/v1/echo", headers={**gateway.token("traced"), "traceparent": traceparent}
    )
    assert answer.json()["headers"]["traceparent"] == traceparent


async def test_a_service_cannot_be_told_another_client_address(gateway):
    answer = await gateway.http.get(
        "/registry/v1/echo", headers={**gateway.token("forwarder"), "x-forwarded-for": "203.0.113.9"}
    )
    assert answer.json()["headers"]["x-forwarded-for"].split(",")[-1].strip() != "203.0.113.9"


async def test_the_access_log_is_json_without_tokens_query_strings_or_receipts(gateway):
    token = gateway.token(f"logged-{time.time_ns()}")
    secret = token["Authorization"].split(".")[2]
    await gateway.http.get("/registry/v1/households/0198-id?phone=012345678", headers=token)
    await gateway.http.get("/grievance/v1/receipts/RC-7K2M9Q4X-5", headers=token)
    await gateway.http.get(f"/registry/v1/wrong?access_token={secret}")

    def all_there() -> bool:
        logged = gateway.logged()
        return any(entry["route"] == "grievance.read" for entry in logged) and any(
            entry.get("path") == "/registry/v1/wrong" for entry in logged
        )

    await wait_for(all_there, what="the access log")
    text = gateway.access_log.read_text(encoding="utf-8")
    assert secret not in text
    assert "012345678" not in text
    assert "RC-7K2M9Q4X-5" not in text
    entry = next(entry for entry in gateway.logged() if entry.get("path") == "/registry/v1/households/0198-id")
    assert entry["status"] == 200
    assert entry["method"] == "GET"
    assert entry["route"] == "registry.read"
    assert entry["request_id"]
    sealed = next(entry for entry in gateway.logged() if entry["route"] == "grievance.read")
    assert "path" not in sealed
    assert "client" not in sealed
