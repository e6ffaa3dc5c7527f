"""docker-compose.yml: valid, complete, and every command in it starts from what its image holds."""

import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic_settings import BaseSettings

from shared.embedded.envoy import validate
from shared.embedded.provision_sql import psql_script

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("registry", "eligibility", "payments", "grievance", "insights")
SECRET_WORDS = ("PASSWORD", "SECRET", "_KEY", "DATABASE_URL")


def service_of(name: str) -> Any:
    return import_module(f"services.{name}.app").SERVICE


def names_of(settings: type[BaseSettings]) -> set[str]:
    """Every environment variable that a settings class reads."""
    names = set()
    for field, info in settings.model_fields.items():
        choices = getattr(info.validation_alias, "choices", None)
        names |= {str(choice) for choice in choices} if choices else {f"SAMAKI_{field.upper()}"}
    return names


def test_it_is_a_valid_compose_file(compose):
    spec = find_spec("check_jsonschema")
    assert spec is not None
    schema_file = Path(next(iter(spec.submodule_search_locations))) / "builtin_schemas/vendor/compose-spec.json"
    schema = json.loads(schema_file.read_text(encoding="utf-8"))
    jsonschema.validate(compose.raw, schema)
    jsonschema.validate({**compose.raw, "services": compose.services}, schema)


def test_everything_that_is_named_exists(compose):
    for name, definition in compose.services.items():
        for other in definition.get("depends_on", {}):
            assert other in compose.services, f"{name} depends on {other}"
        for volume in definition.get("volumes", []):
            source = volume.split(":")[0]
            known = (ROOT / source).exists() if source.startswith(".") else source in compose.raw["volumes"]
            assert known, f"{name} mounts {source}"
        for network in definition.get("networks", []):
            assert network in compose.raw["networks"], f"{name} joins {network}"
        if "build" in definition:
            assert (ROOT / definition["build"]["dockerfile"]).exists()


def test_what_waits_for_health_can_see_it(compose):
    for name, definition in compose.services.items():
        for other, how in definition.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in compose.services[other], f"{name} waits for {other}, which has no health check"
            if how["condition"] == "service_completed_successfully":
                assert compose.services[other]["restart"] == "no", f"{name} waits for the end of {other}"


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_has_the_processes_that_its_definition_needs(compose, name):
    service = service_of(name)
    roles = set(compose.of_service(name))
    assert {"migrate", "api", "worker"} <= roles
    assert ("relay" in roles) == bool(service.publishes)
    assert ("consumer" in roles) == bool(service.subscriptions)
    for definition in compose.of_service(name).values():
        assert definition["image"] == f"samaki/{name}"


def test_each_image_is_pinned_and_no_secret_is_written(compose):
    for name, definition in compose.services.items():
        if "build" not in definition:
            tag = definition["image"].rsplit("/", 1)[-1].partition(":")[2]
            assert tag not in {"", "latest"}, f"{name}: pin {definition['image']}"
        for variable, value in compose.raw["services"][name].get("environment", {}).items():
            if any(word in variable for word in SECRET_WORDS):
                assert ":?}" in str(value) or ":?" in str(value), f"{name}: {variable} must come from the environment"


def test_the_example_environment_names_every_variable_and_nothing_else(compose):
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    for name in compose.variables:
        assert f"${{{name}" in text, f"{name} is in .env.example but not used"
    used = {part.split("}")[0].split(":")[0] for part in text.split("${")[1:]}
    assert used <= set(compose.variables)
    for line in (ROOT / "deploy/docker/.env.example").read_text(encoding="utf-8").splitlines():
        variable, _, value = line.partition("=")
        if any(word in variable for word in SECRET_WORDS) and not line.startswith("#"):
            assert value == "", f"{variable} has a value in a committed file"


@pytest.mark.parametrize("name", SERVICES)
def test_every_variable_is_a_known_setting_and_every_required_setting_is_set(compose, name, monkeypatch):
    settings = service_of(name).settings
    for role, definition in compose.of_service(name).items():
        given = {key: str(value) for key, value in definition["environment"].items()}
        assert set(given) <= names_of(settings), f"{name} {role}: {set(given) - names_of(settings)} are no settings"
        with monkeypatch.context() as patch:
            for key, value in given.items():
                patch.setenv(key, value)
            loaded = settings()
        assert loaded.service == name
        assert loaded.jwks or role != "api"


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_holds_the_kit_and_one_service_and_its_configuration_is_complete(compose, service_images, name):
    """With the compose file's own environment; test_neighbours.py then starts every command for good."""
    image = service_images[name]
    assert sorted(path.name for path in (image.folder / "services").iterdir()) == [name]
    assert sorted(path.name for path in image.folder.iterdir()) == ["services", "shared"]
    definitions = list(compose.of_service(name).values())
    assert all(definition["environment"] == definitions[0]["environment"] for definition in definitions)
    answer = image.run([*definitions[0]["command"], "--check-config"], definitions[0]["environment"])
    assert "configuration is complete" in answer


def test_a_missing_setting_stops_the_start_and_is_named(compose, service_images):
    given = dict(compose.of_service("payments")["api"]["environment"])
    del given["SAMAKI_DATABASE_URL"]
    with pytest.raises(AssertionError, match="SAMAKI_DATABASE_URL"):
        service_images["payments"].run(["api", "--check-config"], given)


def test_the_gateway_configuration_is_written_from_its_image_and_envoy_accepts_it(compose, build_image, tmp_path):
    definition = compose.services["gateway-config"]
    image = build_image(definition["build"]["dockerfile"])
    written = tmp_path / "config"
    environment = {**definition["environment"], "SAMAKI_GATEWAY_DOCS_DIR": str(written / "docs")}
    image.run(["--out", str(written)], environment)
    validate(written / "envoy.yaml")
    text = (written / "envoy.yaml").read_text(encoding="utf-8")
    for name in SERVICES:
        assert f"address: {name}-api" in text
        assert f"{name}-api" in compose.services
    assert definition["command"] == ["--out", "/config"]
    assert compose.services["gateway"]["command"][:2] == ["-c", "/config/envoy.yaml"]


def test_the_simulators_start_from_their_image(compose, build_image):
    for name in ("mock-bank", "mobile-money"):
        definition = compose.services[name]
        assert definition["profiles"] == ["demo"]
        if definition["command"][0] == "python":
            image = build_image(definition["build"]["dockerfile"])
            image.run([*definition["command"], "--help"], definition.get("environment", {}))


def test_the_database_scripts_are_those_that_are_generated():
    script = ROOT / "deploy/docker/postgres-init/10-roles.sql"
    assert script.read_text(encoding="utf-8") == psql_script(), (
        "run: python -m shared.embedded.provision_sql > deploy/docker/postgres-init/10-roles.sql"
    )


def test_the_database_container_gets_every_password_that_its_scripts_ask_for(compose):
    asked = set()
    for script in (ROOT / "deploy/docker/postgres-init").glob("*.sql"):
        for line in script.read_text(encoding="utf-8").splitlines():
            if line.startswith("\\getenv"):
                asked.add(line.split()[2])
    assert asked
    assert asked <= set(compose.services["postgres"]["environment"])


def test_the_lock_of_the_images_is_part_of_the_lock_of_the_project():
    def pinned(name: str) -> dict[str, str]:
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        return dict(line.split(" ")[0].split("==") for line in lines if "==" in line and not line.startswith(" "))

    everything = pinned("requirements.lock")
    for lock in ("requirements-runtime.lock", "deploy/gateway/requirements.lock", "deploy/docker/simulators.lock"):
        assert pinned(lock).items() <= everything.items(), f"compile {lock} again"
