"""What is known of payments: newest version wins, nothing is forgotten, order of arrival does not matter."""

from __future__ import annotations

import random
from typing import Any

import pytest

from services.grievance.tests.building import Officer, about_payment, payment, start
from shared.testing.plugin import MakeService
from shared.testing.service import TestService


async def story(grievance: TestService) -> dict[str, Any]:
    officer = Officer(grievance)
    case = (await officer.post("/cases", about_payment("p"))).json()
    told: dict[str, Any] = (await officer.get(f"/cases/{case['id']}")).json()["payment"]
    return told


@pytest.mark.parametrize("seed", range(3))
async def test_late_repeated_and_disordered_events_leave_the_same_story(make_service: MakeService, seed: int) -> None:
    grievance = await start(make_service)
    events = [
        payment("p", "instructed", 1),
        payment("p", "failed", 2),
        payment("p", "instructed", 3, attempt=2),
        payment("p", "returned", 5, attempt=2),
        payment("p", "settled", 4, attempt=2),
    ]
    disordered = [*events, *events]
    random.Random(seed).shuffle(disordered)

    await grievance.deliver(*disordered[:4])
    await grievance.deliver(*disordered[4:])

    told = await story(grievance)
    assert (told["status"], told["attempt"], told["reason_code"]) == ("returned", 2, "AC04")
    assert [step["version"] for step in told["history"]] == [1, 2, 3, 4, 5]


async def test_a_payment_never_heard_of_is_no_error(make_service: MakeService) -> None:
    assert await story(await start(make_service)) is None
