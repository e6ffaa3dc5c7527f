"""A wrong or missing setting stops the start and is named; values are not repeated."""

import pytest
from pydantic import Field

from shared.settings import load_settings
from shared.tests.probe.service import ProbeSettings

GOOD = {"SAMAKI_DATABASE_URL": "postgresql://role:hidden@host/db", "KAFKA_BOOTSTRAP_SERVERS": "host:9092"}


def load(monkeypatch, **variables):
    for name, value in (GOOD | variables).items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    return load_settings(ProbeSettings)


def test_settings_are_read_from_the_environment(monkeypatch):
    settings = load(monkeypatch, SAMAKI_DATABASE_SCHEMA="other")
    assert (settings.schema_name, settings.kafka_bootstrap_servers) == ("other", "host:9092")
    assert "hidden" not in repr(settings)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"SAMAKI_DATABASE_URL": None}, "SAMAKI_DATABASE_URL"),
        ({"KAFKA_BOOTSTRAP_SERVERS": None}, "KAFKA_BOOTSTRAP_SERVERS"),
        ({"SAMAKI_BUS": "postgres"}, "SAMAKI_BUS_DATABASE_URL"),
        ({"SAMAKI_HTTP_PORT": "70000"}, "SAMAKI_HTTP_PORT"),
        ({"SAMAKI_BUS": "carrier-pigeon"}, "SAMAKI_BUS"),
        ({"SAMAKI_TIME_ZONE": "Cambodia"}, "SAMAKI_TIME_ZONE"),
    ],
)
def test_what_is_missing_or_wrong_is_named(monkeypatch, variables, named):
    with pytest.raises(SystemExit) as stopped:
        load(monkeypatch, **variables)
    assert named in str(stopped.value)
    assert "hidden" not in str(stopped.value)
    assert "carrier-pigeon" not in str(stopped.value)


def test_a_list_that_is_not_json_is_named(monkeypatch):
    class Listed(ProbeSettings):
        senders: list[str] = Field(default=[])

    monkeypatch.setenv("SAMAKI_SENDERS", "['hidden']")
    with pytest.raises(SystemExit, match="SAMAKI_SENDERS: is not JSON") as stopped:
        load_settings(Listed)
    assert "hidden" not in str(stopped.value)
