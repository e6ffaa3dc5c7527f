"""Callbacks: after the commit, bounded, to registered addresses only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI, Request, Response
from hypothesis import given
from hypothesis import strategies as st

from services.payments.edges.callbacks.guarded import GuardedTransport, Resolver
from services.payments.edges.callbacks.send_callbacks import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    MOST_TRIES,
    pause_after,
    send_callbacks,
)
from services.payments.edges.g2p_connect.signature import SignatureRefused, our_key, verify
from services.payments.edges.g2p_connect.words import OUR_ID
from services.payments.edges.sources.model import SigningKey, Source, origin_of
from services.payments.edges.tests.builders import EDGES, SETTINGS, SourceBB, rows
from services.payments.rails.tests.platform import serving
from shared.testing.plugin import MakeService


class Receiver:
    """A source's own endpoint: answers as told, remembers what it got."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.app = FastAPI()
        self.app.add_api_route("/callbacks", self._take, methods=["POST"])
        self.app.add_api_route("/elsewhere", self._take, methods=["POST", "GET"])

    async def _take(self, request: Request) -> Response:
        self.got.append({"path": request.url.path, "body": await request.json()})
        status = self.answers.pop(0) if self.answers else 202
        return Response(status_code=status, headers={"Location": "/elsewhere"} if status == 307 else {})


@asynccontextmanager
async def receiving(make_service: MakeService) -> AsyncIterator[tuple[SourceBB, Receiver, str]]:
    receiver = Receiver()
    async with serving(receiver.app) as url:
        source = SourceBB(await make_service(EDGES, **SETTINGS))
        await source.register(callback_origins=[url])
        yield source, receiver, f"{url}/callbacks"


async def queued(source: SourceBB, url: str) -> None:
    """A validation's result, waiting to be told."""
    await source.post("/prepayment-validation", source.bulk(["A"]), 200, **{"X-Callback-URL": url})


async def test_a_callback_is_sent_once_and_tried_again_until_it_is_taken(make_service: MakeService) -> None:
    async with receiving(make_service) as (source, receiver, url):
        await queued(source, url)
        receiver.answers = [503, 307]
        context = source.service.context
        assert await send_callbacks(context) == 0
        assert await send_callbacks(context) == 0  # not due yet
        assert len(receiver.got) == 1
        source.service.clock.advance(timedelta(seconds=11))
        assert await send_callbacks(context) == 0  # a redirect is not followed
        assert [got["path"] for got in receiver.got] == ["/callbacks"] * 2
        source.service.clock.advance(timedelta(seconds=21))
        assert await send_callbacks(context) == 1
        source.service.clock.advance(timedelta(days=1))
        assert await send_callbacks(context) == 0
        assert len(receiver.got) == 3
        assert len({str(got["body"]) for got in receiver.got}) == 1


async def test_a_receiver_that_never_answers_is_given_up_and_a_person_tries_again(make_service: MakeService) -> None:
    async with receiving(make_service) as (source, receiver, url):
        await queued(source, url)
        receiver.answers = [500] * MOST_TRIES
        for _ in range(MOST_TRIES + 3):
            await send_callbacks(source.service.context)
            source.service.clock.advance(LONGEST_PAUSE + timedelta(seconds=1))
        assert len(receiver.got) == MOST_TRIES
        officer = source.service.token("payment_officer")
        listed = await source.service.http.get(
            "/payments/v1/external-callbacks", params={"state": "given_up"}, headers=officer
        )
        (item,) = listed.json()["items"]
        assert (item["tries"], item["last_status"]) == (MOST_TRIES, 500)
        path = f"/payments/v1/external-callbacks/{item['id']}:retry"
        assert (await source.service.http.post(path, headers=officer)).status_code == 200
        assert (await source.service.http.post(path, headers=officer)).status_code == 404
        assert await send_callbacks(source.service.context) == 1


