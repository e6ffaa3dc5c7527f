"""Attachments: what a file is decides its content; stored encrypted; handed out, never shown or run."""

from __future__ import annotations

import asyncio
import struct
import zlib
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from services.grievance.attachments.scanner import Scan
from services.grievance.attachments.sniff import JPEG, OGG, PDF, PNG, TEXT, ActiveContent, media_type
from services.grievance.tests.building import ELSEWHERE, Officer, complaint, start
from shared.testing.plugin import MakeService
from shared.testing.service import TestService


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    image = zlib.compress(b"\x00\x7f")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", image) + chunk(b"IEND", b"")


def ogg(*bodies: bytes) -> bytes:
    return b"".join(b"OggS\x00\x02" + bytes(20) + bytes([1, len(body)]) + body for body in bodies)


def packed(objects: bytes, how: bytes = b"/Filter /FlateDecode") -> bytes:
    """A PDF whose objects stand in a compressed stream."""
    data = zlib.compress(objects)
    stream = b"2 0 obj << /Type /ObjStm /N 1 " + how + b" >> stream\n" + data + b"\nendstream endobj\n"
    return PAPER.replace(b"trailer", stream + b"trailer")


JPG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + b"\x12\xff\x00\x34\xff\xd0" * 10 + b"\xff\xd9"
)
PAPER = b"%PDF-1.4\n1 0 obj << /Type /Catalog >> endobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"
SOUND = ogg(b"OpusHead" + bytes(11), b"OpusTags" + bytes(20), b"sound")
WORDS = "ខ្ញុំមិនបានទទួលប្រាក់ទេ។\n".encode()
GOOD = {PNG: png(), JPEG: JPG, PDF: PAPER, OGG: SOUND, TEXT: WORDS}
LIARS = {
    "a script called a picture": (PNG, b"<script>alert(1)</script>"),
    "a page called a picture": (JPEG, b"<!DOCTYPE html><html></html>"),
    "a picture called a paper": (PDF, png()),
    "a paper called a picture": (PNG, PAPER),
    "a program called a picture": (PNG, b"\x7fELF" + b"\x00" * 100),
    "a windows program called a paper": (PDF, b"MZ" + b"\x00" * 100),
    "an archive called a text": (TEXT, b"PK\x03\x04" + b"\x00" * 100),
    "a picture with an archive behind it": (PNG, png() + b"PK\x03\x04archive"),
    "a photograph with a page behind it": (JPEG, JPG + b"<html>"),
    "a picture inside which a page begins": (PNG, png()[:33] + b"<html><script>" + png()[33:]),
    "a photograph with an archive behind it that ends like one": (JPEG, JPG + b"PK\x03\x04archive\xff\xd9"),
    "a photograph without a picture": (JPEG, JPG[:20] + b"PK\x03\x04" + b"\xff\xd9"),
    "a photograph inside which an archive hides": (JPEG, JPG[:20] + b"PK\x03\x04" + JPG[20:]),
    "a picture whose check sum is wrong": (PNG, png().replace(b"IDAT", b"IDAU")),
    "a picture of which only the end is one": (PNG, b"\x89PNG\r\n\x1a\n" + b"PK" * 20 + png()[-12:]),
    "a sound with a program behind it": (OGG, SOUND + b"\x7fELF" + bytes(60)),
    "a film called a sound": (OGG, ogg(b"\x80theora" + bytes(30))),
    "a sound that is not one": (OGG, b"OggS\x00\x02" + bytes(60)),
    "a paper with an archive behind it": (PDF, PAPER + b"PK\x03\x04"),
    "a paper that runs, packed": (PDF, packed(b"1 0 << /S /JavaScript /JS (app.alert(1)) >>")),
    "a paper that runs, packed and in disguise": (PDF, packed(b"1 0 << /S /J#61vaScript >>")),
    "a paper packed in an unusual way": (PDF, packed(b"x", b"/Filter [/ASCIIHexDecode /FlateDecode]")),
    "a paper packed so that its names are disguised": (PDF, packed(b"/Launch").replace(b"/ObjStm", b"/Obj#53tm")),
    "a paper that unpacks without end": (PDF, packed(bytes(20 << 20))),
    "a paper under a password": (PDF, PAPER.replace(b"/Root", b"/Encrypt 5 0 R /Root")),
    "half a picture": (PNG, png()[:-8]),
    "a vector picture with a script": ("image/svg+xml", b'<svg onload="alert(1)"/>'),
    "an unnamed type": ("application/octet-stream", png()),
    "a form": ("multipart/form-data", png()),
    "nothing": (PNG, b""),
    "a paper that runs": (PDF, PAPER.replace(b"/Type", b"/OpenAction << /S /JavaScript /JS (x) >> /Type")),
    "a paper with a script elsewhere": (PDF, PAPER.replace(b"/Type", b"/X /JS 7 0 R /Type")),
    "a paper that acts on each page": (PDF, PAPER.replace(b"/Type", b"/AA << /O 7 0 R >> /Type")),
    "a paper that runs in disguise": (PDF, PAPER.replace(b"/Type", b"/#4aavaScript (x) /Type")),
}


