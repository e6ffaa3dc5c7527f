"""What the database itself refuses: a member of nothing, and a household or person that goes away."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from services.registry.history.begin_change import begin_change
from services.registry.history.model import ChangeKind, ChangeSource, Origin
from services.registry.tests.building import Registry, file_of, person
from shared.db import sqlstate

ORIGIN = Origin(ChangeKind.CORRECTION, ChangeSource.OFFICER, "officer-1", "a test")
ADD_MEMBER = (
    "INSERT INTO membership (household_id, person_id, person_ref, relationship, valid_from, valid_until)"
    " SELECT {household}, {person}, '9', 'child', date '2020-01-01', date '2020-02-01' FROM household g, person p"
)


async def write(registry: Registry, statement: str, origin: Origin | None = ORIGIN) -> None:
    async with registry.service.database.session() as session:
        if origin is not None:
            await begin_change(session, origin, registry.service.clock.now())
        await session.execute(text(statement))


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        (ADD_MEMBER.format(household="uuidv7()", person="p.id"), "23503"),
        (ADD_MEMBER.format(household="g.id", person="uuidv7()"), "23503"),
        ("DELETE FROM household", "23001"),
        ("DELETE FROM person", "23001"),
        ("UPDATE household SET id = uuidv7()", "23001"),
        ("UPDATE person SET id = uuidv7()", "23001"),
        ("UPDATE membership SET household_id = uuidv7()", "23001"),
        ("DELETE FROM membership", "23001"),
        ("DELETE FROM register_change", "23001"),
        ("UPDATE register_change SET reason = 'another'", "23001"),
        ("UPDATE fact_change SET after = 'null'", "23001"),
        ("TRUNCATE fact_change", "23001"),
    ],
)
async def test_a_member_always_has_a_household_and_a_person(registry: Registry, statement: str, state: str) -> None:
    await registry.send(file_of(person()))
    before = await registry.everything()
    with pytest.raises(IntegrityError) as refused:
        await write(registry, statement)
    assert sqlstate(refused.value) == state
    assert await registry.everything() == before


@pytest.mark.parametrize(
    "statement",
    ["UPDATE person SET name_en = 'X'", "UPDATE household SET at_risk = false, poverty_level = 2",
     ADD_MEMBER.format(household="g.id", person="p.id")],
)  # fmt: skip
async def test_nothing_is_written_to_the_register_without_saying_who_and_why(
    registry: Registry, statement: str
) -> None:
    await registry.send(file_of(person()))
    before = await registry.everything()
    with pytest.raises(IntegrityError, match="begin_change"):
        await write(registry, statement, None)
    assert await registry.everything() == before
