"""Properties of outcomes and the books: pure ones over thousands of cases, then the same on the real database."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import text

from services.payments.instructions.model import REISSUABLE, AttemptState, Outcome, PaymentStatus, fold, step
from services.payments.instructions.outcomes import apply_outcomes
from services.payments.ledger.model import MOVEMENTS, OUTCOME_MOVEMENTS, AccountType, MovementKind, postings
from services.payments.ledger.run_self_check import find_differences
from services.payments.tests.builders import CORE, SETTINGS, Cycle, Office, grants
from shared.testing.plugin import MakeService

TODAY = date(2020, 7, 28)
KINDS = ("accepted", "settled", "failed", "returned", "expired")
STORIES = (
    ("accepted", "settled"),
    ("accepted", "settled", "returned"),
    ("accepted", "failed"),
    ("accepted", "expired"),
)
"""What one consistent rail may say of an attempt, in the order it happened."""
FINAL = {0: AttemptState.SETTLED, 1: AttemptState.RETURNED, 2: AttemptState.FAILED, 3: AttemptState.EXPIRED}


def outcome(attempt: UUID, kind: Any) -> Outcome:
    return Outcome(attempt, kind, TODAY, "test", "M-1")


@given(st.sampled_from(sorted(AttemptState)), st.sampled_from(KINDS))
def test_a_step_is_told_again_without_effect(state: AttemptState, kind: Any) -> None:
    path = step(state, kind)
    if path:
        assert step(path[-1], kind) == ()


@given(st.integers(0, 3), st.data())
def test_any_order_and_repetition_of_one_rails_messages_ends_in_the_same_state(story: int, data: st.DataObject) -> None:
    told = STORIES[story]
    extra = data.draw(st.lists(st.sampled_from(told), max_size=4))
    messages = data.draw(st.permutations([*told, *extra]))
    attempt = uuid4()
    folded = fold({attempt: AttemptState.SENT}, [outcome(attempt, kind) for kind in messages])
    assert folded.contradictions == ()
    assert folded.steps[-1].state is FINAL[story]
    assert [item.ordinal for item in folded.steps] == list(range(1, len(folded.steps) + 1))


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(KINDS)), max_size=30), st.integers(1, 29))
def test_a_batch_cut_anywhere_does_the_same_as_the_whole(told: list[tuple[int, Any]], cut: int) -> None:
    attempts = [UUID(int=n + 1) for n in range(4)]
    states = dict.fromkeys(attempts, AttemptState.SENT)
    messages = [outcome(attempts[n], kind) for n, kind in told]
    whole = fold(states, messages)
    first = fold(states, messages[:cut])
    between = states | {item.outcome.attempt_id: item.state for item in first.steps}
    second = fold(between, messages[cut:])
    assert [item.state for item in whole.steps] == [item.state for item in (*first.steps, *second.steps)]
    assert whole.unchanged == first.unchanged + second.unchanged
    assert len(whole.contradictions) == len(first.contradictions) + len(second.contradictions)


@given(st.sampled_from(sorted(MovementKind)), st.decimals(min_value=1, max_value=10**12, places=2))
def test_every_movement_sums_to_zero(kind: MovementKind, amount: Decimal) -> None:
    posted = postings(kind, amount)
    assert len(posted) == 2
    assert sum(posted.values()) == 0


class Books(RuleBasedStateMachine):
    """Payments of one fund under any sequence of officers' and rails' doings, on the pure tables."""

    @initialize(allotment=st.integers(1, 3000), amounts=st.lists(st.integers(1, 900), min_size=1, max_size=4))
    def open(self, allotment: int, amounts: list[int]) -> None:
        self.balance = dict.fromkeys(AccountType, Decimal(0))
        self.amounts = [Decimal(amount) for amount in amounts]
        self.status: list[PaymentStatus | AttemptState] = [PaymentStatus.LISTED for _ in amounts]
        self.allotment = Decimal(allotment)
        self._book(MovementKind.ALLOT, self.allotment)

    def _book(self, kind: MovementKind, amount: Decimal) -> None:
        for account, posted in postings(kind, amount).items():
            self.balance[account] += posted

    @rule(which=st.integers(0, 3))
    def instruct(self, which: int) -> None:
        """Approve and disburse, or re-issue: only what the fund can spare."""
        index = which % len(self.amounts)
        if self.status[index] not in {PaymentStatus.LISTED, *REISSUABLE}:
            return
        if self.balance[AccountType.AVAILABLE] < self.amounts[index]:
            return
        self._book(MovementKind.RESERVE, self.amounts[index])
        self._book(MovementKind.INSTRUCT, self.amounts[index])
        self.status[index] = AttemptState.SENT

    @rule(which=st.integers(0, 3), kind=st.sampled_from(KINDS))
    def tell(self, which: int, kind: Any) -> None:
        """A rail says something, true or false, new or old."""
        index = which % len(self.amounts)
        if not isinstance(self.status[index], AttemptState):
            return
        attempt = UUID(int=index + 1)
        for item in fold({attempt: self.status[index]}, [outcome(attempt, kind)]).steps:
            for movement in OUTCOME_MOVEMENTS.get(item.state, ()):
                self._book(movement, self.amounts[index])
            self.status[index] = item.state

    @invariant()
    def balances(self) -> None:
        if not hasattr(self, "balance"):
            return
        assert sum(self.balance.values()) == 0
        held = {type_: self.balance[type_] for type_ in AccountType if type_ is not AccountType.ALLOTMENT}
        assert all(value >= 0 for value in held.values()), held
        assert sum(held.values()) == self.allotment
        settled = [
            amount for amount, status in zip(self.amounts, self.status, strict=True) if status == AttemptState.SETTLED
        ]
        assert self.balance[AccountType.PAID] == sum(settled)
        assert self.balance[AccountType.RETURNED] == 0


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)


def test_every_outcome_that_moves_money_has_its_movements() -> None:
    moving = {AttemptState.SETTLED, AttemptState.FAILED, AttemptState.RETURNED, AttemptState.EXPIRED}
    assert set(OUTCOME_MOVEMENTS) == moving
    assert set(MOVEMENTS) == set(MovementKind)


ACTIONS = st.one_of(
    st.tuples(st.just("tell"), st.lists(st.tuples(st.integers(0, 3), st.sampled_from(KINDS)), min_size=1, max_size=6)),
    st.tuples(st.just("reissue"), st.integers(0, 3)),
    st.tuples(st.just("send"), st.none()),
    st.tuples(st.just("replay"), st.none()),
    st.tuples(st.just("crash"), st.lists(st.tuples(st.integers(0, 3), st.sampled_from(KINDS)), min_size=1, max_size=6)),
)


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(actions=st.lists(ACTIONS, min_size=4, max_size=12))
async def test_whatever_rails_and_officers_do_the_real_books_balance_and_nobody_is_paid_twice(
    make_service: MakeService, actions: list[tuple[str, Any]]
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(4))
    await office.pay(cycle)
    await office.send()
    history: list[Outcome] = []
    for action, argument in actions:
        await _do(office, cycle, history, action, argument)
        await _check(office)
    versions: dict[UUID, list[int]] = {}
    for event in await office.service.outbox():
        if event.KEY == "payment_id":
            versions.setdefault(event.payment_id, []).append(event.version)
    assert all(found == sorted(set(found)) for found in versions.values()), versions


class Crash(Exception):
    """The process dies before its commit."""


async def _do(office: Office, cycle: Cycle, history: list[Outcome], action: str, argument: Any) -> None:
    if action == "send":
        await office.send()
    elif action == "reissue":
        body = {"reason": "again", "same_account": True}
        answer = await office.post(f"/payments/{cycle.payment(argument)}:reissue", office.maker, body)
        assert answer.status_code in {200, 409}, answer.text
    elif action == "replay":
        async with office.service.database.session() as session:
            applied = await apply_outcomes(session, history)
        assert applied.applied == 0
    else:
        attempts = await office.attempts()
        told = [outcome(attempts[n % len(attempts)].id, kind) for n, kind in argument]
        try:
            async with office.service.database.session() as session:
                applied = await apply_outcomes(session, told)
                if action == "crash":
                    raise Crash
        except Crash:
            return
        refused = {id(item.offered) for item in applied.contradictions}
        history += [item for item in told if id(item) not in refused]


async def _check(office: Office) -> None:
    balances = await office.balances()
    held = sum(value for type_, value in balances.items() if type_ != "allotment")
    assert held == -balances["allotment"] == Decimal(1_000_000_000)
    async with office.service.database.session() as session:
        by_status = await session.execute(text("SELECT status, sum(amount) AS amount FROM payment GROUP BY status"))
        sums = {row.status: row.amount for row in by_status}
        twice = await session.execute(
            text(
                "SELECT payment_id FROM payment_attempt"
                " WHERE state IN ('queued', 'sent', 'unknown', 'accepted', 'settled')"
                " GROUP BY payment_id HAVING count(*) > 1"
            )
        )
        apart = await session.execute(
            text(
                "SELECT p.id FROM payment p JOIN payment_attempt a ON a.payment_id = p.id AND a.attempt = p.attempt"
                " WHERE p.status <> CASE WHEN a.state IN ('queued', 'sent', 'unknown', 'accepted')"
                " THEN 'instructed' ELSE a.state END"
            )
        )
        assert (twice.all(), apart.all()) == ([], [])
    assert balances["paid"] == sums.get("settled", 0)
    assert balances["in_transit"] == sums.get("instructed", 0)
    assert (balances["reserved"], balances["returned"]) == (0, 0)
    released = -balances["allotment"] - balances["unreleased"]
    pending = balances["reserved"] + balances["in_transit"]
    assert released == balances["paid"] + balances["returned"] + pending + balances["available"]
    async with office.service.database.session() as session:
        report = await find_differences(session)
    assert report["items"] == [], report["items"]
