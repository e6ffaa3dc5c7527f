"""Checks against control totals: pure, and hard to fool."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import assume, given
from hypothesis import strategies as st

from services.insights.summary.control import Cell, Reach, Total, expected, meets, reach_of

NATIONAL = Reach(None)
cells = st.lists(
    st.builds(
        Cell,
        component=st.sampled_from(["transfer", "top_up"]),
        province_code=st.sampled_from(["01", "08", "21"]),
        count=st.integers(min_value=1, max_value=1000),
        amount=st.integers(min_value=1, max_value=10**9).map(Decimal),
    ),
    max_size=12,
    unique_by=lambda cell: (cell.component, cell.province_code),
)


def total_of(told: list[Cell]) -> Total:
    return Total(sum(c.count for c in told), sum((c.amount for c in told), Decimal(0)), tuple(told))


@given(cells, st.randoms(use_true_random=False))
def test_what_was_told_meets_itself_in_any_order(told: list[Cell], order: object) -> None:
    shuffled = sorted(told, key=lambda _: order.random())  # type: ignore[attr-defined]
    assert meets(shuffled, total_of(told), NATIONAL)


@given(cells, st.integers(min_value=0), st.sampled_from([1, -1]))
def test_one_riel_or_one_payment_off_anywhere_is_noticed(told: list[Cell], which: int, by: int) -> None:
    assume(told)
    at = which % len(told)
    cell = told[at]
    for wrong in (
        Cell(cell.component, cell.province_code, cell.count + by, cell.amount),
        Cell(cell.component, cell.province_code, cell.count, cell.amount + by),
    ):
        assert not meets([*told[:at], wrong, *told[at + 1 :]], total_of(told), NATIONAL)


@given(cells)
def test_totals_that_contradict_their_own_cells_are_never_met(told: list[Cell]) -> None:
    honest = total_of(told)
    assert not meets(told, Total(honest.count + 1, honest.amount, honest.cells), NATIONAL)


@given(cells, st.sampled_from(["01", "08", "21"]))
def test_a_province_is_checked_by_its_own_cells(told: list[Cell], province: str) -> None:
    reach = Reach(frozenset({province}))
    ours = [cell for cell in told if cell.province_code == province]
    assert meets(ours, total_of(told), reach)
    told_here = expected(total_of(told), reach)
    assert told_here == (sum(c.count for c in ours), sum((c.amount for c in ours), Decimal(0)))


@given(cells)
def test_smaller_places_are_never_called_checked(told: list[Cell]) -> None:
    assert not meets(told, total_of(told), Reach(frozenset()))
    assert expected(total_of(told), Reach(frozenset())) is None


def test_reach_is_whole_provinces_only_where_the_area_is() -> None:
    assert reach_of(("*",), national=True, province=None).provinces is None
    assert reach_of(("*",), national=True, province="08").provinces == {"08"}
    assert reach_of(("08", "21"), national=False, province=None).provinces == {"08", "21"}
    assert reach_of(("08",), national=False, province="08").provinces == {"08"}
    assert reach_of(("0801",), national=False, province="08").provinces == frozenset()
    assert reach_of(("08", "2101"), national=False, province=None).provinces == frozenset()
    assert reach_of((), national=False, province=None).provinces == frozenset()
