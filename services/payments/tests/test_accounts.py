"""Accounts: imported by file, each bad line reported, good ones applied once; changed with If-Match."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import text

from services.payments.accounts.model import find_faults, normal_number
from services.payments.accounts.repository import payees
from services.payments.tests.builders import CORE, SETTINGS, Cycle, Office, account_csv, grants
from shared.testing.plugin import MakeService

HEADER = "beneficiary_id,rail,provider,account_number,holder_name,purpose\n"


async def test_every_bad_line_is_reported_and_the_good_ones_go_on(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(5))
    people = [grant.beneficiary_id for grant in cycle.granted]
    await office.service.deliver(*cycle.enrolments())
    lines = [
        f"{people[0]},mobile_money,wing,855 12-345-678,Sok Dara,any",
        f'{people[1]},bank,ABAAKHPP,000123456,"Chan, Thida",any',
        "not-an-id,bank,ABAAKHPP,000123456,Chan,any",
        f"{people[2]},cheque,ABA,1,,any",
        f"{uuid4()},bank,ABAAKHPP,000123456,Chan,any",
        f"{people[0]},bank,ABAAKHPP,000999999,Sok Dara,any",
        "",
        "too,few",
        f'{people[3]},bank,ABAAKHPP,000123457,"Chan,any',
    ]
    csv = ("\ufeff" + HEADER + "\r\n".join(lines)).encode()
    answer = await office.service.http.post("/payments/v1/accounts:import", headers=office.maker, content=csv)
    import_id = answer.json()["import_id"]
    (job,) = await office.service.run_jobs()
    assert {name: job["result"][name] for name in ("total", "accepted", "unchanged", "rejected")} == {
        "total": 9,
        "accepted": 2,
        "unchanged": 0,
        "rejected": 7,
    }
    page = await office.get(f"/account-imports/{import_id}/rejections?limit=3")
    found = page["items"]
    while page["next_cursor"]:
        page = await office.get(f"/account-imports/{import_id}/rejections?limit=3&cursor={page['next_cursor']}")
        found += page["items"]
    assert [(item["line"], item["field"], item["code"]) for item in found] == [
        (4, "beneficiary_id", "bad_id"),
        (5, "holder_name", "bad_holder_name"),
        (5, "rail", "unknown_rail"),
        (6, "beneficiary_id", "unknown_beneficiary"),
        (7, "beneficiary_id", "repeated_in_file"),
        (8, "line", "blank_line"),
        (9, "line", "wrong_field_count"),
        (10, "line", "bad_csv"),
    ]
    async with office.service.database.session() as session:
        assert (await session.scalars(text("SELECT count(*) FROM account_import_row"))).one() == 0


async def test_the_same_file_twice_changes_nothing_and_a_new_number_is_a_new_version(
    make_service: MakeService,
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(20))
    people = [grant.beneficiary_id for grant in cycle.granted]
    await office.service.deliver(*cycle.enrolments())
    first = await office.import_accounts(account_csv(people))
    again = await office.import_accounts(account_csv(people))
    moved = await office.import_accounts(account_csv(people[:3], start=85577000000))
    assert [first["accepted"], again["accepted"], again["unchanged"], moved["accepted"]] == [20, 0, 20, 3]
    async with office.service.database.session() as session:
        versions = await session.execute(text("SELECT version, count(*) FROM account_history GROUP BY 1 ORDER BY 1"))
        assert [tuple(row) for row in versions] == [(1, 20), (2, 3)]


async def test_a_file_with_another_heading_or_no_lines_changes_nothing(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS, account_import_max_bytes=2000))
    for body, status, code in (
        ("id,number\n1,2\n", 422, "invalid"),
        (HEADER, 422, "invalid"),
        ("", 422, "invalid"),
        (HEADER + "x" * 1500 + "\n" + "y" * 600, 413, "payload_too_large"),
    ):
        answer = await office.service.http.post("/payments/v1/accounts:import", headers=office.maker, content=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    async with office.service.database.session() as session:
        for table in ("account_import", "account_import_finding", "job"):
            assert (await session.scalars(text(f"SELECT count(*) FROM {table}"))).one() == 0


async def test_a_number_that_serves_too_many_is_flagged(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(4))
    people = [grant.beneficiary_id for grant in cycle.granted]
    await office.service.deliver(*cycle.enrolments())
    lines = [f"{person},mobile_money,wing,+855 99 999 999,Name {n},any" for n, person in enumerate(people[:3])]
    done = await office.import_accounts(HEADER + "\n".join(lines))
    assert (done["accepted"], done["flagged"], done["rejected"]) == (3, 3, 0)


@pytest.mark.parametrize(
    "written", ["012 345 678", "+855 12 345 678", "0085512345678", "855-12-345-678", "(+855) 12.345.678"]
)
def test_a_wallet_is_the_same_however_its_number_is_written(written: str) -> None:
    assert normal_number(written, "mobile_money") == "85512345678"
    assert find_faults("mobile_money", "wing", written, "Sok Dara", "any") == []


@pytest.mark.parametrize(
    ("rail", "written", "kept"),
    [
        ("mobile_money", "+66 81 234 5678", "66812345678"),
        ("mobile_money", "12345678", "12345678"),
        ("bank", "000 123-456.7", "0001234567"),
        ("bank", "kh25 natb 0001", "KH25NATB0001"),
        ("cash", "012345678", "012345678"),
    ],
)
def test_only_a_wallets_number_is_made_international(rail: str, written: str, kept: str) -> None:
    assert normal_number(written, rail) == kept


async def test_one_wallet_of_too_many_people_is_flagged_however_they_write_it(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(3))
    await office.service.deliver(*cycle.enrolments())
    written = ("+855 99 999 999", "099 999 999", "0085599999999")
    people = [grant.beneficiary_id for grant in cycle.granted]
    lines = [f"{person},mobile_money,wing,{written[n]},Name {n},any" for n, person in enumerate(people)]
    done = await office.import_accounts(HEADER + "\n".join(lines))
    assert (done["accepted"], done["flagged"], done["rejected"]) == (3, 3, 0)


PROOF = {"kind": "in_person", "reference": "visit 7"}


async def test_an_account_is_changed_only_by_who_saw_its_present_version(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(1))
    await office.service.deliver(*cycle.enrolments())
    body = {
        "beneficiary_id": str(cycle.granted[0].beneficiary_id),
        "rail": "mobile_money",
        "provider": "wing",
        "account_number": "+855 12 345 678",
        "holder_name": "Sok Dara",
    }
    made = await office.post("/accounts", office.maker, body, 201)
    assert made.json()["account_number"] == "•••678"
    assert (await office.post("/accounts", office.maker, body, 422)).json()["code"] == "proof_needed"
    proven = body | {"proof": PROOF}
    assert (await office.post("/accounts", office.maker, proven, 409)).json()["code"] == "account_exists"
    path = f"/payments/v1/accounts/{made.json()['id']}"
    change = {name: body[name] for name in ("rail", "provider", "holder_name")} | {"account_number": "85598765432"}
    change["proof"] = PROOF
    http = office.service.http
    assert (await http.put(path, headers=office.maker, json=change)).status_code == 428
    done = await http.put(path, headers=office.maker | {"If-Match": made.headers["ETag"]}, json=change)
    assert (done.status_code, done.json()["version"]) == (200, 2)
    late = await http.put(path, headers=office.maker | {"If-Match": made.headers["ETag"]}, json=change)
    assert (late.status_code, late.json()["current_version"]) == (412, 2)
    bad = await http.put(
        path, headers=office.maker | {"If-Match": done.headers["ETag"]}, json=change | {"account_number": "12"}
    )
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (422, "account_number")
    assert "12" not in bad.json()["errors"][0]["message"].replace("8 to 15", "")


async def test_a_rail_is_given_the_version_that_was_approved(make_service: MakeService) -> None:
    """The number changes between disbursing and sending: the approved one is paid."""
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(2))
    await office.pay(cycle)
    people = [grant.beneficiary_id for grant in cycle.granted]
    await office.import_accounts(account_csv(people, start=85577000000))
    attempts = await office.attempts()
    async with office.service.database.session() as session:
        found = await payees(session, [item.id for item in attempts], office.service.context.resources.cipher)
    assert sorted(payee.number for payee in found.values()) == ["85512000000", "85512000001"]
    assert all("855" not in repr(payee) for payee in found.values())
