"""The models and the migrations say the same."""

from __future__ import annotations

from sqlalchemy import text

from services.eligibility.app import SERVICE
from services.eligibility.model import Base
from services.eligibility.tests.conftest import Office
from shared.embedded.postgres import EmbeddedPostgres
from shared.migrations import downgrade, upgrade


async def test_the_models_name_exactly_the_columns_that_the_migrations_made(office: Office) -> None:
    async with office.service.database.session() as session:
        rows = await session.execute(
            text(
                "SELECT table_name, column_name, is_nullable = 'YES' FROM information_schema.columns "
                "WHERE table_schema = current_schema()"
            )
        )
        made = {(row[0], row[1]): row[2] for row in rows}
    tables = Base.metadata.tables.values()
    said = {(table.name, column.name): bool(column.nullable) for table in tables for column in table.columns}
    assert len(tables) > 15
    assert {key: made.get(key) for key in said} == said
    named = {table.name for table in tables}
    assert {key for key in made if key[0] in named} == set(said)


async def test_migrations_go_back_to_nothing_and_forward_again(postgres: EmbeddedPostgres) -> None:
    name = "eligibility_back_and_forth"
    postgres.provision([name])
    folder, dsn = SERVICE.migrations, postgres.dsn(name)
    await upgrade(folder, dsn, name)
    await downgrade(folder, dsn, name, "0003")
    await upgrade(folder, dsn, name)
    await downgrade(folder, dsn, name)
    await upgrade(folder, dsn, name)
    await downgrade(folder, dsn, name, "0005")
    await upgrade(folder, dsn, name)
