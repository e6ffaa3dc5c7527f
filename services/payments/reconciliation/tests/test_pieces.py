"""A file of any size in flat memory: piece by piece, resumable, once; large uploads are kept encrypted until then."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from services.payments.rails.clients import clients_of
from services.payments.rails.poll_rails import take_in
from services.payments.rails.port import Document, Media
from services.payments.rails.tests.builders import camt, entry
from services.payments.rails.tests.platform import SERVICE, SETTINGS, Waiting, balanced, rows, sent, states
from services.payments.reconciliation import ingest_document, receive_file
from services.payments.reconciliation.ingest_document import ingest_in_pieces
from services.payments.reconciliation.iso20022 import StatementReader
from shared.testing.plugin import MakeService
from shared.testing.service import TestService

INBOX = "/payments/v1/rails/bank/inbox"


@pytest.fixture
async def service(make_service: MakeService) -> TestService:
    return await make_service(SERVICE, **SETTINGS)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_document, "CHUNK", 3)


def booked(waiting: list[Waiting]) -> bytes:
    return camt("camt.054", "N1", [entry(one.reference, str(one.amount)) for one in waiting])


async def pieces(service: TestService, body: bytes) -> ingest_document.Ingested:
    return await ingest_in_pieces(
        service.database,
        Document("bank", Media.ISO20022, "1", body),
        clients_of(service.context).rules,
        received_by="test",
        now=service.clock.now(),
    )


class _Killed(BaseException):
    """The process dies here."""


async def test_a_file_whose_taker_died_is_gone_on_with_where_it_stands(
    service: TestService, small_pieces: None, monkeypatch: pytest.MonkeyPatch
):
    _, waiting = await sent(service, 10)
    body, done = booked(waiting), 0
    apply_chunk = ingest_document._apply_chunk

    async def dies(*arguments: Any) -> None:
        nonlocal done
        done += 1
        await apply_chunk(*arguments)
        if done == 3:
            raise _Killed  # after the third piece was applied, before its commit

    monkeypatch.setattr(ingest_document, "_apply_chunk", dies)
    with pytest.raises(_Killed):
        await pieces(service, body)
    (file,) = await rows(service, "SELECT state, position, matched FROM statement_file")
    assert (file["state"], file["position"], file["matched"]) == ("applying", 6, 6)
    monkeypatch.setattr(ingest_document, "_apply_chunk", apply_chunk)
    taken = await pieces(service, body)
    assert (taken.lines, taken.matched, taken.breaks) == (10, 10, 0)
    assert await states(service, waiting) == ["settled"] * 10
    (moved,) = await rows(service, "SELECT count(*) AS n FROM movement WHERE kind = 'settle'")
    assert moved["n"] == 10
    assert (await pieces(service, body)).seen
    (batch,) = await rows(service, "SELECT state FROM batch")
    assert batch["state"] == "completed"


async def test_two_workers_at_one_file_apply_each_line_once(service: TestService, small_pieces: None):
    _, waiting = await sent(service, 12)
    body = booked(waiting)
    await asyncio.gather(*(pieces(service, body) for _ in range(3)))
    await pieces(service, body)  # whoever was left behind
    assert await states(service, waiting) == ["settled"] * 12
    (moved,) = await rows(service, "SELECT count(*) AS n FROM movement WHERE kind = 'settle'")
    assert moved["n"] == 12
    assert await balanced(service)


async def test_a_file_that_is_cut_short_applies_none_of_its_pieces(service: TestService, small_pieces: None):
    _, waiting = await sent(service, 10)
    body = booked(waiting)
    assert await take_in(service.context, Document("bank", Media.ISO20022, "1", body[:-20])) is None
    assert await states(service, waiting) == ["sent"] * 10
    (file,) = await rows(service, "SELECT state, refused FROM statement_file")
    assert (file["state"], file["refused"]) == ("refused", "statement_malformed")


async def test_a_second_booking_is_told_across_pieces(service: TestService, small_pieces: None):
    _, waiting = await sent(service, 5)
    lines = [entry(one.reference, str(one.amount), own=f"A{i}") for i, one in enumerate(waiting)]
    lines.append(entry(waiting[0].reference, str(waiting[0].amount), own="OTHER"))
    taken = await pieces(service, camt("camt.054", "N1", lines))
    assert (taken.matched, taken.breaks) == (5, 1)


async def test_a_large_upload_is_kept_encrypted_and_taken_in_by_a_job(
    service: TestService, small_pieces: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(receive_file, "AT_ONCE", 1_000)
    monkeypatch.setattr(receive_file, "PART", 500)
    _, waiting = await sent(service, 8)
    body = booked(waiting)
    answer = await service.http.post(INBOX, content=body, headers=service.token("integration"))
    assert answer.status_code == 202, answer.text
    kept = await rows(service, "SELECT body_encrypted FROM statement_part")
    assert len(kept) > 3
    assert not any(b"EndToEndId" in bytes(row["body_encrypted"]) for row in kept)
    await service.run_jobs()
    assert await states(service, waiting) == ["settled"] * 8
    assert await rows(service, "SELECT * FROM statement_part") == []
    again = await service.http.post(INBOX, content=body, headers=service.token("integration"))
    assert (again.status_code, again.json()["code"]) == (409, "statement_already_received")


async def test_a_large_upload_that_cannot_be_read_is_refused_by_its_job(
    service: TestService, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(receive_file, "AT_ONCE", 1_000)
    _, waiting = await sent(service, 8)
    answer = await service.http.post(INBOX, content=booked(waiting)[:-9], headers=service.token("integration"))
    assert answer.status_code == 202
    jobs = await service.run_jobs(allow_failed=True)
    assert [job["error"]["code"] for job in jobs if job["kind"] == receive_file.TAKE_IN] == ["statement_malformed"]
    assert await states(service, waiting) == ["sent"] * 8
    assert await rows(service, "SELECT * FROM statement_part") == []


def hundred_mib(path: Path) -> Iterator[None]:
    filler = entry("x" * 32, "5000", payee="0001234")
    with path.open("wb") as out:
        head, tail = camt("camt.054", "BIG", ["|"]).split(b"|")
        out.write(head)
        block = filler.encode() * 500
        while out.tell() < 100 * 2**20:
            out.write(block)
        out.write(tail)
    yield


def test_a_file_of_100_mib_is_checked_in_flat_memory(tmp_path: Path):
    path = tmp_path / "big.xml"
    list(hundred_mib(path))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reader = StatementReader(lambda: path.open("rb"))
    reader.check()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert reader.head.message_id == "BIG"
    assert grown < 40 * 1024  # KiB


async def test_the_position_and_the_effects_of_a_piece_commit_together(
    service: TestService, small_pieces: None, monkeypatch: pytest.MonkeyPatch
):
    _, waiting = await sent(service, 6)
    advance = ingest_document.repository.advance

    async def fails(session: Any, *arguments: Any) -> None:
        await advance(session, *arguments)
        await session.execute(text("SELECT 1 / 0"))

    monkeypatch.setattr(ingest_document.repository, "advance", fails)
    with pytest.raises(Exception, match="division by zero"):
        await pieces(service, booked(waiting))
    assert await states(service, waiting) == ["sent"] * 6
    (file,) = await rows(service, "SELECT position FROM statement_file")
    assert file["position"] == 0