async def test_an_address_that_was_taken_off_the_list_is_not_called(make_service: MakeService) -> None:
    async with receiving(make_service) as (source, receiver, url):
        await queued(source, url)
        read = await source.service.http.get(f"/payments/v1/external-sources/{source.code}", headers=source.admin)
        stored = read.json()
        wanted = {key: stored[key] for key in ("name", "subject", "funding_line", "place_code", "sender_id", "keys")}
        path = f"/payments/v1/external-sources/{source.code}"
        stale = await source.service.http.put(path, headers=source.admin | {"If-Match": '"7"'}, json=wanted)
        assert stale.status_code == 412
        changed = await source.service.http.put(
            path, headers=source.admin | {"If-Match": read.headers["ETag"]}, json=wanted | {"callback_origins": []}
        )
        assert changed.status_code == 200, changed.text
        assert await send_callbacks(source.service.context) == 0
        assert receiver.got == []
        (row,) = await rows(source.service, "SELECT last_error, tries FROM external_callback")
        assert (row["last_error"], row["tries"]) == ("address_not_registered", 1)


async def test_a_source_that_is_switched_off_may_not_ask_for_anything(make_service: MakeService) -> None:
    source = SourceBB(await make_service(EDGES, **SETTINGS))
    stored = await source.register()
    wanted = {key: stored[key] for key in ("name", "subject", "funding_line", "place_code", "sender_id", "keys")}
    path = f"/payments/v1/external-sources/{source.code}"
    off = await source.service.http.put(
        path, headers=source.admin | {"If-Match": '"1"'}, json=wanted | {"active": False}
    )
    assert off.status_code == 200
    assert (await source.post("/bulk-payment", source.bulk(["A"]))).json()["code"] == "source_unknown"
    twin = SourceBB(source.service, "TWIN", source.subject)
    answer = await source.service.http.post(
        "/payments/v1/external-sources",
        headers=source.admin,
        json=wanted | {"code": "TWIN", "sender_id": "twin.example.org"},
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "source_exists")
    assert (await twin.post("/bulk-payment", twin.bulk(["A"]))).status_code == 403


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://ministry.gov.kh/x?y", "https://ministry.gov.kh"),
        ("https://Ministry.GOV.kh:8443/", "https://ministry.gov.kh:8443"),
        ("http://127.0.0.1:9/x", "http://127.0.0.1:9"),
        ("http://ministry.gov.kh/x", None),
        ("https://user@ministry.gov.kh/", None),
        ("https://ministry.gov.kh\\@evil.example/", None),
        ("https://ministry.gov.kh:99999/", None),
        ("javascript:alert(1)", None),
        ("//ministry.gov.kh/x", None),
        ("https://@ministry.gov.kh/", None),
        ("https://ministry.gov.kh/\x01", None),
        ("https://ministry.gov.kh/\u1781", None),
        ("https://169.254.169.254/latest", None),
        ("https://0.0.0.0/", None),
        ("https://[::ffff:0:0]/", None),
        ("https://10.1.2.3/", "https://10.1.2.3"),
        ("", None),
    ],
)
def test_an_origin_is_scheme_host_and_port_or_nothing(url: str, origin: str | None) -> None:
    assert origin_of(url) == origin


@given(st.text())
def test_no_text_makes_an_origin_of_anything_but_https_or_loopback(text: str) -> None:
    found = origin_of(text)
    assert found is None or found.startswith(("https://", "http://127.", "http://localhost", "http://[::1]"))


@given(st.integers(min_value=1, max_value=10_000))
def test_pauses_double_and_have_an_end(tries: int) -> None:
    assert FIRST_PAUSE <= pause_after(tries) <= LONGEST_PAUSE
    assert pause_after(tries) <= pause_after(tries + 1)


