"""Keys and tokens of a local platform."""

import json
import stat
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from deploy.local.keys import AUDIENCE, ISSUER, Keys


def claims_of(token: str, jwks: Path) -> dict[str, object]:
    return jwt.decode(token, KeySet.import_key_set(json.loads(jwks.read_text())), algorithms=["ES256"]).claims


def test_a_token_says_who_may_do_what_where_and_until_when(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    claims = claims_of(keys.token(["auditor"], areas=["12"], subject="dara", ttl_s=60), keys.jwks)
    assert (claims["iss"], claims["aud"], claims["sub"]) == (ISSUER, AUDIENCE, "dara")
    assert (claims["roles"], claims["areas"]) == (["auditor"], ["12"])
    assert claims["exp"] == claims["iat"] + 60


def test_keys_stay_the_same_across_restarts(tmp_path: Path) -> None:
    first = Keys(tmp_path / "keys")
    secret, token = first.secret("registry-hash"), first.token(["auditor"], areas=["*"], subject="a", ttl_s=60)
    again = Keys(tmp_path / "keys")
    assert again.secret("registry-hash") == secret
    assert claims_of(token, again.jwks)["sub"] == "a"


def test_another_homes_token_is_refused(tmp_path: Path) -> None:
    mine, other = Keys(tmp_path / "mine"), Keys(tmp_path / "other")
    with pytest.raises(JoseError):
        claims_of(other.token(["admin"], areas=["*"], subject="a", ttl_s=60), mine.jwks)


def test_private_keys_are_readable_by_their_owner_alone_and_never_in_the_jwks(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    keys.secret("registry-encryption")
    for name in ("signing-key.json", "secrets.json"):
        assert stat.S_IMODE((tmp_path / "keys" / name).stat().st_mode) == 0o600
    assert all("d" not in key for key in json.loads(keys.jwks.read_text())["keys"])
