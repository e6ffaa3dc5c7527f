"""What a payment's new state means for the cases about it, without I/O.

One payment has at most one automatic case, ever. While somebody's own complaint about the payment is open, what happens
is noted there, and no second case is opened beside it. A payment version that a case has noted already changes nothing,
so that a replay of the whole topic does not reopen what was settled long ago.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

SETTLED: Final = "settled"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class KnownCase:
    """A case about a payment.

    Attributes:
        automatic: the platform opened it.
        answered: nobody waits any more (resolved, closed or merged).
        payment_version: the last version of the payment that was noted on it.
    """

    id: UUID
    payment_id: UUID
    automatic: bool
    answered: bool
    payment_version: int


@dataclass(frozen=True)
class Plan:
    """What to do: payments to open cases for; cases to note a failure on, to reopen, to settle, to note payment on."""

    to_open: list[Mapping[str, Any]] = field(default_factory=list)
    to_note: list[tuple[UUID, Mapping[str, Any]]] = field(default_factory=list)
    to_reopen: list[tuple[UUID, Mapping[str, Any]]] = field(default_factory=list)
    to_settle: list[tuple[UUID, Mapping[str, Any]]] = field(default_factory=list)
    to_note_paid: list[tuple[UUID, Mapping[str, Any]]] = field(default_factory=list)


def waves(rows: Sequence[Row], known: Mapping[UUID, int]) -> list[list[Row]]:
    """What is news, in waves: the first new state of each payment, the second of each, and so on by version.

    Mostly one wave, whatever the number of rows; as many as the states that one payment went through within a batch.

    Args:
        rows: `payment_id` and `version` are read; in any order, also repeated.
        known: the version of a payment up to which nothing is news; of others everything is.
    """
    by_payment: dict[UUID, dict[int, Row]] = {}
    for row in rows:
        if row["version"] > known.get(row["payment_id"], 0):
            by_payment.setdefault(row["payment_id"], {})[row["version"]] = row
    if len(by_payment) == len(rows):
        return [list(rows)] if rows else []
    found: list[list[Row]] = []
    for states in by_payment.values():
        for number, version in enumerate(sorted(states)):
            if number == len(found):
                found.append([])
            found[number].append(states[version])
    return found


def plan(failed: Sequence[Mapping[str, Any]], settled: Sequence[Mapping[str, Any]], known: Iterable[KnownCase]) -> Plan:
    """Decide.

    Args:
        failed: newest states of payments that failed; `payment_id` and `version` are read.
        settled: newest states of payments that arrived.
        known: every case about any of these payments.
    """
    cases: dict[UUID, list[KnownCase]] = {}
    for case in known:
        cases.setdefault(case.payment_id, []).append(case)
    decided = Plan()
    for row in failed:
        _plan_failure(decided, row, cases.get(row["payment_id"], []))
    for row in settled:
        for case in cases.get(row["payment_id"], []):
            if not case.answered and case.payment_version < row["version"]:
                (decided.to_settle if case.automatic else decided.to_note_paid).append((case.id, row))
    return decided


def _plan_failure(decided: Plan, row: Mapping[str, Any], cases: Sequence[KnownCase]) -> None:
    automatic = next((case for case in cases if case.automatic), None)
    waiting = [case for case in cases if not case.answered]
    if any(case.payment_version >= row["version"] for case in cases):
        return
    if waiting:
        # Somebody's own complaint before the automatic case: that is where the family looks.
        chosen = min(waiting, key=lambda case: (case.automatic, case.id))
        decided.to_note.append((chosen.id, row))
    elif automatic is not None:
        decided.to_reopen.append((automatic.id, row))
    else:
        decided.to_open.append(row)
