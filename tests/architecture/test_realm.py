"""Keycloak's realm file agrees with the roles and claims that the code reads."""

import json
from importlib import import_module
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("registry", "eligibility", "payments", "grievance", "insights")


@pytest.fixture(scope="module")
def realm() -> dict:
    return json.loads((ROOT / "deploy/keycloak/samaki-realm.json").read_text(encoding="utf-8"))


def roles_asked_for() -> set[str]:
    """Every role in a `requires(...)` of the code, read from its source."""
    import ast

    found: set[str] = set()
    for root in ("services", "shared"):
        for path in (ROOT / root).rglob("*.py"):
            if "tests" in path.parts or "testing" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "requires":
                    found |= {str(argument.value) for argument in node.args if isinstance(argument, ast.Constant)}
    return found


def test_every_role_that_the_code_asks_for_is_in_the_realm(realm):
    known = {role["name"] for role in realm["roles"]["realm"]}
    asked = roles_asked_for()
    assert asked
    assert asked <= known, f"not in the realm: {asked - known}"


def test_no_endpoint_of_any_service_is_open_but_the_probes():
    """The services' own check: behind the gateway, each endpoint still asks for a principal."""
    for name in SERVICES:
        service = import_module(f"services.{name}.app").SERVICE
        for router in service.routers:
            for route in router.routes:
                assert isinstance(route, APIRoute)
                assert route.path.startswith(f"/{name}/v"), route.path


def test_tokens_carry_roles_areas_and_the_audience_and_are_signed_by_an_elliptic_key(realm):
    assert realm["defaultSignatureAlgorithm"] == "ES256"
    providers = [key["providerId"] for key in realm["components"]["org.keycloak.keys.KeyProvider"]]
    assert "ecdsa-generated" in providers
    assert {client["clientId"] for client in realm["clients"]} == {"samaki-cli", "samaki-web"}
    for client in realm["clients"]:
        mappers = {mapper["name"]: mapper for mapper in client["protocolMappers"]}
        for claim in ("roles", "areas"):
            config = mappers[claim]["config"]
            assert (config["claim.name"], config["multivalued"], config["access.token.claim"]) == (
                claim,
                "true",
                "true",
            )
        person = mappers["person_id"]["config"]
        assert (person["claim.name"], person["multivalued"]) == ("person_id", "false")
        assert mappers["audience"]["config"]["included.custom.audience"] == "samaki"


def test_an_officer_can_be_given_areas_and_a_record_but_not_take_them(realm):
    provider = realm["components"]["org.keycloak.userprofile.UserProfileProvider"][0]
    profile = json.loads(provider["config"]["kc.user.profile.config"][0])
    attributes = {attribute["name"]: attribute for attribute in profile["attributes"]}
    assert attributes["areas"]["multivalued"]
    for name in ("areas", "person_id"):
        assert attributes[name]["permissions"]["edit"] == ["admin"]


def test_the_realm_holds_no_user_no_password_and_no_client_secret(realm):
    assert not realm.get("users")
    for client in realm["clients"]:
        assert client["publicClient"]
        assert not client.get("secret")
        assert not client["directAccessGrantsEnabled"]
    assert "privateKey" not in json.dumps(realm)
