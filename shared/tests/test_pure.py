"""Money, identifiers, encryption, masking, contracts' base: pure parts, by property."""

import base64
import os
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from shared.crypto import CryptoError, FieldCipher, KeyedHash
from shared.ids import ALPHABET, deterministic_uuid, reference, uuid7, valid_reference
from shared.money import Money, MoneyError, check_amount, round_amount
from shared.telemetry import mask, mask_identifiers

KEY = base64.b64encode(os.urandom(32)).decode()
riel = st.integers(-(10**12), 10**12).map(lambda n: Money(Decimal(n), "KHR"))


@given(riel, riel, riel)
def test_money_adds_up(a, b, c):
    assert (a + b) + c == a + (b + c)
    assert a + b - b == a
    assert a + (-a) == Money(Decimal(0), "KHR")


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("100.5", "KHR"),
        ("0.001", "USD"),
        ("NaN", "KHR"),
        ("Infinity", "KHR"),
        ("-1", "KHR"),
        ("1E16", "KHR"),
        ("1", "XYZ"),
    ],
)
def test_what_is_not_exact_money_is_refused_not_rounded(amount, currency):
    """Fault 5: a total of 100.5 was stored as 100."""
    with pytest.raises(MoneyError):
        check_amount(Decimal(amount), currency)


def test_floats_and_mixed_currencies_are_refused():
    with pytest.raises(MoneyError):
        check_amount(100.0, "KHR")
    with pytest.raises(MoneyError):
        Money(Decimal(1), "KHR") + Money(Decimal(1), "USD")
    with pytest.raises(MoneyError):
        Money(Decimal(1), "KHR") * 1.5


def test_rounding_is_half_up_and_only_where_asked():
    assert round_amount(Decimal("0.5"), "KHR") == 1
    assert round_amount(Decimal("2.5"), "KHR") == 3
    assert round_amount(Decimal("1.005"), "USD") == Decimal("1.01")


def test_uuid7_is_version_7_and_ordered_by_time():
    ids = [uuid7() for _ in range(100)]
    assert {i.version for i in ids} == {7}
    assert [i.int >> 80 for i in ids] == sorted(i.int >> 80 for i in ids)


@given(st.uuids(), st.data())
def test_a_reference_with_one_wrong_or_two_swapped_characters_is_noticed(identifier, data):
    good = reference("HH", identifier)
    assert valid_reference(good)
    body = good[3:11]
    place = data.draw(st.integers(0, 7))
    other = data.draw(st.sampled_from(ALPHABET))
    changed = body[:place] + other + body[place + 1 :]
    assert valid_reference(f"HH-{changed}-{good[-1]}") == (changed == body)
    swap = data.draw(st.integers(0, 6))
    swapped = body[:swap] + body[swap + 1] + body[swap] + body[swap + 2 :]
    assert valid_reference(f"HH-{swapped}-{good[-1]}") == (swapped == body)


def test_a_deterministic_id_depends_on_every_part_and_their_order():
    assert deterministic_uuid("a", "b") == deterministic_uuid("a", "b")
    assert len({deterministic_uuid(*parts) for parts in [("a", "b"), ("b", "a"), ("ab",), ("a", "b", "")]}) == 4
    with pytest.raises(ValueError, match="must not contain"):
        deterministic_uuid("a|b")


async def test_the_database_makes_the_same_deterministic_id(probe):
    parts = ["KH-CTP-COVID", "2020-07", str(UUID(int=7)), "ខែ"]
    async with probe.database.session() as session:
        made = await session.scalar(text("SELECT deterministic_uuid(VARIADIC :parts)"), {"parts": parts})
    assert made == deterministic_uuid(*parts)


@given(st.text(), st.text(max_size=20))
def test_what_is_encrypted_comes_back_and_nowhere_else(value, context):
    cipher = FieldCipher(KEY)
    stored = cipher.encrypt(value, context)
    assert cipher.decrypt(stored, context) == value
    with pytest.raises(CryptoError):
        cipher.decrypt(stored, context + "x")
    with pytest.raises(CryptoError):
        cipher.decrypt(stored[:-1] + bytes([stored[-1] ^ 1]), context)


def test_while_a_key_is_changed_the_first_encrypts_and_both_decrypt():
    new, old = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    before, during, after = FieldCipher(old), FieldCipher(f"{new},{old}"), FieldCipher(new)
    assert during.decrypt(before.encrypt("a", "x"), "x") == "a"
    assert after.decrypt(during.encrypt("b", "x"), "x") == "b"
    with pytest.raises(CryptoError):
        after.decrypt(before.encrypt("a", "x"), "x")


def test_equal_numbers_meet_however_they_are_written():
    hashed = KeyedHash(KEY)
    assert hashed.digest("012 345-678", "phone") == hashed.digest("012345678", "phone")
    assert hashed.digest("012345678", "phone") != hashed.digest("012345678", "national_id")
    assert hashed.digest("០១២", "x") != hashed.digest("012", "y")


@pytest.mark.parametrize("key", ["", "short", base64.b64encode(b"16 bytes of key!").decode()])
def test_a_wrong_key_stops_the_start(key):
    with pytest.raises(CryptoError):
        FieldCipher(key)


def test_identifiers_are_masked_in_every_shape_of_log():
    event = {
        "event": "cannot pay 012345678 of household",
        "national_id": "123456789",
        "detail": {"phone": "+855 12 345 678", "n": 3, "deep": [{"account_number": 1234567890}]},
        "household": "0198c0de-1111-7222-8333-444455556666",
        "count": 5000,
    }
    masked = mask_identifiers(None, "info", event)
    written = str(masked)
    for secret in ("012345678", "123456789", "345 678", "1234567890"):
        assert secret not in written
    assert masked["household"] == "0198c0de-1111-7222-8333-444455556666"
    assert masked["count"] == 5000


@given(st.integers(10**8, 10**15))
def test_no_long_number_survives_masking(number):
    assert str(number) not in mask(f"x {number} y")
