"""A file of any size in flat memory: piece by piece, resumable, once; large uploads are kept encrypted until then."""

from __future__ import annotations

import asyncio
import random
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
from services.payments.reconciliation.model import Line
from shared.testing import wait_for
from shared.testing.plugin import MakeService
from shared.testing.service import TestService

INBOX = "/payments/v1/rails/bank/inbox"


@pytest.fixture
async def service(make_service: MakeService) -> TestService:
    return await make_service(SERVICE, **SETTINGS)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_document, "CHUNK", 3)


@pytest.fixture
def lanes(monkeypatch: pytest.MonkeyPatch, small_pieces: None) -> None:
    """Any document is large, and has three lanes."""
    monkeypatch.setattr(ingest_document, "LARGE", 0)
    monkeypatch.setattr(ingest_document, "LANES", 3)


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


async def dies_at(service: TestService, body: bytes, piece: int) -> None:
    """Take a file in until so many pieces were applied, the last of them without its commit."""
    apply_piece, done = ingest_document._apply_piece, 0

    async def dies(*arguments: Any) -> None:
        nonlocal done
        done += 1
        last = done == piece
        await apply_piece(*arguments)
        if last:
            raise _Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest_document, "_apply_piece", dies)
        with pytest.raises(_Killed):
            await pieces(service, body)


async def test_a_file_whose_taker_died_is_gone_on_with_where_it_stands(service: TestService, small_pieces: None):
    _, waiting = await sent(service, 10)
    body = booked(waiting)
    await dies_at(service, body, 3)
    (lane,) = await rows(service, "SELECT position, lines, matched FROM statement_lane")
    assert (lane["position"], lane["lines"], lane["matched"]) == (6, 6, 6)
    listed = await service.http.get("/payments/v1/reconciliation/files", headers=service.token("auditor"))
    (file,) = listed.json()["items"]
    assert (file["state"], file["lines"], file["matched"], file["breaks"]) == ("applying", 6, 6, 0)
    taken = await pieces(service, body)
    assert (taken.lines, taken.matched, taken.breaks) == (10, 10, 0)
    assert await states(service, waiting) == ["settled"] * 10
    (moved,) = await rows(service, "SELECT count(*) AS n FROM movement WHERE kind = 'settle'")
    assert moved["n"] == 10
    assert (await pieces(service, body)).seen
    (batch,) = await rows(service, "SELECT state FROM batch")
    assert batch["state"] == "completed"


@pytest.mark.parametrize("piece", [1, 4, 7])
async def test_lanes_whose_taker_died_go_on_each_where_it_stands(service: TestService, lanes: None, piece: int):
    _, waiting = await sent(service, 20)
    body = booked(waiting)
    await dies_at(service, body, piece)
    begun = await rows(service, "SELECT lane, lanes, position, lines FROM statement_lane ORDER BY lane")
    assert [(lane["lane"], lane["lanes"]) for lane in begun] == [(0, 3), (1, 3), (2, 3)]
    settled = [state for state in await states(service, waiting) if state == "settled"]
    assert len(settled) == sum(lane["lines"] for lane in begun) < 20
    taken = await pieces(service, body)
    assert (taken.lines, taken.matched, taken.breaks) == (20, 20, 0)
    assert await states(service, waiting) == ["settled"] * 20
    (moved,) = await rows(service, "SELECT count(*) AS n FROM movement WHERE kind = 'settle'")
    assert moved["n"] == 20
    assert await rows(service, "SELECT * FROM statement_lane") == []
    assert await balanced(service)


async def test_a_file_goes_on_in_the_lanes_it_was_begun_in(
    service: TestService, lanes: None, monkeypatch: pytest.MonkeyPatch
):
    _, waiting = await sent(service, 20)
    body = booked(waiting)
    await dies_at(service, body, 5)
    monkeypatch.setattr(ingest_document, "LANES", 5)
    assert (await pieces(service, body)).matched == 20
    (kept,) = await rows(service, "SELECT count(*) AS n, count(DISTINCT number) AS numbers FROM statement_line")
    assert (kept["n"], kept["numbers"]) == (20, 20)


