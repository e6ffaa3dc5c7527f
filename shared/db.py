"""The database: an async engine whose every connection stands in the service's own schema, and the bulk paths.

limits.md, in rows a second: COPY 200,000; INSERT ... SELECT from one JSON parameter 30,000; ORM 6,000; a commit
per row 600. Whatever touches many people uses `copy_records`, `upsert_versioned` or one statement of its own.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import asyncpg
import orjson
from sqlalchemy import JSON, Table, bindparam, event, func, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.types import UserDefinedType

from shared.settings import Settings
from shared.tables import new_metadata

__all__ = ["Database", "copy_records", "is_retryable", "is_transient", "new_metadata", "upsert_versioned"]

IDLE_S: Final = 1.0
"""After so many idle seconds a pooled connection is tried before it is used."""

RETRYABLE_SQLSTATES = frozenset({"40001", "40P01", "55P03"})
"""serialization_failure, deadlock_detected, lock_not_available: the same transaction may succeed when run again."""


def _dumps(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()


class Database:
    """One service's database.

    Args:
        settings: where it is, as which role, in which schema.
        application_name: shown in `pg_stat_activity`.
        statement_timeout_s: limit per statement; None: no limit (background roles).
    """

    def __init__(
        self, settings: Settings, *, application_name: str = "samaki", statement_timeout_s: int | None = None
    ) -> None:
        url = make_url(settings.database_url.get_secret_value()).set(drivername="postgresql+asyncpg")
        self.schema = settings.schema_name
        server_settings = {
            "search_path": f"{self.schema}, extensions",
            "application_name": application_name,
            "timezone": "UTC",
            "jit": "off",
        }
        if statement_timeout_s is not None:
            server_settings["statement_timeout"] = str(statement_timeout_s * 1000)
        self._connect = {"server_settings": server_settings, "timeout": 10, "command_timeout": None}
        self._dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=settings.database_pool_size,
            max_overflow=0,  # a connection beyond the pool is opened and closed at every use: 10 ms and more
            pool_timeout=10,
            hide_parameters=True,  # a failing statement must not log people's data (law 8)
            connect_args=self._connect,
            json_serializer=_dumps,
            json_deserializer=orjson.loads,
        )
        _ping_after_idling(self.engine)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False, autoflush=False)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """One transaction: committed at the end of the block, rolled back by any exception."""
        async with self._sessions() as session, session.begin():
            yield session

    def open_session(self) -> AsyncSession:
        """A session whose transaction the caller ends itself (the request route, jobs that commit in chunks)."""
        return self._sessions()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of its own, outside the pool: for LISTEN and session-long advisory locks."""
        connection = await asyncpg.connect(self._dsn, **self._connect)
        try:
            yield connection
        finally:
            await connection.close(timeout=5)

    async def ping(self) -> None:
        """Raise unless the database answers."""
        async with self.engine.connect() as connection:
            await connection.execute(select(1))

    async def close(self) -> None:
        """Close the pool."""
        await self.engine.dispose()


