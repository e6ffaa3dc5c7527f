"""Any order of the same actions and clock ticks ends in a legal state with one deadline (pure)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from services.grievance.cases.categories import load_calendar, load_categories
from services.grievance.cases.deadlines import WorkingCalendar
from services.grievance.cases.progress import Ladder, Progress, Rung, act, tick
from services.grievance.cases.states import OPEN_STATES, CaseAction, CaseState, IllegalTransition

SHIPPED = Path(__file__).parents[1] / "configuration"
CAMBODIA = load_calendar(SHIPPED / "holidays_kh.yaml")
LADDER = load_categories(SHIPPED / "categories.yaml").ladder
LEVELS = [rung.code for rung in LADDER.rungs]
START = datetime(2026, 4, 10, 9, 0, tzinfo=UTC)
happenings = st.lists(
    st.one_of(st.sampled_from(CaseAction), st.integers(-20, 45).map(lambda days: timedelta(days=days))), max_size=60
)


@given(happenings, st.integers(1, 30))
def test_any_order_of_actions_and_clock_ticks_ends_in_a_legal_state_with_one_deadline(
    order: list[CaseAction | timedelta], days: int
) -> None:
    now = START
    progress = Progress(CaseState.OPENED, LEVELS[0], date(2026, 4, 24))
    climbed: list[str] = []
    for happening in order:
        before = progress
        if isinstance(happening, timedelta):  # the clock goes on, or is set back
            now += happening
            progress = tick(progress, now, LADDER, CAMBODIA)
            if progress.level != before.level:
                climbed.append(progress.level)
        else:
            try:
                progress = act(progress, happening, now, days, CAMBODIA)
            except IllegalTransition:
                assert progress == before
        assert progress.state in CaseState
        assert (progress.deadline is not None) == (progress.state in OPEN_STATES), "open: one deadline, else none"
        if progress.due_on != before.due_on:
            assert CAMBODIA.is_working_day(progress.due_on)
            assert progress.due_on > CAMBODIA.local_date(now), "a new deadline is never past"
        assert LEVELS.index(before.level) <= LEVELS.index(progress.level) <= LEVELS.index(before.level) + 1
    assert climbed == LEVELS[1 : len(climbed) + 1], "each level once, in order, none leapt over"


@given(st.integers(0, 400), st.integers(0, 400))
def test_ticks_of_the_same_instant_are_idempotent(first: int, more: int) -> None:
    progress = Progress(CaseState.ASSIGNED, LEVELS[0], date(2026, 4, 24))
    now = START + timedelta(days=first)
    once = tick(progress, now, LADDER, CAMBODIA)
    assert tick(once, now, LADDER, CAMBODIA) == once
    later = tick(once, now + timedelta(days=more), LADDER, CAMBODIA)
    assert LEVELS.index(later.level) - LEVELS.index(once.level) in {0, 1}


def test_a_deadline_over_new_year_and_a_weekend_skips_both() -> None:
    """Friday 10 April 2026; Khmer New Year is Tuesday to Thursday: the third working day is Monday the 20th."""
    opened = act(Progress(CaseState.CLOSED, "commune", date(2026, 1, 2)), CaseAction.REOPEN, START, 3, CAMBODIA)
    assert opened.due_on == date(2026, 4, 20)


def test_the_local_day_counts_whatever_zone_the_machine_is_in() -> None:
    """17:00 UTC is midnight in Phnom Penh: the day is over there, and not yet in Honolulu."""
    ladder = Ladder([Rung("one", 1), Rung("two", 1)])
    progress = Progress(CaseState.OPENED, "one", date(2026, 3, 4))
    honolulu = WorkingCalendar(
        ZoneInfo("Pacific/Honolulu"), frozenset({6, 7}), frozenset(), frozenset(), confirmed=True
    )
    before, after = datetime(2026, 3, 4, 16, 59, tzinfo=UTC), datetime(2026, 3, 4, 17, 0, tzinfo=UTC)
    assert tick(progress, before, ladder, CAMBODIA) == progress
    assert tick(progress, after, ladder, CAMBODIA).level == "two"
    assert tick(progress, after, ladder, honolulu) == progress


def test_a_clock_that_jumps_a_year_leaves_every_level_its_full_time() -> None:
    late = START + timedelta(days=365)
    moved = tick(Progress(CaseState.OPENED, "commune", date(2026, 4, 24)), late, LADDER, CAMBODIA)
    assert moved.level == "district"
    assert moved.due_on > CAMBODIA.local_date(late)
    assert tick(moved, START, LADDER, CAMBODIA) == moved, "set back, nothing is undone"
