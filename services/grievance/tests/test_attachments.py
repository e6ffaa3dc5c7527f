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


JPG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + b"\x00" * 40 + b"\xff\xd9"
PAPER = b"%PDF-1.4\n1 0 obj << /Type /Catalog >> endobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"
SOUND = b"OggS\x00\x02" + b"\x00" * 60
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
    "half a picture": (PNG, png()[:-8]),
    "a vector picture with a script": ("image/svg+xml", b'<svg onload="alert(1)"/>'),
    "an unnamed type": ("application/octet-stream", png()),
    "a form": ("multipart/form-data", png()),
    "nothing": (PNG, b""),
    "a paper that runs": (PDF, PAPER.replace(b"/Type", b"/OpenAction << /S /JavaScript /JS (x) >> /Type")),
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