async def test_one_callback_that_cannot_even_be_tried_holds_up_no_other(make_service: MakeService) -> None:
    async with receiving(make_service) as (source, receiver, url):
        await queued(source, url)
        await queued(source, url)
        # (From before addresses were looked at so closely: no client takes it for one.)
        await rows(
            source.service,
            "UPDATE external_callback SET url = concat(url, chr(1)), next_at = '2020-01-01' "
            "WHERE id = (SELECT min(id::text)::uuid FROM external_callback) RETURNING id",
        )
        allowed = "services.payments.edges.sources.model.Source.may_be_answered_at"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(allowed, lambda *_: True)
            assert await send_callbacks(source.service.context) == 1
        assert len(receiver.got) == 1
        held = await rows(source.service, "SELECT state, tries, last_error FROM external_callback ORDER BY id")
        assert [tuple(row.values()) for row in held] == [("waiting", 1, "InvalidURL"), ("sent", 1, "")]


async def test_a_callback_that_is_taken_hours_late_carries_a_signature_of_that_hour(make_service: MakeService) -> None:
    """Ours live an hour; a source that checks them, as we check its own, would never take a later try."""
    async with receiving(make_service) as (source, receiver, url):
        item = {"reference_id": "R", "timestamp": "2020-07-01T09:00:00Z", "id": "id:1@nid"}
        message = {"transaction_id": "T", "resolve_request": [item]}
        await source.g2p("/mapper/resolve", source.message("resolve", message, 1, sender_uri=url), 202)
        receiver.answers = [503]
        assert await send_callbacks(source.service.context) == 0
        source.service.clock.advance(timedelta(hours=5))
        assert await send_callbacks(source.service.context) == 1
        first, second = [got["body"] for got in receiver.got]
        assert (first["header"], first["message"]) == (second["header"], second["message"])
        public = our_key(SETTINGS["encryption_key"]).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        ours = Source("x", "", "", "", "", "", "", OUR_ID, "", (SigningKey("1", public),), ())
        now = source.service.clock.now()
        verify(ours, second["signature"], second["header"], second["message"], now)
        with pytest.raises(SignatureRefused):
            verify(ours, first["signature"], first["header"], first["message"], now)


class Recorded(httpx.AsyncBaseTransport):
    """Where the connections would have gone."""

    def __init__(self, *refuse: str) -> None:
        self.went: list[tuple[str, str, str]] = []
        self.refuse = refuse

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.went.append((request.url.host, request.headers["Host"], str(request.extensions.get("sni_hostname", ""))))
        if request.url.host in self.refuse:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(204)


def resolving(*addresses: str) -> Resolver:
    async def resolver(host: str, port: int) -> list[str]:
        if not addresses:
            raise OSError("no such name")
        return list(addresses)

    return resolver


@pytest.mark.parametrize(
    "addresses",
    [("127.0.0.1",), ("::1",), ("169.254.169.254",), ("fe80::1%eth0",), ("0.0.0.0",), ("::ffff:127.0.0.1",),
     ("203.0.113.7", "127.0.0.1"), ()],
)  # fmt: skip
async def test_a_name_that_means_this_machine_is_not_called(addresses: tuple[str, ...]) -> None:
    inner = Recorded()
    async with httpx.AsyncClient(transport=GuardedTransport(inner, resolving(*addresses))) as client:
        with pytest.raises(httpx.ConnectError):
            await client.post("https://callbacks.ministry.example/x")
    assert inner.went == []


async def test_a_name_is_called_at_the_address_that_was_looked_at_under_its_own_certificate() -> None:
    inner = Recorded("2001:db8::1")
    transport = GuardedTransport(inner, resolving("2001:db8::1", "203.0.113.7"))
    async with httpx.AsyncClient(transport=transport) as client:
        assert (await client.post("https://callbacks.ministry.example:8443/x")).status_code == 204
        assert (await client.post("http://127.0.0.1:9/x")).status_code == 204
    name = ("callbacks.ministry.example:8443", "callbacks.ministry.example")
    assert inner.went == [("2001:db8::1", *name), ("203.0.113.7", *name), ("127.0.0.1", "127.0.0.1:9", "")]
