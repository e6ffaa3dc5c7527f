"""A case's state, level and deadline as one value, without I/O: the rules that every use-case and the scheduler share.

An open case has exactly one deadline. A missed one moves the case one level up and gives it one new deadline, counted
from the local day on which it was noticed, so that a clock that jumps by a month still leaves each level its full time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from services.grievance.cases.deadlines import WorkingCalendar, add_working_days, due_on, is_overdue
from services.grievance.cases.states import OPEN_STATES, CaseAction, CaseState, escalated, follow


@dataclass(frozen=True)
class Rung:
    """One level of the ladder: its code, and the working days that a case has after arriving there."""

    code: str
    working_days: int


@dataclass(frozen=True)
class Ladder:
    """The levels that a case climbs, lowest first."""

    rungs: Sequence[Rung]

    def above(self, code: str) -> Rung | None:
        """The next level up; None at the top. Raises ValueError for an unknown level."""
        codes = [rung.code for rung in self.rungs]
        position = codes.index(code) + 1
        return self.rungs[position] if position < len(codes) else None


@dataclass(frozen=True)
class Progress:
    """Where a case stands.

    Attributes:
        due_on: last local day for an answer: of an open case its one deadline, of another the one that it had.
        level: a level of the ladder; it never goes down.
    """

    state: CaseState
    level: str
    due_on: date

    @property
    def deadline(self) -> date | None:
        """The running deadline: exactly one while the case is open, none otherwise."""
        return self.due_on if self.state in OPEN_STATES else None


def act(progress: Progress, action: CaseAction, now: datetime, days: int, calendar: WorkingCalendar) -> Progress:
    """One action.

    Args:
        days: working days of the case's category; a reopened case gets them anew.

    Raises:
        IllegalTransition: the action is not legal now.
    """
    after = replace(progress, state=follow(progress.state, action))
    if action is CaseAction.REOPEN:
        after = replace(after, due_on=due_on(now, days, calendar))
    return after


def tick(progress: Progress, now: datetime, ladder: Ladder, calendar: WorkingCalendar) -> Progress:
    """What the passing of time does: nothing, or one level up. At the top nothing more, however late."""
    if progress.deadline is None or not is_overdue(progress.deadline, now, calendar):
        return progress
    above = ladder.above(progress.level)
    if above is None:
        return progress
    return Progress(escalated(progress.state), above.code, arrival_deadline(above, now, calendar))


def arrival_deadline(rung: Rung, now: datetime, calendar: WorkingCalendar) -> date:
    """The deadline of a case that arrives at a level now."""
    return add_working_days(calendar.local_date(now), rung.working_days, calendar)
