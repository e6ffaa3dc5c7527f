"""The real gateway in front of a process that is measured, with its rate limits out of the way."""

from __future__ import annotations

import asyncio
from pathlib import Path

from deploy.gateway.docs import write_docs
from deploy.gateway.render import SERVICES, GatewaySettings, render
from shared.embedded import ports
from shared.embedded.envoy import EmbeddedEnvoy
from tests.faults.platform import Platform

UNLIMITED = 10_000_000


async def start_gateway(running: Platform, directory: Path) -> tuple[EmbeddedEnvoy, int]:
    """Start Envoy in front of the platform's api, for every service's paths.

    Returns:
        The gateway, to be stopped by the caller, and its port.
    """
    port, admin_port = ports.free_ports(2)
    settings = GatewaySettings(
        listen_port=port,
        admin_port=admin_port,
        jwks_path=running.keys.jwks,
        issuer="samaki-local",
        upstreams=dict.fromkeys(SERVICES, ("127.0.0.1", running.port)),
        docs_dir=await asyncio.to_thread(write_docs, directory / "docs", SERVICES),
        access_log_path=directory / "access.log",
        rate_limit_per_minute=UNLIMITED,
        rate_limit_burst=UNLIMITED,
    )
    config = directory / "envoy.yaml"
    await asyncio.to_thread(config.write_text, render(settings))
    envoy = EmbeddedEnvoy(config, admin_port=admin_port, log=directory / "envoy.log")
    await asyncio.to_thread(envoy.start)
    return envoy, port
