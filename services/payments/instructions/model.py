"""States of a payment and of its attempts, and what a rail's word may change. Pure: no database, no HTTP.

    attempt:  queued -> sent -> (unknown) -> accepted -> settled -> returned
                 |________|__________|____________|-> failed | expired

    payment:  approved -> instructed -> settled -> returned
                               |-> failed | expired            (failed, returned, expired -> re-issued: instructed)

Rails move an attempt from queued to sent (BEFORE the call that carries it) and to unknown; every outcome comes through
`step`. Channels overtake each other, so an older stage told late changes nothing, and a return told before the
settlement it undoes implies that settlement: any order of the same messages ends in the same state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Literal, get_args
from uuid import UUID

from shared.ids import deterministic_uuid

OutcomeKind = Literal["accepted", "settled", "failed", "returned", "expired"]


class PaymentStatus(StrEnum):
    """Where a payment stands. `listed` and `excluded` are stages of a list line: no payment row exists yet."""

    LISTED = "listed"
    EXCLUDED = "excluded"
    APPROVED = "approved"
    INSTRUCTED = "instructed"
    SETTLED = "settled"
    FAILED = "failed"
    RETURNED = "returned"
    EXPIRED = "expired"


REISSUABLE = frozenset({PaymentStatus.FAILED, PaymentStatus.RETURNED, PaymentStatus.EXPIRED})
"""Only money that is back in the fund can be paid again."""


class AttemptState(StrEnum):
    """Where one try at paying stands."""

    QUEUED = "queued"
    SENT = "sent"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    SETTLED = "settled"
    FAILED = "failed"
    RETURNED = "returned"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rail says of one attempt.

    Attributes:
        attempt_id: the attempt it speaks of.
        kind: what happened.
        on: the day it happened, local to the programme (value date of the statement line).
        source: the channel: `pain.002`, `camt.054`, `camt.053`, `pacs.004`, `callback`, `poll` ...
        source_reference: the message or line it came in, so that an auditor finds it.
        reason_code: ISO 20022 external reason (AC04 ...) or the rail's own; empty when there is none.
        reason: the same in words, without personal data.
        agent_code: the agent who paid it out, where the rail has agents.
    """

    attempt_id: UUID
    kind: OutcomeKind
    on: date
    source: str
    source_reference: str
    reason_code: str = ""
    reason: str = ""
    agent_code: str = ""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """An outcome that the attempt's state does not allow: it changes nothing and becomes a break."""

    attempt_id: UUID
    current_state: str
    offered: Outcome


_OPEN = (AttemptState.SENT, AttemptState.UNKNOWN, AttemptState.ACCEPTED)
_PATHS: dict[tuple[AttemptState, OutcomeKind], tuple[AttemptState, ...]] = {
    (AttemptState.SENT, "accepted"): (AttemptState.ACCEPTED,),
    (AttemptState.UNKNOWN, "accepted"): (AttemptState.ACCEPTED,),
    **{(state, "settled"): (AttemptState.SETTLED,) for state in _OPEN},
    **{(state, "failed"): (AttemptState.FAILED,) for state in (AttemptState.QUEUED, *_OPEN)},
    **{(state, "expired"): (AttemptState.EXPIRED,) for state in (AttemptState.QUEUED, *_OPEN)},
    **{(state, "returned"): (AttemptState.SETTLED, AttemptState.RETURNED) for state in _OPEN},
    (AttemptState.SETTLED, "returned"): (AttemptState.RETURNED,),
}
_KNOWN: dict[AttemptState, frozenset[OutcomeKind]] = {
    AttemptState.ACCEPTED: frozenset({"accepted"}),
    AttemptState.SETTLED: frozenset({"accepted", "settled"}),
    AttemptState.RETURNED: frozenset({"accepted", "settled", "returned"}),
    AttemptState.FAILED: frozenset({"accepted", "failed"}),
    AttemptState.EXPIRED: frozenset({"accepted", "expired"}),
}


def step(state: AttemptState, kind: OutcomeKind) -> tuple[AttemptState, ...] | None:
    """The states an attempt passes through when a rail says `kind`: last one is where it ends.

    Returns:
        An empty tuple when this is already known (repeat or late news), None when it contradicts what is known.
    """
    path = _PATHS.get((state, kind))
    if path is not None:
        return path
    return () if kind in _KNOWN.get(state, frozenset()) else None


def table_of_steps() -> list[tuple[str, str, str, str | None]]:
    """The whole of `step` as rows, so that a database can do the same: (state, kind, verdict, path).

    The verdict is `step`, `known` or `contradiction`; the path is the states passed through, joined by commas.
    """
    rows: list[tuple[str, str, str, str | None]] = []
    for state in AttemptState:
        for kind in get_args(OutcomeKind):
            path = step(state, kind)
            if path is None:
                rows.append((state.value, kind, "contradiction", None))
            elif not path:
                rows.append((state.value, kind, "known", None))
            else:
                rows.append((state.value, kind, "step", ",".join(reached.value for reached in path)))
    return rows


@dataclass(frozen=True, slots=True)
class Step:
    """One change of state that an outcome brings about: one ledger movement, at most one event."""

    state: AttemptState
    outcome: Outcome
    ordinal: int


@dataclass(frozen=True, slots=True)
class Folded:
    """What a batch of outcomes does, before anything is written."""

    steps: tuple[Step, ...]
    contradictions: tuple[Contradiction, ...]
    unchanged: int


def fold(states: dict[UUID, AttemptState], outcomes: Sequence[Outcome]) -> Folded:
    """Apply outcomes in the order given to the attempts' states.

    Args:
        states: current state per attempt; an outcome for an attempt that is not here is a contradiction (`missing`).
        outcomes: any number, also several for one attempt.

    Returns:
        the steps (ordinal 1, 2 ... per attempt), contradictions, and how many outcomes said nothing new.
    """
    current = dict(states)
    ordinals: dict[UUID, int] = {}
    steps: list[Step] = []
    contradictions: list[Contradiction] = []
    unchanged = 0
    for outcome in outcomes:
        state = current.get(outcome.attempt_id)
        path = None if state is None else step(state, outcome.kind)
        if path is None:
            contradictions.append(Contradiction(outcome.attempt_id, state or "missing", outcome))
            continue
        if not path:
            unchanged += 1
            continue
        for reached in path:
            ordinal = ordinals.get(outcome.attempt_id, 0) + 1
            ordinals[outcome.attempt_id] = ordinal
            steps.append(Step(reached, outcome, ordinal))
        current[outcome.attempt_id] = path[-1]
    return Folded(tuple(steps), tuple(contradictions), unchanged)


def payment_id(programme_code: str, cycle_id: UUID, beneficiary_id: UUID, component: str) -> UUID:
    """The one identity of a payment: building it twice yields one payment (law 6); two components are two (fault 7)."""
    return deterministic_uuid("payment", programme_code, str(cycle_id), str(beneficiary_id), component)


def attempt_id(payment: UUID, attempt: int) -> UUID:
    """The identity of the n-th try at a payment; the disburse job makes the same in SQL (`instruct_statement`).

    Its first half is the payment's, the rest a digest: attempts lie in their tables and indexes in the order of their
    payments, so that a chunk of ten thousand touches hundreds of pages and not ten thousand.
    """
    digest = hashlib.sha256(f"attempt|{payment}|{attempt}".encode()).hexdigest()
    return UUID(f"{str(payment)[:19]}8{digest[:15]}")
