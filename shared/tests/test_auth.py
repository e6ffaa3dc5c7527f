"""Tokens, roles and areas."""

from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from sqlalchemy import column, literal_column, select

from shared.auth import Principal, TokenVerifier, ensure_area, in_area
from shared.errors import OutsideArea, Unauthorized, Unavailable
from shared.ids import uuid7
from shared.testing import TestKeys


async def get(probe, headers) -> int:
    return (await probe.http.get("/probe/v1/things", headers=headers)).status_code


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_without_a_token_nothing_is_shown(probe):
    answer = await probe.http.get("/probe/v1/things")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert "www-authenticate" in answer.headers


async def test_the_right_role_passes_and_another_does_not(probe):
    assert await get(probe, probe.token("clerk")) == 200
    assert await get(probe, probe.token("admin")) == 403


async def test_an_expired_token_is_refused_even_if_it_was_seen_before(probe):
    headers = probe.token("clerk", ttl=timedelta(minutes=5))
    assert await get(probe, headers) == 200
    probe.clock.advance(timedelta(minutes=6))
    assert await get(probe, headers) == 401


@pytest.mark.parametrize(
    "claims", [{"iss": "elsewhere"}, {"aud": "other"}, {"exp": None}, {"sub": None}, {"roles": "clerk"}]
)
async def test_a_token_with_a_wrong_claim_is_refused(probe, claims):
    token = probe.keys.token("clerk", now=probe.clock.now(), **claims)
    assert await get(probe, bearer(token)) == 401


async def test_a_token_of_another_key_is_refused(probe, tmp_path):
    foreign = TestKeys(tmp_path).token("clerk", now=probe.clock.now())
    assert await get(probe, bearer(foreign)) == 401


async def test_a_token_signed_with_a_secret_or_with_nothing_is_refused(probe):
    claims = {"iss": "samaki-local", "aud": "samaki", "sub": "x", "exp": 2**31, "roles": ["clerk"], "areas": ["*"]}
    key = OctKey.import_key(probe.keys.jwks.read_bytes())
    assert await get(probe, bearer(jwt.encode({"alg": "HS256", "kid": "test"}, claims, key))) == 401
    assert await get(probe, bearer("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.")) == 401
    assert await get(probe, bearer("not a token")) == 401
    stranger = ECKey.generate_key("P-256", {"kid": "test"})
    assert await get(probe, bearer(jwt.encode({"alg": "ES256", "kid": "test"}, claims, stranger))) == 401


def principal(*areas: str) -> Principal:
    return Principal("x", frozenset(), areas)


async def test_a_token_may_name_the_officers_own_record(probe):
    person, now, keys = uuid7(), probe.clock.now(), probe.keys
    verifier = probe.app.state.verifier
    known = await verifier.verify(keys.token("auditor", now=now, person_id=str(person)))
    assert known.person_id == person
    assert (await verifier.verify(keys.token("auditor", now=now))).person_id is None
    with pytest.raises(Unauthorized):
        await verifier.verify(keys.token("auditor", now=now, person_id="me"))


def test_an_area_covers_the_places_below_it():
    clerk = principal("0102", "1705")
    assert clerk.covers("010203")
    assert not clerk.covers("0201")
    assert not clerk.covers("01")
    assert not clerk.covers(None)
    assert principal("*").covers(None)
    assert not principal().covers("010203")
    with pytest.raises(OutsideArea):
        ensure_area(clerk, "02")


@pytest.mark.parametrize(
    ("areas", "expected"), [(("01",), ["0102"]), (("*",), ["0102", "0202"]), ((), []), (("%",), [])]
)
async def test_the_sql_filter_agrees_with_the_area(probe, areas, expected):
    places = select(literal_column("unnest(array['0102','0202'])").label("code")).subquery()
    query = select(places.c.code).where(in_area(principal(*areas), places.c.code)).order_by(column("code"))
    async with probe.database.session() as session:
        assert (await session.scalars(query)).all() == expected


@pytest.fixture
def published_keys(keys):
    """A key set behind HTTP, as Keycloak's: `document` is what it answers now."""

    class Handler(BaseHTTPRequestHandler):
        document = keys.jwks.read_bytes()
        asked = 0

        def do_GET(self):
            type(self).asked += 1
            self.send_response(200 if self.document else 503)
            self.end_headers()
            self.wfile.write(self.document)

        def log_message(self, *_):
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    Handler.url = f"http://127.0.0.1:{server.server_port}/certs"
    yield Handler
    server.shutdown()
    server.server_close()


def verifier(published, clock) -> TokenVerifier:
    return TokenVerifier(published.url, "samaki-local", "samaki", clock)


async def test_keys_are_read_from_a_url_once_for_many_tokens(published_keys, keys, clock):
    checked = verifier(published_keys, clock)
    for number in range(5):
        token = keys.token("clerk", now=clock.now(), subject=f"officer-{number}")
        assert (await checked.verify(token)).subject == f"officer-{number}"
    assert published_keys.asked == 1


async def test_a_new_key_is_found_when_a_token_names_it(published_keys, clock, tmp_path, monkeypatch):
    monkeypatch.setattr("shared.auth.JWKS_MIN_INTERVAL_SECONDS", 0)
    checked = verifier(published_keys, clock)
    await checked.load()
    rotated = TestKeys(tmp_path)
    published_keys.document = rotated.jwks.read_bytes()
    assert (await checked.verify(rotated.token("clerk", now=clock.now()))).roles == {"clerk"}


async def test_while_the_issuer_is_away_the_keys_we_have_go_on(published_keys, keys, clock, monkeypatch):
    monkeypatch.setattr("shared.auth.JWKS_REFRESH_SECONDS", 0)
    monkeypatch.setattr("shared.auth.JWKS_MIN_INTERVAL_SECONDS", 0)
    checked = verifier(published_keys, clock)
    await checked.load()
    published_keys.document = b""
    assert (await checked.verify(keys.token("clerk", now=clock.now()))).roles == {"clerk"}


async def test_without_any_keys_the_answer_is_unavailable_not_refused(published_keys, keys, clock):
    published_keys.document = b""
    with pytest.raises(Unavailable):
        await verifier(published_keys, clock).verify(keys.token("clerk", now=clock.now()))
