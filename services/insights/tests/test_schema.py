"""The tables that migrations make are the tables that the classes map."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from services.insights.app import SERVICE
from services.insights.base import Base
from shared.tables import kit_metadata
from shared.testing.plugin import MakeService

KIT = {*kit_metadata.tables, "alembic_version"}


async def test_models_and_migrations_do_not_drift(make_service: MakeService) -> None:
    service = await make_service(SERVICE)

    def differences(connection: Connection) -> list[object]:
        def ours(_thing: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
            return kind != "table" or name not in KIT

        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": True})
        return list(compare_metadata(context, Base.metadata))

    async with service.database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
