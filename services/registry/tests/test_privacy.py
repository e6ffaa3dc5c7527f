"""People's data stays where it belongs: not in staging, tables, logs, events or lists (law 8, faults 21 and 26)."""

from __future__ import annotations

import logging

import pytest

from services.registry.tests.building import Registry, file_of, person
from shared.contracts.registry import HouseholdRegistered

NUMBER, CARD, PHONE = "987654321", "CARD-77-88-99", "0987654321"
SECRETS = (NUMBER, CARD, PHONE)


async def every_value(registry: Registry) -> str:
    tables = await registry.rows("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    dumped = [str(row[0]) for table in tables for row in await registry.rows(f"SELECT t::text FROM {table[0]} t")]
    return "\n".join(dumped)


async def test_fault_26_no_identity_number_is_stored_or_logged_in_clear_at_any_step(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = {"national_id": NUMBER, "phone": PHONE, "card_number": CARD}
    misplaced = person("H2", sex=NUMBER, birth_date=NUMBER, village_code=NUMBER, relationship=PHONE)
    body = file_of(person(**secret), misplaced).encode()
    headers = {**registry.officer(), "Content-Type": "text/csv"}
    answer = await registry.http.post("/registry/v1/household-imports", content=body, headers=headers)
    assert await registry.count("import_row") == 2
    staged = await every_value(registry)
    await registry.service.run_jobs()
    loaded = await every_value(registry)
    report = await registry.http.get(
        f"/registry/v1/household-imports/{answer.json()['import_id']}/rejections.csv", headers=registry.officer()
    )
    assert await registry.count("identifier") == 2
    for secret_value in SECRETS:
        hexed = secret_value.encode().hex()
        for place in (staged, loaded, report.text, caplog.text):
            assert secret_value not in place
            assert hexed not in place


async def test_fault_26_bad_numbers_sent_as_json_are_not_repeated_in_the_answer_or_the_log(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    member = {"person_ref": "1", "name_en": "Sok", "sex": "female", "birth_date": "1980", "relationship": "head"}
    body = {"village_code": "01020101", "household_ref": "H1", "members": [{**member, "national_id": NUMBER + "0"}]}
    answer = await registry.http.post("/registry/v1/households", json=body, headers=registry.officer())
    assert answer.status_code == 422
    assert NUMBER not in answer.text
    assert NUMBER not in caplog.text


async def test_staged_names_are_deleted_when_the_import_has_ended(registry: Registry) -> None:
    await registry.send(file_of(person(name_en="Kept Nowhere", sex="x")))
    assert "Kept Nowhere" not in await every_value(registry)


async def test_fault_21_events_carry_birth_dates_with_their_precision_and_never_an_age(registry: Registry) -> None:
    await registry.send(
        file_of(person(), person(person_ref="2", birth_date="2016-03"), person("H2", birth_date="1960"))
    )
    events = await registry.service.outbox()
    members = [member for event in events if isinstance(event, HouseholdRegistered) for member in event.members]
    assert sorted((str(member.birth_date), member.birth_date_precision) for member in members) == [
        ("1960-01-01", "year"),
        ("1980-05-17", "day"),
        ("2016-03-01", "month"),
    ]
    columns = await registry.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema()"
    )
    assert not [name for (name,) in columns if name == "age" or name.endswith("_age")]


async def test_events_hold_ids_and_facts_and_no_name(registry: Registry) -> None:
    await registry.send(file_of(person(national_id=NUMBER, phone=PHONE)))
    data = str((await registry.rows("SELECT data::text FROM outbox"))[0][0])
    for secret in (*SECRETS, "Sok", "Dara", "សុខ"):
        assert secret not in data
