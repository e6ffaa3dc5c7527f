"""The cash rail keeps every rail's promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from sqlalchemy import text

from services.payments.rails.cash.rail import CashRail
from services.payments.rails.cash.tests.builders import CASH, SETTINGS
from services.payments.rails.clients import clients_of
from services.payments.rails.port import Answer, BatchHeader, Instruction, Submission
from services.payments.rails.tests.builders import header, instructions
from services.payments.rails.tests.contract import Counterpart, RailContract
from shared.testing.plugin import MakeService
from shared.testing.service import TestService


class Watched:
    """The rail, its answers lost as told, its desk's books read after each call."""

    name = "cash"

    def __init__(self, rail: CashRail, service: TestService) -> None:
        self._rail, self._service, self.lose = rail, service, 0
        self.paid: dict[str, int] = {}

    async def submit(self, batch: BatchHeader, members: Sequence[Instruction]) -> Submission:
        answer = await self._rail.submit(batch, members)
        async with self._service.database.session() as session:
            opened = await session.scalars(
                text("SELECT c.end_to_end_id FROM cash_collection c JOIN cash_message m ON m.attempt_id = c.attempt_id")
            )
            self.paid = dict(Counter(opened))
        if self.lose:
            self.lose -= 1
            return Submission(Answer.UNKNOWN)
        return answer

    def __getattr__(self, name: str):
        return getattr(self._rail, name)


class TestCashAsARail(RailContract):
    """The contract; what the desk `pays` is a code, sent once."""

    @pytest.fixture
    async def other(self, make_service: MakeService) -> Counterpart:
        service = await make_service(CASH, **SETTINGS)
        rail = Watched(clients_of(service.context).rail("cash"), service)
        return Counterpart(rail, lambda: rail.paid, lambda n: setattr(rail, "lose", n))


async def test_a_batch_that_is_not_what_it_promises_opens_nothing(make_service: MakeService) -> None:
    service = await make_service(CASH, **SETTINGS)
    rail = clients_of(service.context).rail("cash")
    members = instructions(2)
    with pytest.raises(ValueError, match="promise"):
        await rail.submit(header(members, rail="cash"), members[:1])
    assert (await rail.query(header(members, rail="cash"))).answer is Answer.ABSENT
