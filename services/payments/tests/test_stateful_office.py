"""Officers, rails and the registry do anything in any order, twice at once, with crashes: the books hold throughout.

From events to settled, on the real database: two months of the same people, their lists built, approved, changed,
rejected and disbursed, people stopped and merged, outcomes told, replayed and lost in crashes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.payments.instructions.outcomes import Outcome, apply_outcomes
from services.payments.ledger.run_self_check import find_differences
from services.payments.lists.disburse_list import run_disbursement
from services.payments.tests.builders import CORE, SETTINGS, Cycle, Grant, Office, grants
from services.payments.tests.test_identities import merged
from services.payments.tests.test_month import TODAY
from shared.jobs import JobFailed
from shared.testing.plugin import MakeService

PEOPLE = 8
ALLOTMENT = Decimal(1_300_000)
KINDS = ("accepted", "settled", "failed", "returned", "expired")
INDEX, MONTH = st.integers(0, PEOPLE - 1), st.integers(0, 1)
ACTIONS = st.one_of(
    st.tuples(st.sampled_from(["build", "submit", "approve", "reject", "disburse", "crash"]), MONTH, st.booleans()),
    st.tuples(st.sampled_from(["exclude", "reissue", "stop", "merge"]), MONTH, INDEX),
    st.tuples(st.sampled_from(["send", "lift", "replay"]), MONTH, INDEX),
    st.tuples(
        st.sampled_from(["tell", "tell_and_crash"]),
        st.lists(st.tuples(INDEX, st.sampled_from(KINDS)), max_size=6),
        INDEX,
    ),
)  # fmt: skip
PROLOGUES = st.sampled_from([0, 3, 4, 5])
"""How much of the usual way of the first month is gone before the random part begins."""


class Crashed(Exception):
    """The process dies before its commit."""


class Town:
    """What the test knows of the office it drives."""

    def __init__(self, office: Office, months: list[Cycle]) -> None:
        self.office, self.months = office, months
        self.lists: dict[int, str] = {}
        self.history: list[Outcome] = []
        self.merges = 0

    async def steps(self, *calls: Callable[[], Coroutine[Any, Any, Any]]) -> list[Any]:
        """Requests at the same time: each is answered, none with a fault of ours."""
        answers = await asyncio.gather(*(call() for call in calls))
        assert all(answer.status_code < 500 for answer in answers), [answer.text for answer in answers]
        return answers

    async def on_list(self, action: str, month: int, twice: bool) -> None:
        office = self.office
        if action == "build":
            body = {"cycle_id": str(self.months[month].id)}
            calls = [lambda: office.post("/payment-lists", office.maker, body)] * (2 if twice else 1)
            for answer in await self.steps(*calls):
                if answer.status_code == 202:
                    self.lists[month] = answer.json()["payment_list_id"]
        elif month in self.lists:
            path = f"/payment-lists/{self.lists[month]}"
            found = await office.get(path)
            who, body = {
                "submit": (office.maker, None),
                "approve": (office.checker, {"content_hash": found["content_hash"] or "0" * 64}),
                "reject": (office.checker, {"reason": "looked wrong"}),
                "disburse": (office.releaser, None),
            }[action]
            calls = [lambda: office.post(f"{path}:{action}", who, body)] * (2 if twice else 1)
            answers = await self.steps(*calls)
            if action in {"submit", "approve", "reject"}:
                assert sum(answer.status_code == 200 for answer in answers) <= 1
        await office.service.run_jobs(allow_failed=True)

    async def crash(self, month: int) -> None:
        """The job dies after its first chunk; whoever runs jobs next goes on."""
        if month not in self.lists:
            return
        context, list_id = self.office.service.context, self.lists[month]
        await self.steps(lambda: self.office.post(f"/payment-lists/{list_id}:disburse", self.office.releaser))

        class Dying:
            payload, created_by = {"payment_list_id": list_id}, "test"

            def __init__(self) -> None:
                self.context = context

            async def still_mine(self, session: Any) -> None:
                """It is."""

            async def progress(self, *_: Any) -> None:
                raise Crashed

        dying: Any = Dying()
        with contextlib.suppress(Crashed, JobFailed):  # it may also be in no state to be disbursed
            await run_disbursement(dying)

    async def on_person(self, action: str, month: int, index: int) -> None:
        office, cycle = self.office, self.months[month]
        person = cycle.granted[index].beneficiary_id
        if action == "exclude" and month in self.lists:
            body = {"payments": [str(cycle.payment(index))], "reason": "moved abroad"}
            await self.steps(
                lambda: office.post(f"/payment-lists/{self.lists[month]}/lines:exclude", office.maker, body)
            )
        elif action == "reissue":
            body = {"reason": "again", "same_account": True}
            path = f"/payments/{cycle.payment(index)}:reissue"
            answers = await self.steps(*[lambda: office.post(path, office.maker, body)] * 2)
            assert sum(answer.status_code == 200 for answer in answers) <= 1
        elif action == "stop":
            stop = {"scope": "person", "target": str(person), "reason": "identity theft"}
            await self.steps(lambda: office.post("/emergency-stops", office.checker, stop))
        elif action == "merge":
            self.merges += 1
            other = cycle.granted[(index + 1 + month) % PEOPLE].beneficiary_id
            await office.service.deliver(merged(person, other, version=self.merges))

    async def lift(self) -> None:
        for stop in (await self.office.get("/emergency-stops"))["items"]:
            path, body = f"/emergency-stops/{stop['id']}:lift", {"reason": "looked into"}
            await self.steps(lambda path=path, body=body: self.office.post(path, self.office.releaser, body))

    async def tell(self, told: list[tuple[int, Any]], *, crash: bool) -> None:
        attempts = await self.office.attempts()
        if not attempts or not told:
            return
        outcomes = [Outcome(attempts[n % len(attempts)].id, kind, TODAY, "test", "M-1") for n, kind in told]
        try:
            async with self.office.service.database.session() as session:
                applied = await apply_outcomes(session, outcomes)
                if crash:
                    raise Crashed
        except Crashed:
            return
        refused = {id(item.offered) for item in applied.contradictions}
        self.history += [item for item in outcomes if id(item) not in refused]

    async def replay(self) -> None:
        async with self.office.service.database.session() as session:
            assert (await apply_outcomes(session, self.history)).applied == 0


async def do(town: Town, action: str, first: Any, second: Any) -> None:
    if action in {"build", "submit", "approve", "reject", "disburse"}:
        await town.on_list(action, first, second)
    elif action == "crash":
        await town.crash(first)
    elif action in {"exclude", "reissue", "stop", "merge"}:
        await town.on_person(action, first, second)
    elif action == "send":
        await town.office.send()
    elif action == "lift":
        await town.lift()
    elif action == "replay":
        await town.replay()
    else:
        await town.tell(first, crash=action == "tell_and_crash")


_PAID = text(
    """
    SELECT p.entitlement_id, max(e.amount) AS owed, sum(a.amount) AS paid FROM payment p
    JOIN payment_attempt a ON a.payment_id = p.id AND a.state IN ('queued', 'sent', 'unknown', 'accepted', 'settled')
    JOIN entitlement e ON e.id = p.entitlement_id GROUP BY 1 HAVING sum(a.amount) > max(e.amount)
    """
)


async def holds(town: Town) -> None:
    """Released = paid + returned + pending + available; every account as its payments say; nobody paid twice."""
    balances = await town.office.balances()
    pending = balances.get("reserved", 0) + balances.get("in_transit", 0)
    paid = balances.get("paid", 0) + balances.get("returned", 0)
    assert paid + pending + balances["available"] == ALLOTMENT
    assert all(value >= 0 for type_, value in balances.items() if type_ != "allotment"), balances
    async with town.office.service.database.session() as session:
        assert (await session.execute(_PAID)).all() == []
    async with town.office.service.database.session() as session:
        report = await find_differences(session)
    assert report["items"] == [], report["items"]


@settings(
    max_examples=5,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(prologue=PROLOGUES, actions=st.lists(ACTIONS, min_size=6, max_size=12))
async def test_whatever_is_done_in_any_order_the_books_hold_and_no_entitlement_is_paid_twice(
    make_service: MakeService, prologue: int, actions: list[tuple[str, Any, Any]]
) -> None:
    office = Office(await make_service(CORE, **(SETTINGS | {"chunk_size": 3})))
    first = Cycle(grants(PEOPLE))
    second = Cycle([Grant(one.beneficiary_id, one.village_code, one.amount) for one in first.granted], period="2020-08")
    await office.prepare(first, allotment=str(ALLOTMENT))
    await office.service.deliver(*second.entitlements(), second.closed(period="2020-08"))
    town = Town(office, [first, second])
    usual: list[tuple[str, Any, Any]] = [
        ("build", 0, False), ("submit", 0, False), ("approve", 0, False), ("disburse", 0, False), ("send", 0, 0),
    ]  # fmt: skip
    for action, one, other in [*usual[:prologue], *actions]:
        await do(town, action, one, other)
        await holds(town)
    versions: dict[UUID, list[int]] = {}
    for event in await office.service.outbox():
        if event.KEY == "payment_id":
            versions.setdefault(event.payment_id, []).append(event.version)
    assert all(found == sorted(set(found)) for found in versions.values()), versions
