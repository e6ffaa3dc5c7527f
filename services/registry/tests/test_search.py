"""A clerk searches by any number, name in either script with its spellings, phone or place; each look is recorded."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.search import repository
from services.registry.search.index_people import start_indexing
from services.registry.search.names import name_keys, sound, tokens
from services.registry.tests.building import VILLAGES, Registry, file_of, person
from services.registry.tests.changing import member, new, patch, registered

URL = "/registry/v1/search"


async def ask(registry: Registry, areas: tuple[str, ...] = ("*",), **body: Any) -> httpx.Response:
    headers = registry.officer(areas=areas)
    return await registry.http.post(URL, json={"reason": "card renewal", **body}, headers=headers)


async def names(registry: Registry, areas: tuple[str, ...] = ("*",), **body: Any) -> list[str]:
    answer = await ask(registry, areas, **body)
    assert answer.status_code == 200, answer.text
    return [item["name_en"] for item in answer.json()["items"]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Sok Dara", "សុខ ដារ៉ា"),
        ("Chan Sopheap", "Jan Sopheab"),
        ("Chan Sopheap", "ចាន់ សុភាព"),
        ("Vuthy", "វុទ្ធី"),
        ("Vuthy", "Wuthi"),
        ("Sokha", "Sukhha"),
        ("Heng Samrin", "ហេង សំរិន"),
        ("Chea Vichea", "ជា វិជ្ជា"),
        ("Rithy", "Rithi"),
        ("Phalla", "ផល្លា"),
        ("Kosal", "Khosal"),
        ("Kim Sokha", "គឹម សុខា"),
    ],
)
def test_spellings_of_one_name_share_their_keys_in_either_script(one: str, other: str) -> None:
    assert name_keys(one) == name_keys(other)


def test_names_that_sound_differently_do_not() -> None:
    assert not name_keys("Sok Dara") & name_keys("Chan Bopha")
    assert name_keys("Lok Sok Dara") == name_keys("Dara Sok") == name_keys("លោក សុខ ដារ៉ា")


@given(st.text(max_size=60))
def test_any_text_has_keys_that_do_not_depend_on_order_or_case(text: str) -> None:
    words = tokens(text)
    assert all(sound(word) for word in words)
    assert len(words) == len(set(words)) or name_keys(text)
    if len(words) == len(tokens(" ".join(reversed(words)))):
        assert name_keys(" ".join(words)) == name_keys(" ".join(reversed(words)))


async def test_a_person_is_found_by_any_number_and_each_look_says_why(registry: Registry) -> None:
    certificate = {"type": "birth_certificate", "number": "BC-12/345"}
    household = await registered(registry, members=[member(national_id="123456789", phone="012345678")])
    head = household["head_person_id"]
    assert (await patch(registry, household, members=[{"person_id": head, "identifiers": [certificate]}])).is_success
    for body in (
        {"number": "123 456 789"},
        {"number": "bc-12/345"},
        {"number": "CARD-1"},
        {"phone": "012 345 678"},
        {"reference": household["reference"].lower()},
    ):
        found = (await ask(registry, **body)).json()["items"]
        assert [(item["person_id"], item["score"]) for item in found] == [(head, 1.0)]
    looks = await registry.rows("SELECT object_id, detail FROM audit_entry WHERE detail ->> 'via' = 'search'")
    assert [(row.object_id, row.detail["reason"]) for row in looks] == [(head, "card renewal")] * 5
    assert await names(registry, number="999999999") == []


async def test_a_number_given_back_finds_nobody_and_may_be_given_again(registry: Registry) -> None:
    household = await registered(registry, members=[member(national_id="123456789")])
    head = household["head_person_id"]
    back = {"type": "national_id", "number": None}
    await patch(registry, household, members=[{"person_id": head, "identifiers": [back]}])
    assert await names(registry, number="123456789") == []
    await registered(registry, household_ref="H2", card_number="CARD-2", members=[member(national_id="123456789")])
    assert len(await names(registry, number="123456789")) == 1
    assert (await registry.rows("SELECT count(*) AS n FROM identifier WHERE withdrawn_at IS NOT NULL"))[0].n == 1


async def test_a_name_is_found_in_either_script_and_by_its_spellings_best_first(registry: Registry) -> None:
    people = [("Chan Sopheap", "ចាន់ សុភាព"), ("Chan Sophal", "ចាន់ សុផល"), ("Keo Bopha", "កែវ បុប្ផា")]
    members = [member(str(n), name_en=en, name_km=km) for n, (en, km) in enumerate(people, 1)]
    await registered(registry, members=members)
    for name in ("Chan Sopheap", "Sopheab Jan", "ចាន់ សុភាព", "Lok Chan Sopheap", "CHANN SOPHEAP"):
        assert (await names(registry, name=name))[0] == "Chan Sopheap"
    assert set(await names(registry, name="Chan")) == {"Chan Sopheap", "Chan Sophal"}
    assert await names(registry, name="Bopha", sex="male") == []
    assert await names(registry, name="Bopha", birth_year=1981) == ["Keo Bopha"]
    assert await names(registry, name="Bopha", birth_year=1990) == []


async def test_only_the_clerks_area_is_searched(registry: Registry) -> None:
    for ref, village in (("H1", VILLAGES[0]), ("H2", VILLAGES[3])):
        await registered(registry, household_ref=ref, village_code=village, card_number=f"CARD-{ref}",
                         members=[member(phone="012345678", national_id="12345678" + ref[1])])  # fmt: skip
    for body in ({"name": "Sok Dara"}, {"phone": "012345678"}):
        assert len(await names(registry, **body)) == 2
        assert len(await names(registry, ("1201",), **body)) == 1
        assert len(await names(registry, ("1201", "01"), **body)) == 2
        assert len(await names(registry, place="12", **body)) == 1
        assert await names(registry, (), **body) == []
    assert await names(registry, ("01",), number="123456782") == []
    assert await names(registry, ("01",), number="CARD-H2") == []
    outside = await ask(registry, ("01",), name="Sok", place="12")
    assert outside.status_code == 403


async def test_a_search_needs_a_role_a_reason_and_something_to_search_by(registry: Registry) -> None:
    body = {"reason": "card renewal", "name": "Sok"}
    assert (await registry.http.post(URL, json=body, headers=registry.officer("auditor"))).status_code == 403
    assert (await ask(registry, reason=" ", name="Sok")).status_code == 422
    assert (await ask(registry)).json()["code"] == "nothing_asked"
    assert (await ask(registry, name="123")).json()["code"] == "not_a_name"


async def test_what_is_changed_is_found_at_once_and_a_file_after_the_job(registry: Registry) -> None:
    household = await registered(registry)
    head = household["head_person_id"]
    await patch(registry, household, members=[{"person_id": head, "name_en": "Meas Rithy", "name_km": ""}])
    assert await names(registry, name="Rithy") == ["Meas Rithy"]
    assert await names(registry, name="Dara") == []
    lines = [person(f"F{n}", name_en=f"Nuon {'Kunthea' if n == 7 else 'Sreyneang'}", name_km="") for n in range(60)]
    await registry.send(file_of(*lines))
    assert await names(registry, name="Kunthea") == []
    await start_indexing(registry.service.context)
    await registry.service.run_jobs()
    assert await names(registry, name="Kunthea") == ["Nuon Kunthea"]
    full = (await ask(registry, name="Sreyneang", limit=10)).json()
    assert (len(full["items"]), full["more"]) == (10, True)


async def test_a_household_that_moves_is_found_where_it_lives_now(registry: Registry) -> None:
    household = await registered(registry)
    await patch(registry, household, village_code=VILLAGES[3], kind="life_change")
    assert await names(registry, ("01",), name="Dara") == []
    assert await names(registry, ("12",), name="Dara") == ["Sok Dara"]


async def test_no_number_or_name_of_a_search_is_kept_or_logged(registry: Registry, caplog: Any) -> None:
    caplog.set_level("DEBUG")
    assert (await registry.http.post("/registry/v1/households", json=new(), headers=registry.officer())).is_success
    await ask(registry, number="777788889")
    await ask(registry, name="Verysecret Name")
    kept = str(await registry.rows("SELECT detail::text FROM audit_entry"))
    for secret in ("777788889", "Verysecret"):
        assert secret not in kept
        assert secret not in caplog.text


async def test_of_a_name_that_many_have_a_wide_search_looks_at_the_whole_name_alone(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    alike = [person(f"H{n}", name_en=name, name_km="") for n, name in enumerate(("Sok Dara", "Dara Sokh", "Sok Darra"))]
    half = [person(f"P{n}", name_en=f"Sok {name}", name_km="") for n, name in enumerate(("Vuthy", "Bopha"))]
    await registry.send(file_of(*half, *alike))
    await registry.service.run_jobs()

    everywhere, here = await names(registry, name="Dara Sok"), await names(registry, ("0102",), name="Dara Sok")
    assert sorted(everywhere[:3]) == sorted(here[:3]) == ["Dara Sokh", "Sok Dara", "Sok Darra"]
    assert len(everywhere) == len(here) == 5
    monkeypatch.setattr(repository, "MAX_CANDIDATES", 3)
    assert sorted(await names(registry, name="Dara Sok")) == ["Dara Sokh", "Sok Dara", "Sok Darra"]
