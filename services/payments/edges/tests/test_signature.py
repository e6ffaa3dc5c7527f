"""The string that is signed, and what is read of a signature."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from services.payments.edges.g2p_connect.signature import SignatureRefused, canonical, parse, sign, verify
from services.payments.edges.sources.model import SigningKey, Source

NOW = datetime(2020, 7, 1, 9, 0, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
SOURCE = Source(
    "S", "", "", "", "", "", "", "sender", "",
    (SigningKey("k1", KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),), (),
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def test_keys_are_sorted_spaces_gone_and_letters_kept() -> None:
    assert (
        canonical({"b": 1, "a": "ខ្មែរ"}, [None, True]) == '{"header":{"a":"ខ្មែរ","b":1},"message":[null,true]}'.encode()
    )


@given(JSON, JSON)
def test_what_was_signed_is_verified_and_nothing_else(header: object, message: object) -> None:
    signature = sign(KEY, "sender", "k1", header, message, NOW)
    verify(SOURCE, signature, header, message, NOW + timedelta(minutes=30))
    with pytest.raises(SignatureRefused):
        verify(SOURCE, signature, header, {"other": message}, NOW)
    with pytest.raises(SignatureRefused):
        verify(SOURCE, signature, header, message, NOW + timedelta(hours=2))


@given(st.text(max_size=300))
def test_no_text_is_taken_for_a_signature_by_accident(text: str) -> None:
    with pytest.raises(SignatureRefused):
        verify(SOURCE, text, {}, {}, NOW)


@pytest.mark.parametrize("change", [("|ed25519", "|rsa"), ('algorithm="ed25519"', 'algorithm="none"'),
                                    ("(created) (expires) digest", "(created)"), ("sender|", "other|"),
                                    ('created="', 'created="x'), ('namespace="g2p", ', "")])  # fmt: skip
def test_a_changed_field_is_refused(change: tuple[str, str]) -> None:
    signature = sign(KEY, "sender", "k1", {}, {}, NOW)
    with pytest.raises(SignatureRefused):
        verify(SOURCE, signature.replace(*change), {}, {}, NOW)


def test_a_doubled_field_and_a_fraction_are_refused() -> None:
    signature = sign(KEY, "sender", "k1", {}, {}, NOW)
    with pytest.raises(SignatureRefused):
        parse(signature + ', namespace="g2p"')
    for number in (1.5, Decimal("1.5")):
        with pytest.raises(SignatureRefused):
            canonical({"n": [number]}, {})
