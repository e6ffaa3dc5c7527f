"""The tables that migrations make are the tables that the classes map."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from services.grievance.app import SERVICE
from services.grievance.base import Base
from services.grievance.tests.building import start
from shared.embedded.postgres import EmbeddedPostgres
from shared.migrations import downgrade, upgrade
from shared.tables import kit_metadata
from shared.testing.plugin import MakeService

KIT = {*kit_metadata.tables, "alembic_version"}


async def test_models_and_migrations_do_not_drift(make_service: MakeService) -> None:
    service = await start(make_service)

    def differences(connection: Connection) -> list[object]:
        def ours(_thing: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
            return kind != "table" or name not in KIT

        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": True})
        return list(compare_metadata(context, Base.metadata))

    async with service.database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_migrations_go_back_to_nothing_and_forward_again(postgres: EmbeddedPostgres) -> None:
    name = "grievance_back_and_forth"
    postgres.provision([name])
    folder, dsn = SERVICE.migrations, postgres.dsn(name)
    await upgrade(folder, dsn, name)
    await downgrade(folder, dsn, name, "0001")
    await upgrade(folder, dsn, name)
    await downgrade(folder, dsn, name)
    await upgrade(folder, dsn, name)
