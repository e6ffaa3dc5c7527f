"""Nothing behind the gateway is reachable without a valid token but health and docs."""

import time

import httpx
import pytest
from joserfc.jwk import ECKey

from shared.errors import PROBLEM_JSON

PROTECTED = "/registry/v1/echo"


def assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM_JSON
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"].endswith(code)
    assert problem["title"]
    assert problem["detail"]


async def test_without_a_token_the_answer_is_a_401_problem(gateway, upstream):
    answer = await gateway.http.get("/registry/v1/never-reached")
    assert_problem(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert upstream.calls["GET", "/registry/v1/never-reached"] == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": int(time.time()) - 60},
        {"exp": None},
        {"iss": "https://somebody-else.example"},
        {"aud": "another-platform"},
        {"nbf": int(time.time()) + 3600},
        {"key": ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256"}, private=True)},
        {"key": ECKey.generate_key("P-256", {"kid": "unknown", "alg": "ES256"}, private=True)},
    ],
    ids=["expired", "without expiry", "foreign issuer", "other audience", "not yet", "forged", "unknown key"],
)
async def test_a_token_that_is_not_good_is_refused(gateway, changes):
    assert_problem(await gateway.http.get(PROTECTED, headers=gateway.token(**changes)), 401, "unauthorized")


@pytest.mark.parametrize("value", ["Bearer", "Bearer x.y.z", "Basic b2ZmaWNlcjpwdw==", "Bearer " + "a" * 5000])
async def test_an_authorization_header_that_is_no_token_is_refused(gateway, value):
    assert_problem(await gateway.http.get(PROTECTED, headers={"Authorization": value}), 401, "unauthorized")


async def test_an_unsigned_token_is_refused(gateway):
    header, payload, _ = gateway.token()["Authorization"].removeprefix("Bearer ").split(".")
    for forged in (f"{header}.{payload}.", f"eyJhbGciOiJub25lIn0.{payload}."):
        answer = await gateway.http.get(PROTECTED, headers={"Authorization": f"Bearer {forged}"})
        assert_problem(answer, 401, "unauthorized")


async def test_a_token_in_the_query_string_is_not_taken(gateway):
    token = gateway.token()["Authorization"].removeprefix("Bearer ")
    assert_problem(await gateway.http.get(PROTECTED, params={"access_token": token}), 401, "unauthorized")


async def test_a_good_token_passes_and_reaches_the_service_to_be_verified_again(gateway):
    token = gateway.token("good-token")
    answer = await gateway.http.get(PROTECTED, headers=token)
    assert answer.status_code == 200
    assert answer.json()["path"] == PROTECTED
    assert answer.json()["headers"]["authorization"] == token["Authorization"]


async def test_keys_can_come_from_an_address_and_are_fetched_once_not_per_request(open_gateway, upstream):
    keys = ("GET", "/realms/samaki/keys")
    url = f"http://127.0.0.1:{upstream.port}{keys[1]}"
    async with open_gateway(jwks_path=None, jwks_url=url) as gateway:
        for _ in range(5):
            answer = await gateway.http.get(PROTECTED, headers=gateway.token("remote-keys"))
            assert answer.status_code == 200
        assert (await gateway.http.get(PROTECTED, headers=gateway.token(iss="x"))).status_code == 401
    assert 1 <= upstream.calls[keys] <= 2


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/admin", "/config_dump", "/registry/metrics", "/registry/docs", "/registry/v1/../metrics", "/"],
)
async def test_nothing_else_is_open_nor_there(gateway, upstream, path):
    before = upstream.calls.total()
    assert_problem(await gateway.http.get(path), 401, "unauthorized")
    assert_problem(await gateway.http.get(path, headers=gateway.token(f"looks for {path}")), 404, "not_found")
    assert upstream.calls.total() == before


async def test_an_escaped_slash_is_refused_before_anyone_reads_the_path(gateway, upstream):
    before = upstream.calls.total()
    answer = await gateway.http.get("/registry/v1/..%2f..%2fmetrics", headers=gateway.token("escaper"))
    assert answer.status_code == 400
    assert upstream.calls.total() == before


@pytest.mark.parametrize("service", ["registry", "eligibility", "payments", "grievance", "insights"])
async def test_health_readiness_and_the_api_description_of_each_service_are_open(gateway, service):
    native = {"health": "/health", "ready": "/ready", "openapi.json": f"/{service}/openapi.json"}
    for page, path in native.items():
        answer = await gateway.http.get(f"/{service}/{page}")
        assert answer.status_code == 200
        assert answer.json()["path"] == path


async def test_the_gateway_tells_its_own_health(gateway):
    answer = await gateway.http.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_the_docs_page_is_open_complete_and_needs_no_outside_address(gateway):
    page = await gateway.http.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    for path in ("/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/docs/page.js", "/docs/page.css"):
        assert path in page.text
        answer = await gateway.http.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].split(";")[0] == (
            "text/css" if path.endswith("css") else "text/javascript"
        )
    assert "//" not in page.text.replace("<!doctype html>", "")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    listed = (await gateway.http.get("/docs/services.json")).json()
    assert [entry["name"] for entry in listed] == ["registry", "eligibility", "payments", "grievance", "insights"]
    for entry in listed:
        assert (await gateway.http.get(entry["url"])).status_code == 200
