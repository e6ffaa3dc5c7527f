"""Fill in deploy/gateway/envoy.yaml.

    render(settings) -> str                        used by deploy/local, which runs Envoy from the wheel
    python -m deploy.gateway.render --out DIR      used by docker-compose.yml: settings from SAMAKI_GATEWAY_* variables

Values are placed into the parsed tree, never pasted into text: no setting can change the shape of the file.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from deploy.gateway import routes
from deploy.gateway.docs import DOCS_PAGES, write_docs

TEMPLATE = Path(__file__).with_name("envoy.yaml")
SERVICES = ("registry", "eligibility", "payments", "grievance", "insights")


class GatewayConfigurationError(ValueError):
    """A setting of the gateway is missing or wrong; the message names it."""


@dataclass(frozen=True)
class GatewaySettings:
    """Everything that differs between one machine and a deployment.

    Attributes:
        upstreams: service name -> (host, port) of its API; the name is also its path prefix.
        jwks_path: JWKS file read now and placed into the configuration. Exactly one of this and `jwks_url`.
        jwks_url: http(s) address of the JWKS (Keycloak's certs endpoint), fetched and cached by Envoy.
        docs_dir: where Envoy finds the API docs (`write_docs` puts them there); None: no /docs.
        access_log_path: JSON lines are appended to this file; None: standard output.
        rate_limit_per_minute, rate_limit_burst: per client, which is the token's subject.
        address_limit_per_minute: per address, before the token is checked.
        max_body_bytes, max_upload_bytes, max_signed_bytes: of a call, of a file, of a signed callback without a token.
        cors_origins: browser origins allowed to call, e.g. `https://samaki.gov.kh`.
        trusted_hops: proxies in front of Envoy whose X-Forwarded-For entry is believed.
        tls_certificate, tls_private_key: PEM files; both or none (then a proxy in front must end TLS).
    """

    listen_port: int
    upstreams: Mapping[str, tuple[str, int]]
    listen_host: str = "127.0.0.1"
    admin_port: int = 0
    jwks_path: Path | str | None = None
    jwks_url: str | None = None
    issuer: str = "samaki-local"
    audience: str = "samaki"
    docs_dir: Path | str | None = None
    access_log_path: Path | str | None = None
    rate_limit_per_minute: int = 1200
    rate_limit_burst: int = 200
    address_limit_per_minute: int = 30_000
    address_limit_burst: int = 5_000
    max_body_bytes: int = 1 << 20
    max_upload_bytes: int = 64 << 20
    max_signed_bytes: int = 64 << 10
    timeout_s: float = 30.0
    upload_timeout_s: float = 300.0
    max_connections: int = 5_000
    trusted_hops: int = 0
    clock_skew_s: int = 5
    cors_origins: tuple[str, ...] = field(default=())
    tls_certificate: str | None = None
    tls_private_key: str | None = None


def render(settings: GatewaySettings) -> str:
    """The whole Envoy configuration as YAML.

    Raises:
        GatewayConfigurationError: naming the setting that is missing, contradictory or out of range.
    """
    _check(settings)
    tree = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))
    return yaml.safe_dump(_fill(tree, _values(settings)), sort_keys=False, allow_unicode=True, width=120)


def _check(settings: GatewaySettings) -> None:
    if (settings.jwks_path is None) == (settings.jwks_url is None):
        raise GatewayConfigurationError("exactly one of jwks_path and jwks_url must be set")
    if not settings.upstreams:
        raise GatewayConfigurationError("upstreams: at least one service is needed")
    if (settings.tls_certificate is None) != (settings.tls_private_key is None):
        raise GatewayConfigurationError("tls_certificate and tls_private_key must be set together")
    if "*" in settings.cors_origins:
        raise GatewayConfigurationError("cors_origins: name each origin; '*' is not accepted")
    for name in ("rate_limit_per_minute", "rate_limit_burst", "address_limit_per_minute", "address_limit_burst"):
        if getattr(settings, name) < 1:
            raise GatewayConfigurationError(f"{name} must be at least 1")


def _values(settings: GatewaySettings) -> dict[str, Any]:
    docs_dir = Path(settings.docs_dir) if settings.docs_dir is not None else None
    route_list = routes.own_routes(docs_dir, DOCS_PAGES)
    clusters = []
    for name, (host, port) in settings.upstreams.items():
        route_list += routes.service_routes(
            name, timeout_s=settings.timeout_s, upload_timeout_s=settings.upload_timeout_s
        )
        clusters.append(routes.cluster(name, host, port))
    if settings.jwks_url:
        clusters.append(_jwks_cluster(settings.jwks_url))
    unlimited = (1 << 32) - 1
    return {
        "listen_host": settings.listen_host,
        "listen_port": settings.listen_port,
        "admin_port": settings.admin_port,
        "max_connections": settings.max_connections,
        "trusted_hops": settings.trusted_hops,
        "max_body_bytes": settings.max_body_bytes,
        "max_upload_bytes": settings.max_upload_bytes,
        "max_signed_bytes": settings.max_signed_bytes,
        "tls": _tls(settings),
        "access_log": routes.access_log(str(settings.access_log_path or "")),
        "local_replies": routes.local_replies(),
        "jwt_provider": _jwt_provider(settings),
        "unlimited_bucket": {"max_tokens": unlimited, "tokens_per_fill": unlimited, "fill_interval": "1s"},
        "subject_bucket": routes.bucket(settings.rate_limit_per_minute, settings.rate_limit_burst),
        "address_bucket": routes.bucket(settings.address_limit_per_minute, settings.address_limit_burst),
        "cors": routes.cors(settings.cors_origins),
        "routes": route_list,
        "clusters": clusters,
    }


def _jwt_provider(settings: GatewaySettings) -> dict[str, Any]:
    provider: dict[str, Any] = {
        "issuer": settings.issuer,
        "audiences": [settings.audience],
        "require_expiration": True,
        "clock_skew_seconds": settings.clock_skew_s,
        "forward": True,
        # The header only: Envoy would otherwise also take a token from the query string, where logs find it.
        "from_headers": [{"name": "Authorization", "value_prefix": "Bearer "}],
        "claim_to_headers": [{"header_name": "x-samaki-subject", "claim_name": "sub"}],
        "jwt_cache_config": {"jwt_cache_size": 2000, "jwt_max_token_size": 8192},
    }
    if settings.jwks_path is not None:
        provider["local_jwks"] = {"inline_string": _public_keys(Path(settings.jwks_path))}
    else:
        provider["remote_jwks"] = {
            "http_uri": {"uri": settings.jwks_url, "cluster": "jwks", "timeout": "5s"},
            "cache_duration": "600s",
            "async_fetch": {"fast_listener": True, "failed_refetch_duration": "1s"},
            "retry_policy": {"num_retries": 3},
        }
    return provider


def _public_keys(path: Path) -> str:
    """The JWKS as one line. A private key in it stops the start: it would end up in the configuration."""
    document = json.loads(path.read_text(encoding="utf-8"))
    keys = document.get("keys", [])
    if not keys:
        raise GatewayConfigurationError(f"jwks_path: no keys in {path.name}")
    if any(secret in key for key in keys for secret in ("d", "k", "p", "q")):
        raise GatewayConfigurationError(f"jwks_path: {path.name} holds a private or symmetric key")
    return json.dumps(document, separators=(",", ":"))


def _jwks_cluster(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise GatewayConfigurationError("jwks_url must be an http or https address")
    tls = parts.scheme == "https"
    return routes.cluster("jwks", parts.hostname, parts.port or (443 if tls else 80), tls=tls)


def _tls(settings: GatewaySettings) -> dict[str, Any] | None:
    if settings.tls_certificate is None:
        return None
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": routes.TYPE + "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
                "tls_certificates": [
                    {
                        "certificate_chain": {"filename": settings.tls_certificate},
                        "private_key": {"filename": settings.tls_private_key},
                    }
                ],
            },
        },
    }


def _fill(node: Any, values: Mapping[str, Any]) -> Any:
    """Replace every `${name}` scalar; a mapping entry whose value becomes None is dropped."""
    if isinstance(node, dict):
        filled = {key: _fill(value, values) for key, value in node.items()}
        return {key: value for key, value in filled.items() if value is not None}
    if isinstance(node, list):
        return [_fill(item, values) for item in node]
    if isinstance(node, str) and node.startswith("${") and node.endswith("}"):
        return values[node[2:-1]]
    return node


def settings_from_environment(environment: Mapping[str, str]) -> GatewaySettings:
    """Settings of the container, from `SAMAKI_GATEWAY_*` variables.

    `SAMAKI_GATEWAY_UPSTREAMS` reads `registry=registry-api:8000,payments=payments-api:8000,...`.

    Raises:
        GatewayConfigurationError: naming a variable that is missing, wrong or unknown.
    """
    prefix = "SAMAKI_GATEWAY_"
    given = {key.removeprefix(prefix).lower(): value for key, value in environment.items() if key.startswith(prefix)}
    given = {key: value for key, value in given.items() if value != ""}
    converters = _converters()
    unknown = sorted(set(given) - set(converters))
    if unknown:
        raise GatewayConfigurationError(f"unknown variable {prefix}{unknown[0].upper()}")
    missing = [name for name in ("listen_port", "upstreams") if name not in given]
    if missing:
        raise GatewayConfigurationError(f"{prefix}{missing[0].upper()} must be set")
    values: dict[str, Any] = {}
    for key, text in given.items():
        try:
            values[key] = converters[key](text)
        except ValueError as error:
            raise GatewayConfigurationError(f"{prefix}{key.upper()}: {error}") from None
    return GatewaySettings(**values)


def _converters() -> dict[str, Any]:
    kinds: dict[str, Any] = {}
    for name, annotation in GatewaySettings.__annotations__.items():
        kinds[name] = {"int": int, "float": float}.get(annotation, str)
    return kinds | {"upstreams": _upstreams, "cors_origins": lambda text: tuple(filter(None, text.split(",")))}


def _upstreams(text: str) -> dict[str, tuple[str, int]]:
    upstreams = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, _, address = entry.partition("=")
        host, _, port = address.rpartition(":")
        if name not in SERVICES or not host or not port.isdigit():
            raise ValueError(f"expected service=host:port, got {entry!r}")
        upstreams[name] = (host, int(port))
    return upstreams


def main(arguments: list[str] | None = None) -> None:
    """Write `envoy.yaml` and the docs page into a directory (the volume that the Envoy container reads)."""
    parser = argparse.ArgumentParser(prog="python -m deploy.gateway.render", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="directory for envoy.yaml and docs/")
    parser.add_argument("--check", action="store_true", help="only check the settings; write nothing")
    options = parser.parse_args(arguments)
    try:
        settings = settings_from_environment(os.environ)
        text = render(settings)
    except GatewayConfigurationError as error:
        raise SystemExit(f"gateway configuration error: {error}") from None
    if options.check:
        return
    options.out.mkdir(parents=True, exist_ok=True)
    write_docs(options.out / "docs", settings.upstreams)
    (options.out / "envoy.yaml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
