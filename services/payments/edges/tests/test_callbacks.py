"""Callbacks: after the commit, bounded, to registered addresses only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from hypothesis import given
from hypothesis import strategies as st

from services.payments.edges.callbacks.send_callbacks import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    MOST_TRIES,
    pause_after,
    send_callbacks,
)
from services.payments.edges.sources.model import origin_of
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
