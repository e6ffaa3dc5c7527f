"""The complainant: follows by receipt code, is told at each step, rates, reopens; nobody guesses her code."""

from __future__ import annotations

import asyncio
import os
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from services.grievance.notifications.model import Told
from services.grievance.notifications.senders import FileSender, Message, Undeliverable
from services.grievance.notifications.templates import load_messages
from services.grievance.receipts.codes import CODE_LENGTH, new_code
from services.grievance.tests.building import Officer, complaint, run_schedule, start
from shared.crypto import KeyedHash
from shared.testing.plugin import MakeService
from shared.testing.service import TestService

PHONE = "+855 12 345 678"


@pytest.fixture
async def grievance(make_service: MakeService) -> TestService:
    return await start(make_service)


def family(grievance: TestService, address: str = "203.0.113.7") -> Officer:
    caller = Officer(grievance, role="public_client", subject="web", areas=())
    caller.headers |= {"X-Forwarded-For": address}
    return caller


class Postman:
    """A sender that remembers, and fails as it is told to."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.error: Exception | None = None

    async def send(self, message: Message) -> None:
        if self.error is not None:
            raise self.error
        self.sent.append(message)


async def deliver_messages(grievance: TestService) -> None:
    await run_schedule(grievance, "send_notifications")


async def test_she_is_told_at_each_step_in_her_language_and_her_number_is_nowhere_in_clear(
    grievance: TestService,
) -> None:
    postman = Postman()
    object.__setattr__(grievance.context.resources, "sender", postman)
    officer = Officer(grievance)
    case = await officer.open(contact={"kind": "phone", "value": PHONE}, language="en")
    other = await officer.open(contact={"kind": "email", "value": "sokha@example.org"}, language="km")
    case = await officer.act(case, "triage", {"category": "registry"})
    case = await officer.act(case, "triage", {"priority": "low"})
    case = await officer.act(case, "assign", {})
    case = await officer.act(case, "refer", {"institution": "nssf", "note": "x"})
    case = await officer.act(case, "return", {"answer": "handled", "note": "x"})
    case = await officer.act(case, "resolve", {"outcome": "partly_upheld", "note": "x"})
    case = await officer.act(case, "close")
    case = await officer.act(case, "reopen", {"note": "x"})
    await deliver_messages(grievance)
    await deliver_messages(grievance)

    mine = [message.text for message in postman.sent if message.address == PHONE]
    assert len(mine) == 8, "all steps but the change of a priority"
    assert all(case["reference"] in words for words in mine)
    assert any("you were right in part" in words for words in mine)
    (theirs,) = [message for message in postman.sent if message.address != PHONE]
    assert (theirs.kind, other["reference"] in theirs.text, "យើង" in theirs.text) == ("email", True, True)
    assert len({message.id for message in postman.sent}) == 9
    for event in await grievance.outbox():
        assert "345" not in event.model_dump_json()
    async with grievance.database.session() as session:
        for name in ("grievance_case", "notification", "audit_entry", "case_step"):
            dump = str((await session.execute(text(f'SELECT * FROM "{name}"'))).all())
            assert PHONE not in dump
            assert "sokha@example.org" not in dump
    shown = (await officer.get(f"/cases/{case['id']}")).json()
    assert shown["has_contact"] is True
    assert {message["state"] for message in shown["messages"]} == {"sent"}


async def test_a_sender_that_fails_is_asked_again_later_and_later_and_given_up_in_the_end(
    grievance: TestService,
) -> None:
    postman = Postman()
    object.__setattr__(grievance.context.resources, "sender", postman)
    opened = await Officer(grievance).open(contact={"kind": "phone", "value": PHONE})
    postman.error = OSError("the line is dead")
    for _ in range(3):
        await deliver_messages(grievance)
        grievance.clock.advance(timedelta(minutes=10))
    postman.error = None
    await deliver_messages(grievance)
    assert len(postman.sent) == 1
    postman.error = Undeliverable()
    await Officer(grievance).act(opened, "assign", {})
    await deliver_messages(grievance)
    shown = (await Officer(grievance).get(f"/cases/{opened['id']}")).json()
    assert [message["state"] for message in shown["messages"]] == ["sent", "failed"]
    postman.error = OSError("dead again")
    await Officer(grievance).open(contact={"kind": "phone", "value": PHONE})
    for _ in range(9):
        await deliver_messages(grievance)
        grievance.clock.advance(timedelta(hours=5))
    async with grievance.database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM notification WHERE state = 'queued'")) == 0


async def test_two_workers_send_each_message_once(grievance: TestService) -> None:
    postman = Postman()
    object.__setattr__(grievance.context.resources, "sender", postman)
    for _ in range(12):
        await Officer(grievance).open(contact={"kind": "phone", "value": PHONE})
    await asyncio.gather(*(deliver_messages(grievance) for _ in range(3)))
    assert len(postman.sent) == len({message.id for message in postman.sent}) == 12


async def test_the_file_sender_masks_addresses_and_never_fills_the_disk(
    grievance: TestService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.grievance.notifications.senders.MAX_FILE_BYTES", 600)
    object.__setattr__(grievance.context.resources, "sender", FileSender(tmp_path / "spool"))
    for _ in range(20):
        await Officer(grievance).open(contact={"kind": "phone", "value": PHONE})
    await deliver_messages(grievance)
    files = sorted((tmp_path / "spool").iterdir())
    assert [file.name for file in files] == ["messages.1.jsonl", "messages.jsonl"]
    assert all(file.stat().st_size <= 600 and file.stat().st_mode & 0o077 == 0 for file in files)
    line = orjson.loads(files[1].read_bytes().splitlines()[0])
    assert (line["address"], line["kind"]) == ("***78", "phone")


def test_every_step_has_words_in_both_languages() -> None:
    messages = load_messages(Path(__file__).parents[1] / "configuration" / "messages.yaml")
    for step in Told:
        for language in ("km", "en"):
            said = messages.render(
                step, language, reference="GR-1", due_on=date(2020, 7, 15), outcome="upheld", level="x"
            )
            assert "GR-1" in said
            assert "{" not in said


@pytest.mark.parametrize("contact", [{"kind": "phone", "value": "12345"}, {"kind": "email", "value": "not-an-address"}])
async def test_an_address_that_cannot_be_one_is_refused_without_repeating_it(
    grievance: TestService, contact: dict[str, Any]
) -> None:
    answer = await Officer(grievance).post("/cases", complaint(contact=contact))
    assert answer.status_code == 422
    assert contact["value"] not in answer.text


async def test_she_follows_rates_and_reopens_with_nothing_but_the_code(grievance: TestService) -> None:
    officer = Officer(grievance)
    opened = await officer.open()
    code, web = opened["receipt_code"], family(grievance)
    early = await web.post(f"/receipts/{code}:rate", {"rating": 5})
    assert (early.status_code, early.json()["code"]) == (409, "not_answered")
    case = await officer.act(await officer.act(opened, "assign", {}), "resolve", {"outcome": "rejected", "note": "No."})
    shown = (await web.get(f"/receipts/{code}")).json()
    assert (shown["state"], [note["text"] for note in shown["notes"]]) == ("resolved", ["No."])
    assert (await web.post(f"/receipts/{code}:rate", {"rating": 6})).status_code == 422
    rated = await web.post(f"/receipts/{code}:rate", {"rating": 1})
    assert (rated.status_code, rated.json()["rating"]) == (200, 1)
    again = await web.post(f"/receipts/{code}:reopen", {"reason": "Nobody came to see us."})
    assert (again.status_code, again.json()["state"]) == (200, "reopened")
    detail = (await officer.get(f"/cases/{case['id']}")).json()
    assert [step["actor"] for step in detail["history"][-2:]] == ["system:complainant", "system:complainant"]
    assert "Nobody came to see us." in [note["text"] for note in detail["notes"]]
    twice = await web.post(f"/receipts/{code}:reopen", {"reason": "again"})
    assert (twice.status_code, twice.json()["code"]) == (409, "case_state_conflict")


async def test_the_receipt_of_a_merged_case_shows_the_other_ones_progress(grievance: TestService) -> None:
    officer = Officer(grievance)
    first, repeat = await officer.open(), await officer.open()
    await officer.act(repeat, "merge", {"into": first["id"]})
    web = family(grievance)
    shown = (await web.get(f"/receipts/{repeat['receipt_code']}")).json()
    assert (shown["reference"], shown["state"]) == (repeat["reference"], "opened")


async def test_a_million_guesses_find_nothing(grievance: TestService) -> None:
    """By arithmetic, by trying a million against ten thousand codes, and by what the limit lets through in a year."""
    codes, guesses, cases = 32**CODE_LENGTH, 1_000_000, 10_000_000
    assert guesses * cases / codes < 1e-16
    keyed = KeyedHash(grievance.context.settings.hash_key.get_secret_value())
    known = {keyed.digest(new_code(), "receipt") for _ in range(10_000)}
    stream = os.urandom(10 * guesses)
    found = sum(keyed.digest(stream[n : n + 10].hex(), "receipt") in known for n in range(0, len(stream), 10))
    assert found == 0
    settings = grievance.context.settings
    in_a_year = settings.receipt_failures_per_client * 24 * 365
    assert in_a_year * cases / codes < 1e-15, "one client, however patient"


async def test_a_client_that_guesses_is_stopped_right_or_wrong_and_others_are_not(grievance: TestService) -> None:
    opened = await Officer(grievance).open()
    thief, web = family(grievance, "198.51.100.1"), family(grievance, "203.0.113.7")
    limit = grievance.context.settings.receipt_failures_per_client
    answers = [await thief.get(f"/receipts/{new_code()}") for _ in range(limit)]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text.split('"instance"')[0] for answer in answers}) == 1, "every wrong code gets one answer"
    for code in (new_code(), opened["receipt_code"], "malformed"):
        refused = await thief.get(f"/receipts/{code}")
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_wrong_codes")
        assert 0 < int(refused.headers["Retry-After"]) <= 3600
    posted = await thief.post(f"/receipts/{opened['receipt_code']}:reopen", {"reason": "x"})
    assert posted.status_code == 429
    assert (await web.get(f"/receipts/{opened['receipt_code']}")).status_code == 200
    grievance.clock.advance(timedelta(hours=1, seconds=1))
    later = family(grievance, "198.51.100.1")
    assert (await later.get(f"/receipts/{opened['receipt_code']}")).status_code == 200


async def test_guesses_around_one_beginning_are_stopped_whoever_makes_them(grievance: TestService) -> None:
    limit = grievance.context.settings.receipt_failures_per_prefix
    prefix = new_code()[:6]
    for n in range(limit):
        answer = await family(grievance, f"198.51.100.{n}").get(f"/receipts/{prefix}{new_code()[6:]}")
        assert answer.status_code == 404
    answer = await family(grievance, "198.51.100.200").get(f"/receipts/{prefix}{new_code()[6:]}")
    assert answer.status_code == 429


async def test_the_counters_hold_no_code_and_no_address_and_are_forgotten(grievance: TestService) -> None:
    code = new_code()
    await family(grievance, "198.51.100.9").get(f"/receipts/{code}")
    async with grievance.database.session() as session:
        dump = str((await session.execute(text("SELECT * FROM receipt_attempt"))).all())
    assert dump.count("client:") == 1
    assert "198.51" not in dump
    assert code[:5] not in dump
    grievance.clock.advance(timedelta(hours=2))
    await run_schedule(grievance, "prune_receipt_attempts")
    async with grievance.database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM receipt_attempt")) == 0
