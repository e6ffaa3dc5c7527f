"""The gateway's settings: wrong ones stop the start and are named, and no setting can change the file's shape."""

import json

import pytest
import yaml

from deploy.gateway.render import (
    SERVICES,
    GatewayConfigurationError,
    GatewaySettings,
    main,
    render,
    settings_from_environment,
)
from deploy.gateway.routes import PROBLEM_TYPES, PROBLEMS
from shared import errors
from shared.embedded.envoy import validate

UPSTREAMS = dict.fromkeys(SERVICES, ("127.0.0.1", 9000))
ENVIRONMENT = {
    "SAMAKI_GATEWAY_LISTEN_PORT": "8080",
    "SAMAKI_GATEWAY_UPSTREAMS": "registry=registry-api:8000, payments=payments-api:8000",
    "SAMAKI_GATEWAY_JWKS_URL": "https://login.example/realms/samaki/protocol/openid-connect/certs",
    "SAMAKI_GATEWAY_CORS_ORIGINS": "https://a.example,https://b.example",
    "SAMAKI_GATEWAY_RATE_LIMIT_PER_MINUTE": "90",
    "PATH": "/bin",
}


@pytest.fixture
def jwks(tmp_path, signing_key):
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [signing_key.as_dict(private=False)]}), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"jwks_path": None}, "jwks_path"),
        ({"jwks_url": "https://a.example/keys"}, "jwks_path"),
        ({"jwks_path": None, "jwks_url": "ftp://a.example/keys"}, "jwks_url"),
        ({"upstreams": {}}, "upstreams"),
        ({"cors_origins": ("*",)}, "cors_origins"),
        ({"rate_limit_per_minute": 0}, "rate_limit_per_minute"),
        ({"tls_certificate": "/certificate.pem"}, "tls_private_key"),
    ],
)
def test_a_wrong_setting_is_named(jwks, changes, named):
    values = {"listen_port": 8080, "upstreams": UPSTREAMS, "jwks_path": jwks, **changes}
    with pytest.raises(GatewayConfigurationError, match=named):
        render(GatewaySettings(**values))


def test_a_private_key_never_enters_the_configuration(tmp_path, signing_key):
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [signing_key.as_dict(private=True)]}), encoding="utf-8")
    with pytest.raises(GatewayConfigurationError, match="private"):
        render(GatewaySettings(listen_port=1, upstreams=UPSTREAMS, jwks_path=file))


def test_a_value_with_yaml_in_it_stays_a_value(jwks):
    issuer = 'x"\nadmin: {address: {socket_address: {address: 0.0.0.0}}}\n${listen_port}'
    tree = yaml.safe_load(render(GatewaySettings(listen_port=8080, upstreams=UPSTREAMS, jwks_path=jwks, issuer=issuer)))
    assert tree["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"
    assert issuer in str(tree["static_resources"]["listeners"]).encode().decode("unicode_escape")


def test_the_environment_of_the_container_becomes_settings():
    settings = settings_from_environment(ENVIRONMENT)
    assert settings.upstreams == {"registry": ("registry-api", 8000), "payments": ("payments-api", 8000)}
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert (settings.listen_port, settings.rate_limit_per_minute) == (8080, 90)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAMAKI_GATEWAY_LISTEN_PORT", ""),
        ("SAMAKI_GATEWAY_LISTEN_PORT", "eighty"),
        ("SAMAKI_GATEWAY_UPSTREAMS", "unknown=host:1"),
        ("SAMAKI_GATEWAY_UPSTREAMS", "registry=host"),
        ("SAMAKI_GATEWAY_TIME_OUT", "5"),
    ],
)
def test_a_wrong_variable_is_named(name, value):
    with pytest.raises(GatewayConfigurationError, match=name):
        settings_from_environment({**ENVIRONMENT, name: value})


def test_the_command_stops_with_one_line_that_names_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.delenv("SAMAKI_GATEWAY_UPSTREAMS", raising=False)
    monkeypatch.setenv("SAMAKI_GATEWAY_LISTEN_PORT", "8080")
    with pytest.raises(SystemExit, match="SAMAKI_GATEWAY_UPSTREAMS must be set"):
        main(["--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_envoy_accepts_keys_from_an_https_address(tmp_path):
    file = tmp_path / "envoy.yaml"
    file.write_text(render(settings_from_environment(ENVIRONMENT)), encoding="utf-8")
    validate(file)


def test_the_gateway_words_its_refusals_as_the_services_do():
    kit = {problem.status: problem for problem in errors.Problem.__subclasses__()}
    assert PROBLEM_TYPES == errors.DOCS
    for status, (code, title, _detail) in PROBLEMS.items():
        if status in kit:
            assert (code, title) == (kit[status].code, kit[status].title)
