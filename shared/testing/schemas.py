"""A migrated schema per service and worker, emptied between tests, with what migrations put into it kept."""

from __future__ import annotations

from dataclasses import dataclass, field

import asyncpg

from shared.embedded.postgres import EmbeddedPostgres
from shared.migrations import upgrade
from shared.service import Service


@dataclass
class Schemas:
    """The schemas of one worker.

    Args:
        postgres: the running server.
        worker: pytest-xdist's name of this worker, or `main`.
    """

    postgres: EmbeddedPostgres
    worker: str
    _tables: dict[str, list[str]] = field(default_factory=dict)

    def name(self, service: Service) -> str:
        """Role and schema of a service in this worker."""
        return f"{service.name}_{self.worker}"

    def dsn(self, service: Service) -> str:
        """Where the service connects, as its own role."""
        return self.postgres.dsn(self.name(service))

    async def fresh(self, service: Service) -> None:
        """Migrated and as migrations left it, whatever earlier tests did."""
        name = self.name(service)
        first = name not in self._tables
        if first:
            self.postgres.provision([name])
            await upgrade(service.migrations, self.dsn(service), name)
        connection = await asyncpg.connect(self.postgres.dsn())
        try:
            if first:
                self._tables[name] = await _remember(connection, name)
            await _restore(connection, name, self._tables[name])
        finally:
            await connection.close()


async def _remember(connection: asyncpg.Connection, schema: str) -> list[str]:
    """Keep a copy of rows that migrations inserted; the schema's tables."""
    rows = await connection.fetch(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'alembic_version'"
        " ORDER BY 1",
        schema,
    )
    tables = [row["relname"] for row in rows]
    await connection.execute(f'CREATE SCHEMA "seed_{schema}"')
    for table in tables:
        await connection.execute(f'CREATE TABLE "seed_{schema}"."{table}" AS TABLE "{schema}"."{table}"')
    return tables


async def _restore(connection: asyncpg.Connection, schema: str, tables: list[str]) -> None:
    """Empty every table and put the migrations' rows back; triggers that refuse it are passed over."""
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        listed = ", ".join(f'"{schema}"."{table}"' for table in tables)
        await connection.execute(f"TRUNCATE {listed} RESTART IDENTITY CASCADE")
        for table in tables:
            columns = await connection.fetchval(
                "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
                " WHERE attrelid = format('%I.%I', $1::text, $2::text)::regclass"
                " AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
                schema,
                table,
            )
            filled = await connection.fetchval(f'SELECT EXISTS (SELECT FROM "seed_{schema}"."{table}")')
            if filled:
                await connection.execute(
                    f'INSERT INTO "{schema}"."{table}" ({columns}) OVERRIDING SYSTEM VALUE'
                    f' SELECT {columns} FROM "seed_{schema}"."{table}"'
                )
