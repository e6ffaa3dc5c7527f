"""Numbers written differently are found as one: the keyed hash of ASCII values takes a shorter way to the same end."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from services.registry.tests.building import KEYS
from shared.crypto import KeyedHash

HASH = KeyedHash(KEYS["hash_key"])
KEY = bytes(range(1, 33))


def defined(value: str, kind: str) -> bytes:
    """What the digest is defined as, character by character."""
    normal = unicodedata.normalize("NFKC", value).casefold()
    normal = "".join(character for character in normal if not character.isspace() and character not in "-./")
    return hmac.new(KEY, f"{kind}\x00{normal}".encode(), hashlib.sha256).digest()


@given(st.text(st.characters(codec="ascii")) | st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from("ab"))
@example("\x1c\x1d\x1e\x1f\x0b\x0c\t 012-345.678/9", "a")
@example("Card-K", "a")
@example("\u0660\uff11\u17e2", "a")
def test_the_digest_is_what_it_is_defined_as_for_any_text(value: str, kind: str) -> None:
    assert HASH.digest(value, kind) == defined(value, kind)
