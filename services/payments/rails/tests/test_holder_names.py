"""Whose account is it? Spellings that are one name, words in common that leave it open, and other people."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.rails.holder_names import name_agrees


@pytest.mark.parametrize(
    ("ours", "theirs", "agrees"),
    [
        ("Sok Dara", {"fullName": "DARA SOK"}, True),
        ("Sok Dara", {"firstName": "Dara", "lastName": "Sok"}, True),
        ("Sok Dara", {"fullName": "Mr X", "nativeName": "sok, dara"}, True),
        ("José Núñez", "Jose Nunez", True),
        ("សុខ ដារ៉ា", {"nativeName": "សុខ ដារ៉ា"}, True),
        ("សុខ ដារា", {"nativeName": "សុខ ដូរ៉េ"}, None),
        ("Sok Dara", {"fullName": "Sok Chan Dara"}, None),
        ("Sok Dara", {"fullName": "Chea Vanna"}, False),
        ("ដារា", {"nativeName": "ដូរូ"}, False),
        ("Sok Dara", {"fullName": ""}, None),
        ("Sok Dara", None, None),
        ("", {"fullName": "Sok Dara"}, None),
        ("9084837", {"fullName": "Sok Dara"}, None),
        ("HH-12 A", {"fullName": "HH-12 A"}, None),
        ("Sok Dara", ["Sok"], None),
    ],
)
def test_names_agree_differ_or_leave_it_open(ours: str, theirs: Any, agrees: bool | None):
    assert name_agrees(ours, theirs) is agrees


@given(st.lists(st.text(st.characters(categories=("Lu", "Ll")), min_size=1, max_size=8), min_size=1, max_size=4))
def test_order_and_case_never_matter(parts: list[str]):
    assert name_agrees(" ".join(parts), " ".join(reversed(parts)).casefold()) is True


@given(st.text(max_size=20), st.recursive(st.none() | st.text(max_size=5), lambda x: st.dictionaries(st.text(), x)))
def test_whatever_a_provider_says_is_an_answer(ours: str, theirs: Any):
    assert name_agrees(ours, theirs) in (True, False, None)
