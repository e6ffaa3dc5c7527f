"""What the database itself refuses: a member of nothing, and a household or person that goes away."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from services.registry.tests.building import Registry, file_of, person
from shared.db import sqlstate

ADD_MEMBER = (
    "INSERT INTO membership (household_id, person_id, person_ref, relationship, valid_from, valid_until)"
    " SELECT {household}, {person}, '9', 'child', date '2020-01-01', date '2020-02-01' FROM household g, person p"
)


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
    ],
)
async def test_a_member_always_has_a_household_and_a_person(registry: Registry, statement: str, state: str) -> None:
    await registry.send(file_of(person()))
    before = await registry.everything()
    with pytest.raises(IntegrityError) as refused:
        async with registry.service.database.session() as session:
            await session.execute(text(statement))
    assert sqlstate(refused.value) == state
    assert await registry.everything() == before
