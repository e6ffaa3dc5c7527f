"""The models and the migrations say the same."""

from __future__ import annotations

from sqlalchemy import text

from services.eligibility.model import Base
from services.eligibility.tests.conftest import Office


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
