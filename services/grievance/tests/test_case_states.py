"""The life of a case: any order of actions ends in a legal state."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.grievance.cases.states import (
    OPEN_STATES,
    CaseAction,
    CaseState,
    IllegalTransition,
    follow,
    legal_actions,
)

actions = st.lists(st.sampled_from(CaseAction), max_size=40)


@given(actions)
def test_any_order_of_actions_either_moves_legally_or_is_refused_and_changes_nothing(order: list[CaseAction]) -> None:
    state = CaseState.OPENED
    for action in order:
        legal = action in legal_actions(state)
        if legal:
            state = follow(state, action)
        else:
            with pytest.raises(IllegalTransition):
                follow(state, action)
    assert state in CaseState


@given(actions)
def test_an_outcome_is_only_reached_through_an_assignment_since_the_case_was_last_opened(
    order: list[CaseAction],
) -> None:
    state, answerable = CaseState.OPENED, False
    for action in order:
        if action not in legal_actions(state):
            continue
        state = follow(state, action)
        answerable = answerable or action is CaseAction.ASSIGN
        if action is CaseAction.RESOLVE:
            assert answerable
        if action is CaseAction.REOPEN:
            answerable = False


def test_a_case_never_gets_stuck() -> None:
    for state in CaseState:
        assert legal_actions(state), f"nothing can be done with a case that is {state}"


def test_whoever_still_waits_for_an_answer_is_in_an_open_state() -> None:
    assert set(CaseState) - OPEN_STATES == {CaseState.RESOLVED, CaseState.CLOSED, CaseState.MERGED}


@pytest.mark.parametrize(
    ("state", "action"),
    [
        (CaseState.OPENED, CaseAction.RESOLVE),
        (CaseState.OPENED, CaseAction.START),
        (CaseState.REOPENED, CaseAction.RESOLVE),
        (CaseState.CLOSED, CaseAction.RESOLVE),
        (CaseState.CLOSED, CaseAction.ASSIGN),
        (CaseState.IN_PROGRESS, CaseAction.CLOSE),
    ],
)
def test_shortcuts_are_refused(state: CaseState, action: CaseAction) -> None:
    with pytest.raises(IllegalTransition):
        follow(state, action)
