"""Who is asking: JWT verification, roles and area scope. The gateway checks tokens at the edge; services check again.

Claims used: `sub`, `exp`, `iss`, `aud`, `roles` (list of role names), `areas` (list of place-code prefixes; `*` is the
whole country), `person_id` (optional: the officer's own record in the registry, so that nobody decides about herself).
Algorithms: RS256, ES256, EdDSA. Verified tokens are remembered until they expire (verification costs about 0.1 ms, a
look-up 2 microseconds).
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import anyio
import httpx
import orjson
from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import ColumnElement, false, or_, true
from sqlalchemy.orm import InstrumentedAttribute

from shared.clock import Clock
from shared.errors import Forbidden, OutsideArea, Unauthorized, Unavailable

current_subject: ContextVar[str] = ContextVar("current_subject", default="")
"""Subject of the request being served, for records made on her behalf."""

ALGORITHMS: Final = ["RS256", "ES256", "EdDSA", "Ed25519"]
LEEWAY_SECONDS: Final = 5
JWKS_REFRESH_SECONDS: Final = 300
JWKS_MIN_INTERVAL_SECONDS: Final = 10
MAX_TOKEN_BYTES: Final = 16_384
NATIONAL: Final = "*"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    Attributes:
        subject: the token's `sub`: who; used for maker/checker separation and audit.
        roles: what she may do.
        areas: place-code prefixes she sees; `("*",)` is the whole country; empty is nothing.
        person_id: who she is in the registry, when she is there: she must not act on herself or her household.
    """

    subject: str
    roles: frozenset[str]
    areas: tuple[str, ...]
    person_id: UUID | None = None

    @property
    def national(self) -> bool:
        """Whether she sees the whole country."""
        return NATIONAL in self.areas

    def covers(self, place_code: str | None) -> bool:
        """Whether this place lies in her area. A thing without a place is seen nationally only."""
        if self.national:
            return True
        return place_code is not None and any(place_code.startswith(area) for area in self.areas)

    def has(self, *roles: str) -> bool:
        """Whether she has one of these roles."""
        return not self.roles.isdisjoint(roles)


class TokenVerifier:
    """Verifies bearer tokens against a key set read from a file or URL, re-read when a key is unknown.

    Args:
        jwks: file path or http(s) URL of the JSON Web Key Set.
        issuer: required `iss`.
        audience: required in `aud`.
        clock: decides expiry.
    """

    def __init__(self, jwks: str, issuer: str, audience: str, clock: Clock, *, cache_size: int = 4096) -> None:
        self._source = jwks
        self._clock = clock
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: int(clock.now().timestamp()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            sub={"essential": True},
            exp={"essential": True},
        )
        self._keys: KeySet | None = None
        self._read_at = 0.0
        self._cache: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()
        self._cache_size = cache_size
        self._lock = anyio.Lock()

    async def load(self) -> None:
        """Read the key set.

        Raises:
            Unavailable: it cannot be read.
        """
        try:
            if self._source.startswith(("http://", "https://")):
                async with httpx.AsyncClient(timeout=5, follow_redirects=False) as client:
                    response = await client.get(self._source)
                    response.raise_for_status()
                    document = response.json()
            else:
                document = await anyio.to_thread.run_sync(lambda: _read_json(self._source))
            self._keys = KeySet.import_key_set(document)
        except (OSError, ValueError, httpx.HTTPError, JoseError, KeyError) as error:
            raise Unavailable(
                "The keys that tokens are checked with cannot be read.", cause=type(error).__name__
            ) from None
        self._read_at = time.monotonic()

    async def verify(self, token: str) -> Principal:
        """The caller that a token names.

        Raises:
            Unauthorized: malformed, wrong signature, expired, other issuer or audience.
        """
        if len(token) > MAX_TOKEN_BYTES:
            raise Unauthorized("The token is too long.")
        digest = hashlib.sha256(token.encode()).digest()
        now = self._clock.now().timestamp()
        cached = self._cache.get(digest)
        if cached is not None and cached[0] > now:
            self._cache.move_to_end(digest)
            return cached[1]
        claims = await self._decode(token)
        principal = _principal(claims)
        self._cache[digest] = (float(claims["exp"]), principal)
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return principal

    async def _decode(self, token: str) -> dict[str, Any]:
        if self._keys is None or time.monotonic() - self._read_at > JWKS_REFRESH_SECONDS:
            await self._reload()
        try:
            return self._try(token)
        except (JoseError, ValueError):
            if time.monotonic() - self._read_at < JWKS_MIN_INTERVAL_SECONDS:
                raise _refused() from None
        await self._reload()  # the key may be newer than our set
        try:
            return self._try(token)
        except (JoseError, ValueError):
            raise _refused() from None

    async def _reload(self) -> None:
        async with self._lock:
            if self._keys is None or time.monotonic() - self._read_at >= JWKS_MIN_INTERVAL_SECONDS:
                try:
                    await self.load()
                except Unavailable:
                    if self._keys is None:
                        raise
                    self._read_at = time.monotonic()  # keep the keys we have, try again later

    def _try(self, token: str) -> dict[str, Any]:
        assert self._keys is not None
        decoded = jwt.decode(token, self._keys, algorithms=ALGORITHMS)
        self._claims.validate(decoded.claims)
        return decoded.claims


