"""The gateway's configuration on one machine: the deployed template with local addresses."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.gateway.docs import write_docs
from deploy.gateway.render import GatewaySettings, render
from deploy.local.environment import LOOPBACK
from deploy.local.home import Home
from deploy.local.keys import AUDIENCE, ISSUER, Keys
from deploy.local.topology import ADMIN, GATEWAY, listener


def write_gateway_config(home: Home, keys: Keys, ports: Mapping[str, int], services: Sequence[str]) -> Path:
    """Write Envoy's configuration and the API docs under the home; returns the configuration's path."""
    upstreams = {name: (LOOPBACK, ports[listener(name, "api")]) for name in services}
    write_docs(home.run / "docs", upstreams)
    settings = GatewaySettings(
        listen_host=LOOPBACK,
        listen_port=ports[GATEWAY],
        admin_port=ports[ADMIN],
        jwks_path=keys.jwks,
        issuer=ISSUER,
        audience=AUDIENCE,
        upstreams=upstreams,
        docs_dir=home.run / "docs",
        access_log_path=home.log("gateway-access"),
    )
    config = home.run / "envoy.yaml"
    config.write_text(render(settings), encoding="utf-8")
    return config
