"""An employer's file of workers: known ones linked, new ones entered alone, each bad line reported, the rest taken."""

from __future__ import annotations

from typing import Any

import pytest

from services.registry.tests.building import VILLAGES, Registry, file_of, person
from services.registry.tests.test_people import FACTORY, post
from shared.contracts.registry import HouseholdChanged, HouseholdRegistered

HEADER = "national_id,consent_means,village_code,name_en,sex,birth_date"
NEW = f"{VILLAGES[3]},Keo Mom,female,1999"


async def factory(registry: Registry) -> str:
    answer = await post(registry, "/employers", FACTORY, "registry_officer")
    return str(answer.json()["id"])


async def send(registry: Registry, employer: str, *lines: str, header: str = HEADER, **who: Any) -> Any:
    url = f"/registry/v1/employers/{employer}/worker-files?insured_from=2020-06-01"
    headers = registry.service.token("employer", **{"subject": "factory", **who}) | {"Content-Type": "text/csv"}
    answer = await registry.http.post(url, content="\n".join((header, *lines)), headers=headers)
    if answer.status_code != 202:
        return answer
    await registry.service.run_jobs()
    url = f"/registry/v1/employers/{employer}/worker-files/{answer.json()['file_id']}"
    done = (await registry.http.get(url, headers=headers)).json()
    bad = (await registry.http.get(f"{url}/rejections", headers=headers)).json()["items"]
    return done | {"bad": {(item["line"], item["field"], item["code"]) for item in bad}}


def counted(done: dict[str, Any]) -> dict[str, int]:
    return {name: done[name] for name in ("rows", "linked", "entered", "unchanged", "rejected")}


async def test_known_workers_are_linked_and_new_ones_entered_alone(registry: Registry) -> None:
    await registry.send(file_of(person("H1", national_id="111111111"), person("H2")))
    employer = await factory(registry)
    await registry.service.outbox()
    lines = ("111111111,signed,,,,", f"222222222,electronic,{NEW}", f"២២២២២២២២៣,thumbprint,{NEW}")
    done = await send(registry, employer, *lines)
    assert counted(done) == {"rows": 3, "linked": 1, "entered": 2, "unchanged": 0, "rejected": 0}
    events = await registry.service.outbox()
    alone = [event for event in events if isinstance(event, HouseholdRegistered)]
    assert {(event.kind, event.members[0].employer_sector, event.members[0].insured) for event in alone} == {
        ("individual", "garment", True)
    }
    (linked,) = [event for event in events if isinstance(event, HouseholdChanged)]
    assert (linked.members[0].insured, str(linked.members[0].employer_id)) == (True, employer)
    assert await registry.count("insured_worker") == await registry.count("consent") == 3
    again = await send(registry, employer, *lines)
    assert counted(again) == {"rows": 3, "linked": 0, "entered": 0, "unchanged": 3, "rejected": 0}
    assert await registry.service.outbox() == []
    assert [await registry.count(name) for name in ("worker_row", "import_row", "import_household")] == [0, 0, 0]


async def test_each_bad_line_is_reported_and_the_others_go_on(registry: Registry) -> None:
    await registry.send(file_of(person("H1", national_id="111111111")))
    employer = await factory(registry)
    done = await send(
        registry,
        employer,
        "111111111,,,,,",
        "12,signed,,,,",
        "333333333,signed,,,,",
        f"444444444,signed,{VILLAGES[3]},Keo Mom,x,1999",
        f"555555555,,{NEW}",
        f"666666666,spoken,{NEW}",
        f"777777777,signed,{NEW}",
        f"777777777,signed,{NEW}",
        "too,few",
        f"888888888,signed,{NEW}",
        "999999999,signed,99999999,=cmd,female,1999",
    )
    assert counted(done) == {"rows": 11, "linked": 0, "entered": 1, "unchanged": 0, "rejected": 10}
    assert done["bad"] >= {
        (2, "consent_means", "consent_missing"),
        (3, "national_id", "invalid_national_id"),
        (4, "village_code", "required"),
        (5, "sex", "invalid_sex"),
        (6, "consent_means", "consent_missing"),
        (7, "consent_means", "invalid_consent_means"),
        (8, "national_id", "duplicate_national_id"),
        (9, "national_id", "duplicate_national_id"),
        (10, "line", "column_count"),
        (12, "name_en", "formula_cell"),
        (12, "village_code", "unknown_village"),
    }
    assert await registry.count("insured_worker") == 1
    assert await registry.count("person") == 2


@pytest.mark.parametrize(
    ("header", "who", "status", "code"),
    [
        ("name_en", {}, 400, "wrong_header"),
        ("national_id,national_id", {}, 400, "wrong_header"),
        (HEADER, {"subject": "another"}, 403, "not_your_employer"),
    ],
)
async def test_a_file_that_cannot_be_taken_leaves_nothing(
    registry: Registry, header: str, who: dict[str, str], status: int, code: str
) -> None:
    answer = await send(registry, await factory(registry), "111111111", header=header, **who)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert [await registry.count(name) for name in ("worker_file", "worker_row", "job")] == [0, 0, 0]


async def test_no_number_of_a_worker_lies_in_clear(registry: Registry) -> None:
    await send(registry, await factory(registry), f"222222222,signed,{NEW}", "333333333,signed,,,,")
    for table in ("worker_file", "worker_row", "identifier", "import_rejection", "audit_entry", "job", "outbox"):
        rows = await registry.rows(f"SELECT to_jsonb(t)::text AS told FROM {table} t")
        assert not [row for row in rows if "222222222" in row.told or "333333333" in row.told], table
