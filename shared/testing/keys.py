"""A signing key for tests, and the tokens it signs."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from joserfc import jwt
from joserfc.jwk import ECKey

from shared.ids import uuid7


class TestKeys:
    """An ES256 key pair and its public key set in a file.

    Args:
        directory: where `jwks.json` is written.
    """

    __test__ = False

    def __init__(self, directory: Path, *, issuer: str = "samaki-local", audience: str = "samaki") -> None:
        self._key = ECKey.generate_key("P-256", {"kid": "test", "use": "sig", "alg": "ES256"}, private=True)
        self.jwks = directory / "jwks.json"
        self.jwks.write_bytes(orjson.dumps({"keys": [self._key.as_dict(private=False)]}))
        self._issuer, self._audience = issuer, audience

    def token(
        self,
        *roles: str,
        areas: tuple[str, ...] = ("*",),
        subject: str = "officer-1",
        now: datetime,
        ttl: timedelta = timedelta(hours=1),
        **claims: Any,
    ) -> str:
        """A signed token. Further claims overwrite the usual ones."""
        body = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": subject,
            "roles": list(roles),
            "areas": list(areas),
            "iat": int(now.timestamp()),
            "exp": int((now + ttl).timestamp()),
            "jti": str(uuid7()),
        }
        return jwt.encode({"alg": "ES256", "kid": "test"}, body | claims, self._key)
