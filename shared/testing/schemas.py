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
    _known: dict[str, Known] = field(default_factory=dict)

    def name(self, service: Service) -> str:
        """Role and schema of a service in this worker."""
        return f"{service.name}_{self.worker}"

    def dsn(self, service: Service) -> str:
        """Where the service connects, as its own role."""
        return self.postgres.dsn(self.name(service))

    async def fresh(self, service: Service) -> None:
        """Migrated and as migrations left it, whatever earlier tests did."""
        name = self.name(service)
        first = name not in self._known
        if first:
            self.postgres.provision([name])
            await upgrade(service.migrations, self.dsn(service), name)
        connection = await asyncpg.connect(self.postgres.dsn())
        try:
            if first:
                self._known[name] = await _remember(connection, name)
            await _restore(connection, name, self._known[name])
        finally:
            await connection.close()


@dataclass(frozen=True)
class Known:
    """A migrated schema: the query for its filled tables, and statements that put its first rows back."""

    which_are_filled: str
    seeds: list[str]


async def _remember(connection: asyncpg.Connection, schema: str) -> Known:
    """Keep a copy of rows that migrations inserted."""
    rows = await connection.fetch(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'alembic_version'"
        " ORDER BY 1",
        schema,
    )
    tables = [row["relname"] for row in rows]
    looks = (f'SELECT \'{table}\' WHERE EXISTS (SELECT FROM "{schema}"."{table}")' for table in tables)
    query = " UNION ALL ".join(looks)
    await connection.execute(f'CREATE SCHEMA "seed_{schema}"')
    return Known(query, [await _seed(connection, schema, row[0]) for row in await connection.fetch(query)])


async def _seed(connection: asyncpg.Connection, schema: str, table: str) -> str:
    """Copy a table's rows; the statement that puts them back unless they are there."""
    await connection.execute(f'CREATE TABLE "seed_{schema}"."{table}" AS TABLE "{schema}"."{table}"')
    columns = await connection.fetchval(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
        " WHERE attrelid = format('%I.%I', $1::text, $2::text)::regclass"
        " AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
        schema,
        table,
    )
    return (
        f'INSERT INTO "{schema}"."{table}" ({columns}) OVERRIDING SYSTEM VALUE'
        f' SELECT {columns} FROM "seed_{schema}"."{table}" WHERE NOT EXISTS (SELECT FROM "{schema}"."{table}")'
    )


async def _restore(connection: asyncpg.Connection, schema: str, known: Known) -> None:
    """Empty every table that has rows and put the migrations' rows back; triggers that refuse it are passed over."""
    filled = [row[0] for row in await connection.fetch(known.which_are_filled)]
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        if filled:
            listed = ", ".join(f'"{schema}"."{table}"' for table in filled)
            await connection.execute(f"TRUNCATE {listed} RESTART IDENTITY CASCADE")
        for statement in known.seeds:
            await connection.execute(statement)
