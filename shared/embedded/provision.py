"""The SQL that gives every service its own role and schema, and nothing else.

One source for the embedded database (`EmbeddedPostgres.provision`) and for docker-compose
(`python -m shared.embedded.provision_sql`). Every statement may run again.
"""

import re
from collections.abc import Callable, Sequence

DATABASE = "samaki"
SERVICES = ("registry", "eligibility", "payments", "grievance", "insights")
BUS_ROLE = "bus"
"""Role and schema of the Postgres log that stands in for Kafka; nobody else's rights reach it."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def quoted(value: str) -> str:
    """A SQL string literal (standard_conforming_strings is on). Raises ValueError for a NUL byte."""
    if "\0" in value:
        raise ValueError("a SQL literal cannot hold a NUL byte")
    return "'" + value.replace("'", "''") + "'"


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a role name: {name!r}")
    return name


def provision_statements(
    roles: Sequence[str], password_of: Callable[[str], str], *, database: str = DATABASE
) -> list[str]:
    """The statements, for a superuser connected to `database`.

    `password_of(role)` gives the SQL expression of a password: a quoted literal, or a psql variable.
    Each role owns its schema; on every other schema, `public` included, it has no right at all. Extensions live in
    the schema `extensions`, which all may use and none may change.
    """
    _checked(database)
    statements = [
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "CREATE SCHEMA IF NOT EXISTS extensions",
        "REVOKE ALL ON SCHEMA extensions FROM PUBLIC",
        "CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA extensions",
    ]
    for role in map(_checked, roles):
        statements += [
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}')"  # checked name
            f" THEN CREATE ROLE {role} LOGIN; END IF; END $$",
            f"ALTER ROLE {role} WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION"
            f" PASSWORD {password_of(role)}",
            # TEMPORARY: bulk loads COPY into a temporary table first.
            f"GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {role}",
            f"CREATE SCHEMA IF NOT EXISTS {role} AUTHORIZATION {role}",
            f"GRANT USAGE ON SCHEMA extensions TO {role}",
            f"ALTER ROLE {role} IN DATABASE {database} SET search_path = {role}, extensions",
        ]
    return statements
