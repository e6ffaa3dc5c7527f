"""Keys of a local platform: the token signing key with its JWKS, and the services' secrets.

Made once per home and kept, so tokens and encrypted data stay valid across restarts. Files are readable by their owner
alone, except the JWKS, which holds the public key only.
"""

import base64
import json
import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from joserfc import jwt
from joserfc.jwk import ECKey

ISSUER = "samaki-local"
AUDIENCE = "samaki"
_ALGORITHM = "ES256"


class Keys:
    """The keys in one directory, made when missing."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._key = self._signing_key()
        self._secrets = self._load_secrets()

    @property
    def jwks(self) -> Path:
        """The public keys (JWKS) that services and gateway verify tokens with."""
        return self._directory / "jwks.json"

    def secret(self, name: str) -> str:
        """Base64 of 32 random bytes kept under this name."""
        if name not in self._secrets:
            self._secrets[name] = base64.b64encode(secrets.token_bytes(32)).decode()
            _write(self._directory / "secrets.json", json.dumps(self._secrets, indent=2), 0o600)
        return self._secrets[name]

    def token(self, roles: Sequence[str], *, areas: Sequence[str], subject: str, ttl_s: int) -> str:
        """A signed token: who (`subject`) may do what (`roles`) where (`areas`: place-code prefixes, or `*`)."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "roles": list(roles),
            "areas": list(areas),
            "iat": now,
            "exp": now + ttl_s,
            "jti": str(uuid4()),
        }
        header = {"alg": _ALGORITHM, "typ": "JWT", "kid": self._key.kid}
        return jwt.encode(header, claims, self._key, algorithms=[_ALGORITHM])

    def _signing_key(self) -> ECKey:
        file = self._directory / "signing-key.json"
        if not file.exists():
            made = ECKey.generate_key("P-256", {"use": "sig", "alg": _ALGORITHM}, private=True, auto_kid=True)
            _write(file, json.dumps(made.as_dict(private=True)), 0o600)
        key = ECKey.import_key(json.loads(file.read_text()))
        _write(self.jwks, json.dumps({"keys": [key.as_dict(private=False)]}), 0o644)
        return key

    def _load_secrets(self) -> dict[str, str]:
        file = self._directory / "secrets.json"
        return dict(json.loads(file.read_text())) if file.exists() else {}


def _write(file: Path, text: str, mode: int) -> None:
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as output:
        output.write(text)
    partial.replace(file)
