"""The SQL that the database container runs on its first start, on a real server."""

from pathlib import Path

import asyncpg
import pytest

from shared.embedded.postgres import EmbeddedPostgres

SCRIPTS = sorted((Path(__file__).resolve().parents[2] / "deploy/docker/postgres-init").glob("*.sql"))
ROLES = ("registry", "eligibility", "payments", "grievance", "insights", "bus")


async def test_it_makes_a_role_and_schema_each_and_a_database_that_is_keycloaks_alone(monkeypatch):
    with EmbeddedPostgres.temporary() as server:
        server.create_database("samaki")  # the image does this from POSTGRES_DB
        with pytest.raises(RuntimeError, match="REGISTRY_DB_PASSWORD is not set"):
            server.execute(SCRIPTS[0].read_text(encoding="utf-8"), "samaki")
        for role in (*ROLES, "keycloak"):
            monkeypatch.setenv(f"{role.upper()}_DB_PASSWORD", f"secret of {role}")
        for script in SCRIPTS:
            server.execute(script.read_text(encoding="utf-8"), "samaki")

        for role in ROLES:
            connection = await asyncpg.connect(server.dsn(role, f"secret of {role}", "samaki"))
            await connection.execute("CREATE TABLE mine (id int)")
            assert await connection.fetchval("SELECT schemaname FROM pg_tables WHERE tableowner = current_user") == role
            await connection.close()
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await asyncpg.connect(server.dsn(role, f"secret of {role}", "keycloak"))
        connection = await asyncpg.connect(server.dsn("keycloak", "secret of keycloak", "keycloak"))
        await connection.close()
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(server.dsn("keycloak", "secret of keycloak", "samaki"))
