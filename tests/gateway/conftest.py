"""A real Envoy in front of a small upstream that remembers what reached it."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey

from deploy.gateway.docs import write_docs
from deploy.gateway.render import SERVICES, GatewaySettings, render
from shared.embedded.envoy import EmbeddedEnvoy
from shared.embedded.ports import free_ports
from shared.testing import wait_for

ISSUER = "https://issuer.example/realms/samaki"
Scope = dict[str, Any]


@dataclass
class Upstream:
    """Stands for all services. The last part of a path says how to behave: echo(.csv), unavailable, recovers, hangs."""

    jwks: dict[str, Any]
    port: int = 0
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    bodies: dict[str, int] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[..., Any]) -> None:
        if scope["type"] != "http":
            return
        method, path = scope["method"], scope["path"]
        self.calls[method, path] += 1
        received = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            received += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        self.bodies[path] = received
        behaviour = path.rsplit("/", 1)[-1].partition(".")[0]
        if behaviour == "hangs":
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        if behaviour == "keys":
            await self._answer(send, 200, self.jwks)
        elif behaviour == "unavailable" or (behaviour == "recovers" and self.calls[method, path] == 1):
            await self._answer(send, 503, {"code": "from_the_service"})
        else:
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            await self._answer(send, 200, {"path": path, "headers": headers, "received": received})

    @staticmethod
    async def _answer(send: Callable[..., Any], status: int, document: Any) -> None:
        headers = [(b"content-type", b"application/json"), (b"etag", b'"7"')]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(document).encode()})


@dataclass
class Gateway:
    """A running gateway, its client, and tokens for it."""

    http: httpx.AsyncClient
    key: ECKey
    access_log: Path
    admin_port: int
    log: Path

    def token(self, subject: str = "officer-1", **changes: Any) -> dict[str, str]:
        """An Authorization header; `changes` overwrite claims, None removes one, `key` signs instead."""
        now = int(time.time())
        key = changes.pop("key", self.key)
        claims = {"iss": ISSUER, "aud": "samaki", "sub": subject, "iat": now, "exp": now + 600, "roles": ["auditor"]}
        claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return {"Authorization": f"Bearer {jwt.encode({'alg': 'ES256', 'kid': key.kid}, claims, key)}"}

    def logged(self) -> list[dict[str, Any]]:
        """The access log so far."""
        return [json.loads(line) for line in self.access_log.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="session")
def signing_key() -> ECKey:
    """The issuer's key."""
    return ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256", "use": "sig"}, private=True)


@pytest.fixture(scope="session")
async def upstream(signing_key: ECKey) -> AsyncIterator[Upstream]:
    """The services behind the gateway."""
    app = Upstream({"keys": [signing_key.as_dict(private=False)]})
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    await wait_for(lambda: server.started, what="the upstream")
    app.port = server.servers[0].sockets[0].getsockname()[1]
    yield app
    server.should_exit = True
    server.force_exit = True
    await serving


@pytest.fixture(scope="session")
def open_gateway(
    upstream: Upstream, signing_key: ECKey, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Any]:
    """`async with open_gateway(**settings) as gateway`: an Envoy of its own."""

    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[Gateway]:
        home = tmp_path_factory.mktemp("gateway with space")
        (home / "jwks.json").write_text(json.dumps(upstream.jwks), encoding="utf-8")
        port, admin_port = free_ports(2)
        values: dict[str, Any] = {
            "listen_port": port,
            "admin_port": admin_port,
            "jwks_path": home / "jwks.json",
            "issuer": ISSUER,
            "upstreams": dict.fromkeys(SERVICES, ("127.0.0.1", upstream.port)),
            "docs_dir": write_docs(home / "docs", SERVICES),
            "access_log_path": home / "access.log",
            "timeout_s": 1.0,
            "upload_timeout_s": 5.0,
            "rate_limit_per_minute": 6,
            "rate_limit_burst": 8,
            "cors_origins": ("https://officer.example",),
        }
        (home / "envoy.yaml").write_text(render(GatewaySettings(**{**values, **settings})), encoding="utf-8")
        envoy = EmbeddedEnvoy(home / "envoy.yaml", admin_port=admin_port, log=home / "envoy.log")
        await asyncio.to_thread(envoy.start)
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False) as client:
                yield Gateway(client, signing_key, home / "access.log", admin_port, home / "envoy.log")
        finally:
            await asyncio.to_thread(envoy.stop)

    return opened


@pytest.fixture(scope="session")
async def gateway(open_gateway: Callable[..., Any]) -> AsyncIterator[Gateway]:
    """The gateway that most tests share; each test is another subject, so each has its own rate limit."""
    async with open_gateway() as running:
        yield running
