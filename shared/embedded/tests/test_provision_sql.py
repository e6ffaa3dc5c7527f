"""The provisioning script for a database in a container: complete, and without a password in it."""

import os
import subprocess

import pytest

from shared.embedded import postgres_host as embedded
from shared.embedded.postgres import EmbeddedPostgres
from shared.embedded.provision import quoted
from shared.embedded.provision_sql import password_variable, psql_script


def run_script(postgres: EmbeddedPostgres, passwords: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return subprocess.run(
        [str(embedded.binaries(None) / "psql"), "-X", "-q", postgres.dsn(database="postgres")],
        input=psql_script(("registry", "bus"), database="postgres"),
        env=environment | passwords,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_script_provisions_roles_with_passwords_of_the_environment() -> None:
    passwords = {password_variable("registry"): "it's $ecret", password_variable("bus"): "b"}
    with EmbeddedPostgres.temporary() as postgres:
        assert run_script(postgres, passwords).returncode == 0
        found = postgres.execute(
            "SELECT rolname FROM pg_roles WHERE rolname IN ('registry', 'bus') ORDER BY 1", "postgres"
        )
        assert found.split() == ["bus", "registry"]

        refused = run_script(postgres, {password_variable("bus"): "b"})
        assert refused.returncode != 0
        assert "REGISTRY_DB_PASSWORD is not set" in refused.stderr


def test_a_literal_keeps_its_quotes() -> None:
    assert quoted("o'clock") == "'o''clock'"
    with pytest.raises(ValueError, match="NUL"):
        quoted("a\0b")