def _ping_after_idling(engine: AsyncEngine) -> None:
    """Try a pooled connection before use when it was idle for longer than IDLE_S: one that died is replaced.

    SQLAlchemy's own `pool_pre_ping` tries at every use, three round trips a request (BEGIN, an empty statement,
    ROLLBACK). What dies within IDLE_S fails the request that meets it, as it would a moment later: with 503, or in
    the consumer and the workers with another attempt.
    """

    @event.listens_for(engine.sync_engine, "checkin")
    def note(_connection: Any, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def try_it(connection: Any, record: Any, _fairy: Any) -> None:
        idle_since = record.info.pop("idle_since", None)
        if idle_since is None or time.monotonic() - idle_since <= IDLE_S:
            return
        dialect = engine.sync_engine.dialect
        try:
            alive = dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            if not dialect.is_disconnect(error, connection, None):
                raise
            alive = False
        if not alive:
            raise InvalidatePoolError


async def driver_connection(session: AsyncSession) -> asyncpg.Connection:
    """asyncpg's connection under this session, inside its transaction."""
    connection = await session.connection()
    raw = await connection.get_raw_connection()
    return cast(asyncpg.Connection, raw.driver_connection)


async def copy_records(
    session: AsyncSession, table: str, columns: Sequence[str], records: Iterable[tuple[Any, ...]]
) -> int:
    """Binary COPY into a table, inside the session's transaction.

    Args:
        table: its name, in the service's schema (or a temporary table).
        columns: names, in the order of each record.
        records: tuples; may be a generator: they are streamed.

    Returns:
        The number of rows written.
    """
    driver = await driver_connection(session)
    status = await driver.copy_records_to_table(table, columns=list(columns), records=records)
    return int(status.rsplit(" ", 1)[-1])


class _RowOf(UserDefinedType[Any]):
    """The row type of a table, for `json_populate_recordset`."""

    cache_ok = True

    def __init__(self, table_name: str) -> None:
        self.table_name = table_name

    def get_col_spec(self, **_options: Any) -> str:
        return '"' + self.table_name.replace('"', '""') + '"'


def rows_from_json(table: Table, columns: Sequence[str], parameter: str = "rows") -> Any:
    """A FROM clause of typed rows carried by one JSON parameter, whatever their number (fault 17).

    Bind the parameter to a list of mappings. Types are those of the table's columns.
    """
    base = sql_cast(None, _RowOf(table.name))
    function = func.json_populate_recordset(base, bindparam(parameter, type_=JSON))
    typed = [table.c[name] for name in columns]
    return function.table_valued(*(column._copy() for column in typed)).alias("incoming")


async def upsert_versioned(
    session: AsyncSession,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str],
    version: str = "version",
) -> list[tuple[Any, ...]]:
    """Write projection rows, newest version wins: within the batch, and against what is stored (law 4).

    Args:
        table: the projection; its primary key or a unique constraint is `key`.
        rows: all with the same columns.
        key: names of the key columns.
        version: name of the version column.

    Returns:
        The keys that changed: those whose version was newer than the stored one, or new.
    """
    if not rows:
        return []
    newest: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for row in rows:
        identity = tuple(row[name] for name in key)
        present = newest.get(identity)
        if present is None or row[version] > present[version]:
            newest[identity] = row
    columns = list(rows[0])
    incoming = rows_from_json(table, columns)
    insertion = pg_insert(table).from_select(
        columns, select(*(incoming.c[name] for name in columns)).order_by(*(incoming.c[name] for name in key))
    )
    statement = insertion.on_conflict_do_update(
        index_elements=list(key),
        set_={name: insertion.excluded[name] for name in columns if name not in key},
        where=table.c[version] < insertion.excluded[version],
    ).returning(*(table.c[name] for name in key))
    result = await session.execute(statement, {"rows": list(newest.values())})
    return [tuple(row) for row in result]


def sqlstate(error: BaseException) -> str | None:
    """PostgreSQL's five-character code of an error, if it has one."""
    original = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(original, "sqlstate", None) or getattr(getattr(original, "__cause__", None), "sqlstate", None)
    return state if isinstance(state, str) else None


def is_retryable(error: BaseException) -> bool:
    """Whether the same transaction, run again at once, may succeed: deadlock or serialization failure."""
    return sqlstate(error) in RETRYABLE_SQLSTATES


def is_transient(error: BaseException) -> bool:
    """Whether the fault lies with the connection or the server, not with the data: wait and run again."""
    if _is_connection_fault(error):
        return True
    state = sqlstate(error)
    if state is not None:
        # 08 connection, 53 resources, 57P0x shutdown, 58 system
        return state[:2] in {"08", "53", "58"} or state.startswith("57P") or state in RETRYABLE_SQLSTATES
    if not isinstance(error, DBAPIError):
        return False
    cause = error.orig.__cause__ if error.orig is not None else None
    return error.connection_invalidated or (cause is not None and _is_connection_fault(cause))


def _is_connection_fault(error: BaseException) -> bool:
    """asyncpg's InterfaceError is also what a value that does not fit its parameter raises: as a ValueError."""
    return isinstance(error, (OSError, TimeoutError, asyncpg.InterfaceError)) and not isinstance(error, ValueError)
