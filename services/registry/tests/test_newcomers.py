"""People of a file who may be known elsewhere: registered and listed, or held back until an officer has decided."""

from __future__ import annotations

from typing import Any

from services.registry.tests.building import VILLAGES, Registry, file_of, person

URL = "/registry/v1/household-imports"


async def send(registry: Registry, *lines: dict[str, str], **query: str) -> dict[str, Any]:
    headers = {**registry.officer(), "Content-Type": "text/csv"}
    sent = await registry.http.post(URL, params=query, content=file_of(*lines), headers=headers)
    assert sent.status_code == 202, sent.text
    await registry.service.run_jobs()
    return await registry.read(sent.json()["import_id"])


NEAR = VILLAGES[1]
"""In the same district as where everybody lives; VILLAGES[3] is in another province."""


async def test_a_newcomer_known_elsewhere_is_held_back_where_the_sender_says_so(registry: Registry) -> None:
    await send(registry, person("H1"), person("H9", name_en="Chan Vuthy", name_km="", phone="012345678"))
    lines = [
        person("H2", village_code=NEAR),  # the same name and day of birth, a village further on
        person("H3", name_en="Other Name", name_km="", village_code=NEAR),
        person("H4", village_code=VILLAGES[3]),  # the same again, in another province: nobody's doubt
        person("H5", name_en="Somebody Else", name_km="", phone="012345678", village_code=VILLAGES[3]),
    ]
    done = await send(registry, *lines, newcomers="hold")
    assert (done["newcomers"], done["registered"], done["rejected_households"]) == ("hold", 2, 2)
    assert await registry.rejections(done["import_id"]) == {
        (2, "person_ref", "known_elsewhere"),
        (5, "person_ref", "known_elsewhere"),
    }
    assert await registry.count("duplicate_candidate") == 0
    decided = await send(registry, *lines, newcomers="register")
    assert (decided["registered"], decided["unchanged"], decided["candidates"]) == (2, 2, 2)


async def test_left_alone_they_are_registered_and_listed(registry: Registry) -> None:
    await send(registry, person("H1"))
    done = await send(registry, person("H2", village_code=NEAR))
    assert (done["newcomers"], done["registered"], done["candidates"]) == ("register", 1, 1)


async def test_a_household_that_is_known_is_updated_whoever_looks_like_its_members(registry: Registry) -> None:
    await send(registry, person("H1"), person("H2", village_code=NEAR))
    changed = person("H2", village_code=NEAR, disability="mild")
    newborn = person("H2", "2", name_en="Newborn", birth_date="2020-06-01", village_code=NEAR)
    done = await send(registry, changed, newborn, newcomers="hold")
    assert (done["updated"], done["rejections"]) == (1, 0)
    joins = person("H2", "3", village_code=NEAR, relationship="sibling")  # as H1's head is called
    done = await send(registry, changed, newborn, joins, newcomers="hold")
    assert await registry.rejections(done["import_id"]) == {(4, "person_ref", "known_elsewhere")}


async def test_a_dry_run_tells_who_would_be_held_back(registry: Registry) -> None:
    await send(registry, person("H1"))
    done = await send(registry, person("H2", village_code=NEAR), newcomers="hold", dry_run="true")
    assert (done["registered"], done["rejected_households"]) == (0, 1)
