"""Migrations of every service: Alembic with its version table inside the service's own schema.

A service's first revision calls `create_kit_tables(op)`. Its `env.py` holds two lines: this module's `run_env()`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic import command, context
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.tables import kit_metadata

_FUNCTIONS = (
    # The same identity as shared.ids.deterministic_uuid, for a million rows in one statement. In plpgsql: a third of
    # the time of one SQL expression, which cannot keep the digest in a variable.
    """
    CREATE FUNCTION deterministic_uuid(VARIADIC parts text[]) RETURNS uuid
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
    DECLARE h bytea := sha256(convert_to(array_to_string(parts, '|'), 'UTF8'));
    BEGIN
      h := set_byte(set_byte(h, 6, (get_byte(h, 6) & 15) | 128), 8, (get_byte(h, 8) & 63) | 128);
      RETURN substr(encode(h, 'hex'), 1, 32)::uuid;
    END $$
    """,
    # Wakes the relay at commit; the channel carries the schema, since channels belong to the database.
    """
    CREATE FUNCTION notify_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_notify('outbox_' || TG_TABLE_SCHEMA, '');
      RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER outbox_notify AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION notify_outbox()",
    """
    CREATE FUNCTION notify_job() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_notify('job_' || TG_TABLE_SCHEMA, '');
      RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER job_notify AFTER INSERT ON job FOR EACH STATEMENT EXECUTE FUNCTION notify_job()",
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END $$
    """,
    "CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
)


def create_kit_tables(op: Any) -> None:
    """Create the kit's tables and functions: the first step of a service's first revision.

    Leaves behind, for the service's use: `deterministic_uuid(VARIADIC text[])` and `refuse_change()` (a trigger
    function that makes a table append-only).
    """
    kit_metadata.create_all(op.get_bind(), checkfirst=False)
    for statement in _FUNCTIONS:
        op.execute(statement)


def drop_kit_tables(op: Any) -> None:
    """Undo `create_kit_tables`."""
    kit_metadata.drop_all(op.get_bind(), checkfirst=False)
    for function in ("deterministic_uuid(text[])", "notify_outbox()", "notify_job()", "refuse_change()"):
        op.execute(text("DROP FUNCTION " + function))


def _config(folder: Path, connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


async def upgrade(folder: Path, database_url: str, schema: str, revision: str = "head") -> None:
    """Bring one service's schema to a revision. Two at once wait for each other.

    Args:
        folder: the service's `migrations` folder.
        database_url: `postgresql://...` of the service's own role.
        schema: its schema, which exists: provisioning makes it.
    """
    await _run(folder, database_url, schema, lambda config: command.upgrade(config, revision))


async def downgrade(folder: Path, database_url: str, schema: str, revision: str = "base") -> None:
    """Take one service's schema back to a revision."""
    await _run(folder, database_url, schema, lambda config: command.downgrade(config, revision))


async def _run(folder: Path, database_url: str, schema: str, action: Callable[[Config], None]) -> None:
    engine = create_async_engine(
        make_url(database_url).set(drivername="postgresql+asyncpg"),
        poolclass=NullPool,
        connect_args={"server_settings": {"search_path": f"{_identifier(schema)}, extensions", "timezone": "UTC"}},
    )
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(hashtext(:name))"), {"name": f"migrate:{schema}"})
            await connection.commit()
            await connection.run_sync(lambda sync: action(_config(folder, sync)))
    finally:
        await engine.dispose()


def _identifier(name: str) -> str:
    if not name.replace("_", "").isalnum() or not name[0].isalpha() or name != name.lower():
        raise ValueError(f"a schema is named by lower-case letters, digits and underscores, not {name!r}")
    return name


def run_env() -> None:
    """What a service's `env.py` runs: the revisions, in one transaction, on the connection that `upgrade` opened."""
    connection: Connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=None, transaction_per_migration=False)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