@pytest.fixture
async def grievance(make_service: MakeService) -> TestService:
    return await start(make_service)


async def attach(officer: Officer, case_id: str, declared: str, content: bytes) -> httpx.Response:
    path = f"/grievance/v1/cases/{case_id}/attachments"
    headers = officer.headers | {"Content-Type": declared}
    return await officer.service.http.post(path, content=content, headers=headers)


@pytest.mark.parametrize("declared", list(GOOD))
async def test_a_file_is_kept_encrypted_and_comes_back_as_it_was_to_be_saved_not_shown(
    grievance: TestService, declared: str
) -> None:
    officer = Officer(grievance)
    case = await officer.open()
    added = await attach(officer, case["id"], declared, GOOD[declared])
    assert added.status_code == 201, added.text
    assert (added.json()["media_type"], added.json()["scan"]) == (declared, "not_scanned")
    async with grievance.database.session() as session:
        stored = b"".join((await session.scalars(text("SELECT data_encrypted FROM attachment_chunk"))).all())
    assert GOOD[declared][:12] not in stored
    got = await officer.get(f"/cases/{case['id']}/attachments/{added.json()['id']}")
    assert got.content == GOOD[declared]
    assert got.headers["content-type"].startswith(declared)
    assert got.headers["content-disposition"].startswith('attachment; filename="GR-')
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert got.headers["cache-control"] == "no-store"
    (shown,) = (await officer.get(f"/cases/{case['id']}")).json()["attachments"]
    assert shown["bytes"] == len(GOOD[declared])


@pytest.mark.parametrize("lie", list(LIARS))
async def test_a_file_that_lies_about_its_type_is_refused_and_nothing_is_kept(grievance: TestService, lie: str) -> None:
    officer = Officer(grievance)
    case = await officer.open()
    refused = await attach(officer, case["id"], *LIARS[lie])
    assert (refused.status_code, refused.json()["code"]) == (422, "attachment_refused"), lie
    assert (await officer.get(f"/cases/{case['id']}")).json()["attachments"] == []


@pytest.mark.parametrize(
    ("found", "content"),
    [
        (JPEG, JPG + JPG),  # a telephone's picture with a second one behind it
        (PDF, packed(b"1 0 << /Type /Catalog >>")),
        (PDF, PAPER + PAPER[9:]),  # a paper that was added to
        (PDF, PAPER.replace(b"trailer", b"3 0 obj << >> stream\n\x9f/AA\x80/JS\x02\nendstream\ntrailer")),  # pixels
        (OGG, ogg(b"\x01vorbis" + bytes(23))),
    ],
)
def test_what_telephones_and_printers_really_make_is_taken(found: str, content: bytes) -> None:
    assert media_type(content) == found


@given(st.sampled_from([PNG, JPEG, PDF, OGG]), st.binary(min_size=1, max_size=40))
def test_nothing_can_stand_behind_the_end_of_a_file(declared: str, behind: bytes) -> None:
    content = GOOD[declared] + behind
    try:
        found = media_type(content)
    except ActiveContent:
        return
    blank = declared == PDF and not behind.strip(b"\r\n\t \x00")
    assert found is None or blank, "only a PDF may end in blanks"


