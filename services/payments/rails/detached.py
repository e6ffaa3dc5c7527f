"""Checksums and detached signatures of files that go to and come from a bank.

    file.xml  file.xml.sha256   hex SHA-256 of the file (what sha256sum writes, with or without the name)
              file.xml.sig      base64 Ed25519 signature of the 32 bytes of that SHA-256

The signature is over the hash, so that neither side holds a large file in memory to sign or to check it (RFC 8032).
Keys are exchanged out of band: raw 32 bytes, base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PIECE = 1 << 20


class NotGenuine(ValueError):
    """The checksum or the signature is missing or wrong; the text says which."""


def private_key(encoded: str) -> Ed25519PrivateKey:
    """Our own key.

    Raises:
        ValueError: not base64 of 32 bytes.
    """
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(encoded, validate=True))


def public_key(encoded: str) -> Ed25519PublicKey:
    """The other side's key.

    Raises:
        ValueError: not base64 of 32 bytes.
    """
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded, validate=True))


def sha256_of(path: Path) -> bytes:
    """A file's hash, in flat memory."""
    digest = hashlib.sha256()
    with path.open("rb") as body:
        while piece := body.read(PIECE):
            digest.update(piece)
    return digest.digest()


def sign(key: Ed25519PrivateKey, digest: bytes) -> str:
    """The detached signature of a hash, base64."""
    return base64.b64encode(key.sign(digest)).decode()


def check(digest: bytes, checksum: str, signature: str, key: Ed25519PublicKey | None) -> None:
    """Compare a file's hash with its checksum, and verify its signature where a key was agreed.

    Raises:
        NotGenuine.
    """
    told = checksum.split()[0].lower() if checksum.split() else ""
    if not hmac.compare_digest(told.encode(), digest.hex().encode()):
        raise NotGenuine("the checksum is missing or is not the file's")
    if key is not None:
        check_signature(digest, signature, key)


def check_signature(digest: bytes, signature: str, key: Ed25519PublicKey) -> None:
    """Verify a detached signature.

    Raises:
        NotGenuine.
    """
    try:
        key.verify(base64.b64decode(signature.strip(), validate=True), digest)
    except (InvalidSignature, binascii.Error, ValueError):
        raise NotGenuine("the signature is missing or is not the other side's") from None
