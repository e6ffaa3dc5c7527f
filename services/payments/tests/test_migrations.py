"""Every revision can be undone and done again, with data in its tables."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from services.payments.app import SERVICE
from services.payments.tests.builders import CORE, SETTINGS, Cycle, Office, grants
from shared.migrations import downgrade, upgrade
from shared.testing.plugin import MakeService

_TABLES = text(
    """
    SELECT table_name, column_name, data_type, is_nullable, COALESCE(column_default, '') AS shown
    FROM information_schema.columns
    WHERE table_schema = current_schema() AND table_name <> 'alembic_version' ORDER BY 1, 2
    """
)
_CONSTRAINTS = text(
    """
    SELECT CAST(conrelid AS regclass) AS of, conname, pg_get_constraintdef(oid) AS said FROM pg_constraint
    WHERE connamespace = CAST(current_schema() AS regnamespace) AND contype <> 'n' ORDER BY 1, 2
    """
)
_INDEXES = text("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() ORDER BY 1")


async def shape(service: Any) -> list[list[tuple[Any, ...]]]:
    """Columns, constraints and indexes of the schema."""
    async with service.database.session() as session:
        return [[tuple(row) for row in await session.execute(found)] for found in (_TABLES, _CONSTRAINTS, _INDEXES)]


def revisions() -> list[str]:
    """Revision ids in the folder, oldest file first."""
    return sorted(path.name.split("_")[0] for path in (Path(SERVICE.migrations) / "versions").glob("0*.py"))


@pytest.mark.parametrize("revision", ["0002", "0006", "0007", "0020", "0010", "base"])
async def test_a_revision_is_undone_and_done_again_with_the_same_shape(
    make_service: MakeService, revision: str
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(3))
    await office.pay(cycle)
    settings = office.service.context.settings
    before = await shape(office.service)
    assert any(row[0] == "sanction_hit" for row in before[0])
    url = settings.database_url.get_secret_value()
    await downgrade(SERVICE.migrations, url, settings.schema_name, revision)
    if revision != "base":
        between = await shape(office.service)
        assert not any(row[0] == "sanction_hit" for row in between[0])
        async with office.service.database.session() as session:
            paid = (await session.scalars(text("SELECT sum(amount) FROM payment"))).one()
        assert paid == sum((grant.amount for grant in cycle.granted), Decimal(0))
    await upgrade(SERVICE.migrations, url, settings.schema_name)
    assert await shape(office.service) == before


def test_revisions_form_one_line() -> None:
    found = {}
    for path in (Path(SERVICE.migrations) / "versions").glob("0*.py"):
        values: dict[str, Any] = {}
        for line in path.read_text().splitlines():
            name, _, value = line.partition(" = ")
            if name in {"revision", "down_revision"}:
                values[name] = value.strip('"')
        found[values["revision"]] = values["down_revision"]
    parents = [parent for parent in found.values() if parent != "None"]
    assert len(set(parents)) == len(parents) == len(revisions()) - 1
