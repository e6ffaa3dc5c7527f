"""The signature of a G2P Connect message. The specification names the fields, not the string to sign: this is it.

    signature:  Signature: namespace="g2p", kidId="{sender_id}|{key_id}|ed25519", algorithm="ed25519",
                created="{unix}", expires="{unix}", headers="(created) (expires) digest", signature="{base64}"

    signed, in UTF-8:   (created): {unix}\\n(expires): {unix}\\ndigest: SHA-256={base64}
    digest:             SHA-256 over the JSON of {"header": ..., "message": ...}: keys sorted, no spaces, UTF-8
                        (RFC 8785). Numbers are whole: amounts are strings in this protocol.

Unsigned messages are never accepted. A message lives at most a day, and one that was acted upon answers the same again,
so a recorded one is worth nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.payments.edges.sources.model import Source

ALGORITHM: Final = "ed25519"
SIGNED: Final = "(created) (expires) digest"
SKEW: Final = timedelta(minutes=5)
LONGEST_LIFE: Final = timedelta(days=1)
OUR_LIFE: Final = timedelta(hours=1)
MAX_LENGTH: Final = 2_000
_FIELD = re.compile(r'\s*([A-Za-z]+)="([^"]*)"\s*(?:,|$)')
_NAMES: Final = frozenset({"namespace", "kidId", "algorithm", "created", "expires", "headers", "signature"})


class SignatureRefused(ValueError):
    """The signature is not the sender's over this message, now. Says why, never what was signed."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """The fields of a signature."""

    sender: str
    key_id: str
    created: int
    expires: int
    signature: bytes


def canonical(header: Any, message: Any) -> bytes:
    """The bytes that a digest is made of.

    Raises:
        SignatureRefused: a number is not whole, so that two parsers might write it differently.
    """
    _whole(header)
    _whole(message)
    document = {"header": header, "message": message}
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def string_to_sign(created: int, expires: int, header: Any, message: Any) -> bytes:
    """What is signed."""
    digest = base64.b64encode(hashlib.sha256(canonical(header, message)).digest()).decode()
    return f"(created): {created}\n(expires): {expires}\ndigest: SHA-256={digest}".encode()


def parse(signature: str) -> Parsed:
    """Read a signature's fields.

    Raises:
        SignatureRefused: one is missing, doubled or not of its kind.
    """
    if len(signature) > MAX_LENGTH:
        raise SignatureRefused("too long")
    text = signature.strip().removeprefix("Signature:")
    fields: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = _FIELD.match(text, position)
        if match is None or match[1] in fields:
            raise SignatureRefused("not in the form of a signature")
        fields[match[1]] = match[2]
        position = match.end()
    if set(fields) != _NAMES:
        raise SignatureRefused("a field is missing or unknown")
    kid = fields["kidId"].split("|")
    if len(kid) != 3 or kid[2] != ALGORITHM or fields["algorithm"] != ALGORITHM or fields["headers"] != SIGNED:
        raise SignatureRefused("sign with ed25519 over (created) (expires) digest")
    try:
        return Parsed(
            kid[0],
            kid[1],
            int(fields["created"]),
            int(fields["expires"]),
            base64.b64decode(fields["signature"], validate=True),
        )
    except (ValueError, binascii.Error):
        raise SignatureRefused("created, expires or signature cannot be read") from None


def verify(source: Source, signature: str, header: Any, message: Any, now: datetime) -> None:
    """Accept only what this source signed, with a key of its own, for now.

    Raises:
        SignatureRefused.
    """
    parsed = parse(signature)
    if parsed.sender != source.sender_id:
        raise SignatureRefused("kidId names another sender")
    key = source.key(parsed.key_id)
    if key is None:
        raise SignatureRefused("kidId names a key that is not registered")
    moment = now.timestamp()
    if parsed.created > moment + SKEW.total_seconds() or parsed.expires <= moment:
        raise SignatureRefused("expired, or made in the future")
    if parsed.expires - parsed.created > LONGEST_LIFE.total_seconds():
        raise SignatureRefused("it may live a day at most")
    signed = string_to_sign(parsed.created, parsed.expires, header, message)
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(parsed.signature, signed)
    except InvalidSignature:
        raise SignatureRefused("it is not the sender's over this header and message") from None


def sign(key: Ed25519PrivateKey, sender: str, key_id: str, header: Any, message: Any, now: datetime) -> str:
    """Sign a message of ours (or, in tests, of a source's)."""
    created = int(now.timestamp())
    expires = created + int(OUR_LIFE.total_seconds())
    value = base64.b64encode(key.sign(string_to_sign(created, expires, header, message))).decode()
    return (
        f'Signature: namespace="g2p", kidId="{sender}|{key_id}|{ALGORITHM}", algorithm="{ALGORITHM}", '
        f'created="{created}", expires="{expires}", headers="{SIGNED}", signature="{value}"'
    )


def our_key(encryption_key: str) -> Ed25519PrivateKey:
    """The key that we sign with: derived from the service's own (HKDF), so that every process has the same one."""
    seed = HKDF(SHA256(), 32, salt=None, info=b"samaki payments g2p-connect signing key 1").derive(
        base64.b64decode(encryption_key)
    )
    return Ed25519PrivateKey.from_private_bytes(seed)


def _whole(value: Any) -> None:
    if isinstance(value, (float, Decimal)):
        raise SignatureRefused("numbers are whole in a signed message; amounts are strings")
    if isinstance(value, dict):
        for item in value.values():
            _whole(item)
    elif isinstance(value, list):
        for item in value:
            _whole(item)
