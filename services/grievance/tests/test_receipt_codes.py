"""Receipt codes: hard to guess, easy to read aloud."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.grievance.receipts.codes import CODE_LENGTH, canonical, new_code
from shared.ids import ALPHABET


def test_a_code_holds_a_hundred_random_bits() -> None:
    assert len(ALPHABET) == 32
    assert CODE_LENGTH * 5 >= 100
    codes = [new_code() for _ in range(2_000)]
    assert len(set(codes)) == len(codes)
    for position in range(CODE_LENGTH):
        assert len({(canonical(code) or "")[position] for code in codes}) == 32, (
            "every character varies over the alphabet"
        )


def test_a_code_is_understood_as_people_type_it() -> None:
    code = new_code()
    plain = canonical(code)
    assert plain is not None
    assert canonical(code.lower().replace("-", " ")) == plain
    assert canonical(f"  {plain} ") == plain


def test_look_alike_letters_are_forgiven() -> None:
    assert canonical("OOOOO-IIIII-LLLLL-UUUUU") == "00000" + "11111" + "11111" + "VVVVV"


@given(st.text(max_size=64))
def test_whatever_is_typed_is_a_code_of_the_right_form_or_nothing(text: str) -> None:
    plain = canonical(text)
    assert plain is None or (len(plain) == CODE_LENGTH and set(plain) <= set(ALPHABET))
