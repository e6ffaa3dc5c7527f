"""What a name says once spelling, order, titles and script are set aside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.duplicates.names import EMPTY, name_form


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Sok Dara", "DARA SOK"),
        ("Sok Dara", "Mr. Sokh Darra"),
        ("Chan Vuthy", "Chann Wouthy"),
        ("Nget Sothy", "Ngeth Sothi"),
        ("Lok Srey Heng Ratha", "Heng Ratha"),
        ("លោក សុខ ដារ៉ា", "សុខ ដារ៉ា"),
        ("សុខ\u200b ដារ៉ា", "សុខ ដារ៉ា"),
        ("Chea-Sophal", "Chea Sophal"),
    ],
)
def test_spelling_order_and_titles_do_not_matter(one: str, other: str) -> None:
    assert name_form(one).spelling == name_form(other).spelling


@pytest.mark.parametrize(
    ("khmer", "latin"),
    [
        ("សុខ ដារ៉ា", "Sok Dara"),
        ("ចាន់ វុទ្ធី", "Chan Vuthy"),
        ("ហេង រដ្ឋា", "Heng Ratha"),
        ("ជា ស្រីមុំ", "Chea Sreymom"),
        ("គឹម សុភា", "Kim Sophea"),
        ("លី ដេវីដ", "Ly Devid"),
    ],
)
def test_a_name_sounds_alike_in_both_scripts(khmer: str, latin: str) -> None:
    assert name_form(khmer).sound == name_form(latin).sound


@pytest.mark.parametrize(
    ("one", "other"), [("Sok Dara", "Sok Vuthy"), ("Chea Sophal", "Keo Bopha"), ("Om Pich", "Ly Pich")]
)
def test_different_names_stay_different(one: str, other: str) -> None:
    assert name_form(one).sound != name_form(other).sound


def test_a_title_that_may_be_a_name_is_kept_where_it_is_one_of_two_words() -> None:
    assert name_form("Om Pich").words == 2


@given(st.text(max_size=60))
def test_no_text_breaks_it_and_order_never_matters(text: str) -> None:
    form = name_form(text)
    assert (form == EMPTY) == (form.words == 0)
    assert form.spelling.split(" ") == sorted(form.spelling.split(" "))