async def test_a_large_file_comes_in_pieces_and_one_that_is_too_large_is_not_read_to_its_end(
    make_service: MakeService,
) -> None:
    grievance = await start(make_service, attachment_max_bytes=700_000)
    officer = Officer(grievance)
    case = await officer.open()
    content = ("ក" * 200_000).encode()
    added = await attach(officer, case["id"], TEXT, content)
    assert added.status_code == 201, added.text
    got = await officer.get(f"/cases/{case['id']}/attachments/{added.json()['id']}")
    assert got.content == content
    read = 0

    async def endless() -> Any:
        nonlocal read
        for _ in range(1000):
            read += 100_000
            yield b"a" * 100_000

    path = f"/grievance/v1/cases/{case['id']}/attachments"
    headers = officer.headers | {"Content-Type": TEXT}
    refused = await grievance.http.post(path, content=endless(), headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (413, "attachment_too_large")
    async with grievance.database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM attachment")) == 1


async def test_a_piece_that_was_changed_or_moved_is_not_handed_out(grievance: TestService) -> None:
    officer = Officer(grievance)
    case = await officer.open()
    first = (await attach(officer, case["id"], TEXT, WORDS)).json()["id"]
    second = (await attach(officer, case["id"], TEXT, WORDS)).json()["id"]
    async with grievance.database.session() as session:
        await session.execute(
            text(
                "UPDATE attachment_chunk SET data_encrypted = (SELECT data_encrypted FROM attachment_chunk"
                " WHERE attachment_id = :second) WHERE attachment_id = :first"
            ),
            {"first": first, "second": second},
        )
    async with grievance.database.session() as session:
        query = text("SELECT data_encrypted FROM attachment_chunk WHERE attachment_id = :id")
        stored = await session.scalar(query, {"id": first})
    with pytest.raises(ValueError, match="not encrypted with this key for this place"):
        grievance.context.resources.chunks.decrypt(stored, UUID(first), 0, 1)


async def test_a_scanner_that_finds_something_refuses_the_file_and_one_that_is_away_too(
    grievance: TestService,
) -> None:
    class Finds:
        async def scan(self, content: bytes, media_type: str) -> Scan:
            return Scan.INFECTED

    class Away:
        async def scan(self, content: bytes, media_type: str) -> Scan:
            raise OSError("no answer")

    officer = Officer(grievance)
    case = await officer.open()
    object.__setattr__(grievance.context.resources, "scanner", Finds())
    refused = await attach(officer, case["id"], TEXT, WORDS)
    assert refused.json()["errors"][0]["code"] == "malware_found"
    object.__setattr__(grievance.context.resources, "scanner", Away())
    assert (await attach(officer, case["id"], TEXT, WORDS)).status_code == 503
    assert (await officer.get(f"/cases/{case['id']}")).json()["attachments"] == []


async def test_attachments_are_for_those_who_work_on_the_case_and_not_without_end(grievance: TestService) -> None:
    officer = Officer(grievance)
    case = await officer.open()
    added = (await attach(officer, case["id"], TEXT, WORDS)).json()["id"]
    path = f"/cases/{case['id']}/attachments/{added}"
    assert (await Officer(grievance, areas=(ELSEWHERE,), subject="o2").get(path)).status_code == 403
    assert (await Officer(grievance, role="auditor", subject="o3").get(path)).status_code == 403
    other = await officer.open()
    assert (await officer.get(f"/cases/{other['id']}/attachments/{added}")).status_code == 404
    more = await asyncio.gather(*(attach(officer, other["id"], TEXT, WORDS) for _ in range(3)))
    assert {answer.status_code for answer in more} == {201}
    for _ in range(17):
        assert (await attach(officer, other["id"], TEXT, WORDS)).status_code == 201
    full = await attach(officer, other["id"], TEXT, WORDS)
    assert (full.status_code, full.json()["code"]) == (409, "too_many_attachments")


async def test_an_attachment_of_a_sealed_case_is_under_the_sealed_key_and_behind_the_seal(
    grievance: TestService,
) -> None:
    opened = (await Officer(grievance).post("/cases", complaint(category="conduct"))).json()
    officer = Officer(grievance, role="sealed_case_officer", subject="s")
    added = await attach(officer, opened["id"], TEXT, WORDS)
    assert added.status_code == 201, added.text
    got = await officer.get(f"/cases/{opened['id']}/attachments/{added.json()['id']}")
    assert got.content == WORDS
    async with grievance.database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM attachment")) == 0
        assert await session.scalar(text("SELECT count(*) FROM attachment_chunk")) == 0


@given(st.binary(max_size=300))
def test_any_bytes_are_one_of_our_types_or_none_and_text_never_hides_markup(content: bytes) -> None:
    try:
        found = media_type(content)
    except ActiveContent:
        return
    assert found is None or found in GOOD
    if found == TEXT:
        assert b"\x00" not in content
        assert b"<script" not in content.lower()