def troubled(waiting: list[Waiting], chance: random.Random) -> bytes:
    """Bookings, some twice, some taken back afterwards, some of another amount or of a payment nobody knows."""
    lines = [entry(one.reference, str(one.amount), own=f"A{n}") for n, one in enumerate(waiting)]
    for n, one in enumerate(chance.sample(waiting, 6)):
        lines.append(entry(one.reference, str(one.amount), own=f"A{waiting.index(one)}"))
        lines.append(entry(one.reference, str(one.amount), direction="CRDT", returned="AC04", own=f"R{n}"))
    for n, one in enumerate(chance.sample(waiting, 4)):
        lines.append(entry(one.reference, str(one.amount), own=f"B{n}"))
        lines.append(entry(one.reference, "1", own=f"C{n}"))
        lines.append(entry(f"{n:032x}", "5000", own=f"D{n}"))
        lines.append(entry("", "700", direction="CRDT", own=f"E{n}"))
    return camt("camt.054", "N1", lines)


@pytest.mark.parametrize("seed", range(3))
async def test_lanes_tell_of_each_line_what_one_lane_tells(
    make_service: MakeService, small_pieces: None, monkeypatch: pytest.MonkeyPatch, seed: int
):
    told = []
    for large in (1 << 30, 0):
        monkeypatch.setattr(ingest_document, "LARGE", large)
        monkeypatch.setattr(ingest_document, "LANES", 4)
        service = await make_service(SERVICE, **SETTINGS)
        _, waiting = await sent(service, 20)
        taken = await pieces(service, troubled(waiting, random.Random(seed)))
        lines = await rows(service, "SELECT number, kind, verdict FROM statement_line ORDER BY number")
        moved = await rows(service, "SELECT kind, count(*) AS n, sum(amount) FROM movement GROUP BY kind ORDER BY kind")
        told.append((taken.lines, taken.matched, taken.breaks, lines, moved, await states(service, waiting)))
        assert await balanced(service)
    assert told[0] == told[1]
    assert len({line["verdict"] for line in told[0][3]}) >= 4


async def test_a_lane_that_is_held_up_holds_up_the_reading(service: TestService, lanes: None):
    _, waiting = await sent(service, 150)
    body, reader_lines, read, looks = booked(waiting), StatementReader.lines, 0, [0] * 20

    def counted(reader: StatementReader) -> Iterator[Line]:
        nonlocal read
        for line in reader_lines(reader):
            read += 1
            yield line

    async def rests() -> bool:
        looks.append(read)
        return 0 < looks[-20] == read  # nothing was read for twenty looks

    await dies_at(service, body, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StatementReader, "lines", counted)
        async with service.database.session() as holder:
            await holder.execute(text("SELECT FROM statement_lane WHERE lane = 0 FOR UPDATE"))
            taking = asyncio.ensure_future(pieces(service, body))
            await wait_for(rests, 30, "no line is read any more")
            assert read < 60
        assert (await taking).matched == 150


@pytest.mark.parametrize("size", ["small_pieces", "lanes"])
async def test_two_workers_at_one_file_apply_each_line_once(
    service: TestService, request: pytest.FixtureRequest, size: str
):
    request.getfixturevalue(size)
    _, waiting = await sent(service, 24)
    body = booked(waiting)
    await asyncio.gather(*(pieces(service, body) for _ in range(3)))
    await pieces(service, body)  # whoever was left behind
    assert await states(service, waiting) == ["settled"] * 24
    (moved,) = await rows(service, "SELECT count(*) AS n FROM movement WHERE kind = 'settle'")
    assert moved["n"] == 24
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
    (lane,) = await rows(service, "SELECT position FROM statement_lane")
    assert lane["position"] == 0
