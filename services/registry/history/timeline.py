"""What a fact was on a day, as it was known at an instant: two times, kept apart. Pure.

* A change in life says: from this day on it is so. One that arrives late takes its place in the past, and what began
  later still holds now.
* A correction says: it was so already. With a day, from that day on, whatever was recorded since; without one, for as
  long as the value it replaces has stood.

Each fact's value before its first recorded change is the one it was registered with.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

ALWAYS: Final = date.min


@dataclass(frozen=True, slots=True)
class FactChange:
    """One recorded change of one field. `before` and `after` are JSON values; in the order of recording."""

    field: str
    before: Any
    after: Any
    kind: str
    effective_on: date | None
    recorded_at: datetime


@dataclass
class Timeline:
    """The values of one fact, each from its first day until the next one's."""

    starts: list[date] = field(default_factory=lambda: [ALWAYS])
    values: list[Any] = field(default_factory=lambda: [None])

    def on(self, day: date) -> Any:
        """The value on a day."""
        return self.values[bisect_right(self.starts, day) - 1]

    @property
    def latest(self) -> Any:
        """The value that holds now."""
        return self.values[-1]

    def begins_after(self, day: date) -> bool:
        """Whether a value has begun since that day."""
        return self.starts[-1] > day

    def add(self, change: FactChange) -> None:
        """Take the next recorded change in."""
        if change.kind == "correction":
            self._correct(change.effective_on, change.after)
        else:
            self._begin(change.effective_on or ALWAYS, change.after)

    def _correct(self, since: date | None, value: Any) -> None:
        start = self.starts[-1] if since is None else since
        keep = bisect_right(self.starts, start)
        if self.starts[keep - 1] == start:
            keep -= 1
        self.starts[keep:], self.values[keep:] = [start], [value]

    def _begin(self, start: date, value: Any) -> None:
        position = bisect_right(self.starts, start)
        if self.starts[position - 1] == start:
            self.values[position - 1] = value
        else:
            self.starts.insert(position, start)
            self.values.insert(position, value)


def timelines(changes: Iterable[FactChange], known_at: datetime | None = None) -> dict[str, Timeline]:
    """The timeline of every field that ever changed, from its changes in the order of recording.

    Args:
        known_at: changes recorded after this instant are not known yet; None: everything is.
    """
    found: dict[str, Timeline] = {}
    for change in changes:
        if change.field not in found:
            found[change.field] = Timeline(values=[change.before])
        if known_at is None or change.recorded_at <= known_at:
            found[change.field].add(change)
    return found


def facts_on(
    current: Mapping[str, Any], changes: Sequence[FactChange], day: date, known_at: datetime | None = None
) -> dict[str, Any]:
    """A subject's facts on a day, as known at an instant.

    Args:
        current: its columns now, as JSON values: fields that never changed are as they are.
        changes: all its changes, in the order of recording.
    """
    return {**current, **{name: line.on(day) for name, line in timelines(changes, known_at).items()}}


def last_recorded(changes: Iterable[FactChange], known_at: datetime | None = None) -> dict[str, Any]:
    """The value of every field that ever changed by the last record of it: for facts that are dates themselves."""
    found: dict[str, Any] = {}
    for change in changes:
        found.setdefault(change.field, change.before)
        if known_at is None or change.recorded_at <= known_at:
            found[change.field] = change.after
    return found