def _read_json(path: str) -> Any:
    return orjson.loads(Path(path).read_bytes())


def _refused() -> Unauthorized:
    return Unauthorized(
        "The token is not valid, or no longer: get a new one and try again.",
        headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )


def _principal(claims: dict[str, Any]) -> Principal:
    roles, areas = claims.get("roles", []), claims.get("areas", [])
    well_formed = all(
        isinstance(claim, list) and all(isinstance(item, str) for item in claim) for claim in (roles, areas)
    )
    if not well_formed or not isinstance(claims["sub"], str):
        raise Unauthorized("The token's roles and areas must be lists of text.")
    # An empty prefix would match every place: it is not a way to say "national".
    return Principal(claims["sub"], frozenset(roles), tuple(sorted(area for area in areas if area)), _person_id(claims))


def _person_id(claims: dict[str, Any]) -> UUID | None:
    claim = claims.get("person_id")
    try:
        return UUID(claim) if claim is not None else None
    except (ValueError, AttributeError, TypeError):
        raise Unauthorized("The token's person_id must be a UUID.") from None


_bearer = HTTPBearer(auto_error=False, description="JWT with `roles` and `areas`: `samaki token --role R --area A`.")


async def current_principal(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Principal:
    """The caller of this request; raises Unauthorized without a valid bearer token."""
    if credentials is None:
        raise Unauthorized("Send a bearer token in Authorization.", headers={"WWW-Authenticate": "Bearer"})
    verifier: TokenVerifier = request.app.state.verifier
    principal = await verifier.verify(credentials.credentials)
    request.state.principal = principal
    current_subject.set(principal.subject)
    return principal


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]


class RoleCheck:
    """Dependency that lets only some roles pass. `roles` is public so that tests compare it with the realm file."""

    def __init__(self, roles: Sequence[str]) -> None:
        self.roles = frozenset(roles)

    async def __call__(self, principal: CurrentPrincipal) -> Principal:
        if not principal.has(*self.roles):
            raise Forbidden(f"This needs one of the roles: {', '.join(sorted(self.roles))}.")
        return principal


def requires(*roles: str) -> Any:
    """`Annotated[Principal, requires("commune_officer")]`: the caller, who has one of these roles."""
    if not roles:
        raise ValueError("name at least one role")
    return Depends(RoleCheck(roles))


def in_area(principal: Principal, column: ColumnElement[Any] | InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """SQL condition: the place code in this column lies in the caller's area."""
    if principal.national:
        return true()
    if not principal.areas:
        return false()
    return or_(*(column.startswith(area, autoescape=True) for area in principal.areas))


def ensure_area(principal: Principal, place_code: str | None) -> None:
    """Raise OutsideArea unless the caller covers this place."""
    if not principal.covers(place_code):
        raise OutsideArea("Ask an officer of that area, or of the level above.")
