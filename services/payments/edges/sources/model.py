"""What a source is bound to, and which addresses it may be answered at. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,11}")
"""A GovStack SourceBBID has at most 12 characters."""
MAX_URL: Final = 500


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key that a source signs with: Ed25519, 32 bytes."""

    key_id: str
    public: bytes


@dataclass(frozen=True, slots=True)
class Source:
    """An institution that may ask us to pay.

    Attributes:
        code: its name on the wire (SourceBBID, registering institution id).
        subject: the token subject that speaks for it; nobody else may.
        programme_code: what its payments are booked and listed under; never one of our own programmes.
        voucher_programme_code: the same for vouchers.
        funding_line: which funds may serve it.
        place_code: the place whose officers see payees that we do not know otherwise.
        sender_id: its name in signed messages, if it sends any.
        payer_address: the financial address that it pays from, if it names one.
        keys: the keys it signs with; several while one is being replaced.
        callback_origins: `https://host[:port]` that answers may go to.
    """

    code: str
    name: str
    subject: str
    programme_code: str
    voucher_programme_code: str
    funding_line: str
    place_code: str
    sender_id: str | None
    payer_address: str
    keys: tuple[SigningKey, ...]
    callback_origins: tuple[str, ...]

    def key(self, key_id: str) -> SigningKey | None:
        """The key of this id, if it has one."""
        return next((key for key in self.keys if key.key_id == key_id), None)

    def may_be_answered_at(self, url: str) -> bool:
        """Whether an address lies at one of its registered origins."""
        return len(url) <= MAX_URL and origin_of(url) in self.callback_origins


def programme_of(code: str) -> str:
    """The programme code that a source's payments are booked under."""
    return f"EXT-{code.upper()}"


def voucher_programme_of(code: str) -> str:
    """The programme code that a source's vouchers are booked under."""
    return f"VCH-{code.upper()}"


def origin_of(url: str) -> str | None:
    """Scheme, host and port of an address; None where it is none, hides a user name, or has other than plain signs.

    Plain http is an origin on the loopback interface only.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = (parts.hostname or "").lower()
    if not host or "@" in parts.netloc or "\\" in url or not all("!" <= c <= "~" for c in url):
        return None  # (what two parsers might read differently is read by none)
    if (parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host))) or _is_nowhere(host):
        return None
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port is not None else "")


def _is_nowhere(host: str) -> bool:
    """Addresses that are nobody's: of the own link (a cloud's metadata), of many, of none."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_link_local or address.is_multicast or address.is_unspecified


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_keys(stored: Sequence[dict[str, Any]]) -> tuple[SigningKey, ...]:
    """Keys from their stored form.

    Raises:
        ValueError: one is not base64 of 32 bytes.
    """
    keys = []
    for item in stored:
        try:
            public = base64.b64decode(item["public_key"], validate=True)
        except binascii.Error:
            raise ValueError("a public key is base64 of 32 bytes") from None
        if len(public) != 32:
            raise ValueError("a public key is base64 of 32 bytes")
        keys.append(SigningKey(item["key_id"], public))
    return tuple(keys)
