"""Household files out: what was imported comes back, in any format, no further than area, role and consent allow."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import openpyxl
import pytest
from sqlalchemy import text

from services.registry.exports.piece_cipher import PieceCipher
from services.registry.imports.sources import FileKind
from services.registry.tests.building import KEYS, VILLAGES, Registry, file_of, person
from shared.crypto import CryptoError
from shared.ids import uuid7
from shared.worker import Worker

URL = "/registry/v1/household-exports"


async def export(
    registry: Registry, *, role: str = "registry_officer", areas: tuple[str, ...] = ("*",), **body: Any
) -> Any:
    headers = registry.officer(role, areas=areas)
    asked = {"purpose": "social_protection", "reason": "yearly check"} | body
    answer = await registry.http.post(URL, json=asked, headers=headers)
    if answer.status_code != 202:
        return answer
    await registry.service.run_jobs()
    return await registry.http.get(f"{URL}/{answer.json()['export_id']}/file", headers=headers)


async def view(registry: Registry, answer: Any) -> dict[str, Any]:
    url = str(answer.request.url).removesuffix("/file")
    found = await registry.http.get(url, headers=registry.officer("registry_officer"))
    return dict(found.json())


@pytest.mark.parametrize("name", ["csv", "ndjson", "xlsx", "parquet"])
async def test_what_is_exported_is_imported_again_unchanged(registry: Registry, name: str) -> None:
    lines = [
        person("H1", national_id="123456789", phone="+85512345678", birth_date="1980-05"),
        person("H1", "2", name_km="", name_en='O\'Neil, "Sok" & <Dara>', sex="male", birth_date="2001"),
        person("H2", poverty_level="", card_number="", card_valid_from="", card_valid_until="", disability="mild"),
    ]
    await registry.send(file_of(*lines).replace('"O\'Neil, ""Sok"" & <Dara>"', "Sok Dara"))
    before = await registry.everything()
    answer = await export(registry, format=name, numbers=True)
    assert answer.status_code == 200, answer.text
    headers = {**registry.officer(), "Content-Type": FileKind[name.upper()].value}
    sent = await registry.http.post("/registry/v1/household-imports", content=answer.content, headers=headers)
    assert sent.status_code == 202, sent.text
    await registry.service.run_jobs()
    done = await registry.read(sent.json()["import_id"])
    assert (done["unchanged"], done["registered"], done["updated"], done["rejections"]) == (2, 0, 0, 0)
    assert await registry.everything() == before
    found = await view(registry, answer)
    assert (found["rows"], found["households"], found["bytes"]) == (3, 2, len(answer.content))


async def test_no_cell_of_an_export_is_computed_by_a_spreadsheet(registry: Registry) -> None:
    await registry.send(file_of(person(phone="+85512345678"), person("H1", "2")))
    async with registry.service.database.session() as session:  # what an older system may have left behind
        await session.execute(
            text("SELECT set_config('samaki.change', (SELECT id::text FROM register_change LIMIT 1), true)")
        )
        await session.execute(text("UPDATE person SET name_en = '=HYPERLINK(\"http://x\")' WHERE phone_cipher IS NULL"))
    rows = list(csv.reader(io.StringIO((await export(registry)).text)))
    cells = [cell for row in rows[1:] for cell in row if cell]
    assert not [cell for cell in cells if cell[0] in "=+-@\t\r"]
    assert '\'=HYPERLINK("http://x")' in cells
    assert "'+85512345678" in cells
    sheet = openpyxl.load_workbook(io.BytesIO((await export(registry, format="xlsx")).content)).worksheets[0]
    assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value is not None} <= {"s", "inlineStr"}


async def test_an_export_is_limited_to_area_and_place(registry: Registry) -> None:
    await registry.send(
        file_of(person("H1"), person("H2", village_code=VILLAGES[2]), person("H3", village_code=VILLAGES[3]))
    )
    answer = await export(registry, role="commune_officer", areas=("01",))
    assert {row["household_ref"] for row in csv.DictReader(io.StringIO(answer.text))} == {"H1", "H2"}
    answer = await export(registry, role="commune_officer", areas=("01",), place="0106")
    assert {row["household_ref"] for row in csv.DictReader(io.StringIO(answer.text))} == {"H2"}
    refused = await export(registry, role="commune_officer", areas=("01",), place="12")
    assert (refused.status_code, refused.json()["code"]) == (403, "outside_area")


async def test_numbers_leave_only_by_a_registry_officers_hand(registry: Registry) -> None:
    await registry.send(file_of(person(national_id="123456789")))
    refused = await export(registry, role="commune_officer", numbers=True)
    assert (refused.status_code, refused.json()["code"]) == (403, "numbers_not_allowed")
    assert "123456789" not in (await export(registry, role="commune_officer")).text
    assert "123456789" in (await export(registry, numbers=True)).text


async def test_people_who_did_not_consent_to_the_purpose_are_withheld_and_counted(registry: Registry) -> None:
    await registry.send(file_of(person("H1"), person("H1", "2"), person("H1", "3")))
    consent = text(
        "INSERT INTO consent (id, person_id, purpose, scope, given_on, means, recorded_by, recorded_at, withdrawn_on,"
        " withdrawn_by, withdrawn_at) SELECT uuidv7(), person_id, 'research', 'all', '2020-01-01', 'signed', 'o',"
        " now(),"
        " CASE person_ref WHEN '2' THEN date '2020-02-01' END, CASE person_ref WHEN '2' THEN 'o' END,"
        " CASE person_ref WHEN '2' THEN now() END FROM membership WHERE person_ref IN ('1', '2')"
    )
    async with registry.service.database.session() as session:
        await session.execute(consent)
    answer = await export(registry, purpose="research")
    assert [row["person_ref"] for row in csv.DictReader(io.StringIO(answer.text))] == ["1"]
    assert (await view(registry, answer))["withheld"] == 2
    unknown = await export(registry, purpose="curiosity")
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "purpose")


async def test_a_file_is_kept_for_a_day_for_the_officer_who_asked(registry: Registry) -> None:
    await registry.send(file_of(person()))
    answer = await export(registry)
    url = str(answer.request.url)
    other = await registry.http.get(url, headers=registry.officer("registry_officer", subject="officer-2"))
    assert other.status_code == 404
    registry.service.clock.advance(timedelta(hours=25))
    late = await registry.http.get(url, headers=registry.officer("registry_officer"))
    assert (late.status_code, late.json()["code"]) == (410, "export_expired")
    await Worker(registry.service.context).run_due_schedules()
    assert await registry.count("export_piece") == 0
    assert (await view(registry, answer))["state"] == "expired"


async def test_a_file_lies_sealed_and_every_download_is_recorded(registry: Registry) -> None:
    await registry.send(file_of(person(name_en="Sok Dara")))
    answer = await export(registry)
    (piece,) = await registry.rows("SELECT sealed FROM export_piece")
    assert b"Sok Dara" in answer.content
    assert b"Sok" not in bytes(piece.sealed)
    actions = await registry.rows("SELECT action FROM audit_entry WHERE object_type = 'household_export' ORDER BY id")
    assert [row.action.split(".")[1] for row in actions] == ["request", "ready", "download"]


def test_a_piece_moved_to_another_place_does_not_open() -> None:
    cipher, one, other = PieceCipher(KEYS["encryption_key"]), uuid7(), uuid7()
    sealed = cipher.seal(b"abc", one, 0)
    assert cipher.open(sealed, one, 0) == b"abc"
    for place in ((one, 1), (other, 0)):
        with pytest.raises(CryptoError):
            cipher.open(sealed, *place)


async def test_an_export_cut_off_in_the_middle_begins_anew(registry: Registry) -> None:
    await registry.send(file_of(person()))
    headers = registry.officer("registry_officer")
    asked = {"purpose": "social_protection", "reason": "yearly check"}
    export_id = (await registry.http.post(URL, json=asked, headers=headers)).json()["export_id"]
    early = await registry.http.get(f"{URL}/{export_id}/file", headers=headers)
    assert (early.status_code, early.json()["code"]) == (409, "export_not_ready")
    async with registry.service.database.session() as session:  # what a killed worker left
        left = text("INSERT INTO export_piece (export_id, seq, sealed) VALUES (:id, 0, '\\x00')")
        await session.execute(left, {"id": export_id})
    await registry.service.run_jobs()
    answer = await registry.http.get(f"{URL}/{export_id}/file", headers=headers)
    assert answer.text.count("\r\n") == 2
