"""The tables that migrations make are the tables that the classes map."""

from __future__ import annotations

from decimal import Decimal

import asyncpg
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from services.insights.app import SERVICE
from services.insights.base import Base
from shared.embedded.postgres import EmbeddedPostgres
from shared.migrations import downgrade, upgrade
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


async def test_refunds_told_before_leave_the_payments_and_come_back_with_a_downgrade(
    postgres: EmbeddedPostgres,
) -> None:
    name = "insights_back_and_forth"
    postgres.provision([name])
    folder, dsn = SERVICE.migrations, postgres.dsn(name)
    await upgrade(folder, dsn, name, "0001")
    connection = await asyncpg.connect(dsn, server_settings={"search_path": f"{name}, extensions"})

    async def amounts(rows: str) -> list[str]:
        return [str(row["amount"]) for row in await connection.fetch(rows)]

    try:
        await connection.executemany(
            "INSERT INTO payment_fact SELECT uuidv7(), 1, 'settled', 1, uuidv7(), $1, '2020-07', '08010101', 'c', "
            "'bank', $2, 'KHR', NULL",
            [("KH-FP", Decimal(80000)), ("REFUND", Decimal(50000))],
        )
        await upgrade(folder, dsn, name)
        assert await amounts("SELECT amount FROM payment_fact") == ["80000.00"]
        assert await amounts("SELECT amount FROM refund_fact") == ["50000.00"]
        await downgrade(folder, dsn, name, "0001")
        assert await amounts("SELECT amount FROM payment_fact ORDER BY amount") == ["50000.00", "80000.00"]
        await downgrade(folder, dsn, name)
        await upgrade(folder, dsn, name)
    finally:
        await connection.close()
