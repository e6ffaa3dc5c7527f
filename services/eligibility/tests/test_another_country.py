"""Zubrowka: another currency with cents, other location classes, other units, other kinds of events; the same code."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from services.eligibility.tests.builders import born, household, member
from services.eligibility.tests.conftest import Office
from services.eligibility.tests.invented import CHECK_UP, KINDS, STIPEND
from services.eligibility.tests.test_packs import at, granted
from services.eligibility.tests.visits import report, send

NO_CARD = {"poverty_level": None, "card_valid_from": None, "card_valid_until": None}


async def _kinds(office: Office) -> None:
    headers = office.service.token("programme_officer")
    answer = await office.service.http.put("/eligibility/v1/condition-kinds", content=KINDS, headers=headers)
    assert answer.json() == {"changed": 3, "kinds": 2}


async def test_pupils_are_paid_by_quarter_to_the_cent_when_they_came_to_school(office: Office) -> None:
    on = date(2021, 3, 31)
    pupil = member(0, birth_date=born(10, on), education_level="primary")
    big = member(0, birth_date=born(17, on), education_level="upper_secondary")
    lazy = member(0, birth_date=born(9, on), education_level="primary")
    state = household(pupil, big, lazy, location_class="mountain", **NO_CARD)
    await office.service.deliver(state)
    await _kinds(office)
    at(office, on)
    lessons = ((pupil, 1, 20), (pupil, 3, 25), (big, 1, 31), (big, 2, 20), (lazy, 1, 31), (lazy, 2, 19))
    for person, month, number in lessons:
        body = report(person.person_id, "lessons", date(2021, month, 9), value=number)
        await send(office, body, role="school_officer")
    await office.publish(STIPEND)
    await office.enrol("ZU-STIPEND", "2021-03-31")
    await office.service.outbox()
    await office.close(await office.compute(await office.open("ZU-STIPEND", "2021-01")))
    amounts = {event.beneficiary_id: (event.amount, event.currency) for event in await granted(office)}
    assert amounts == {
        pupil.person_id: (Decimal("36.75"), "EUR"),
        big.person_id: (Decimal("60.15"), "EUR"),
    }


async def test_check_ups_are_paid_by_their_own_day_with_the_age_of_that_day(office: Office) -> None:
    old = member(0, birth_date=date(1950, 5, 5))
    turning = member(0, birth_date=date(1956, 3, 15))
    state = household(old, turning, location_class="valley", **NO_CARD)
    await office.service.deliver(state)
    await _kinds(office)
    at(office, date(2021, 3, 31))
    for person, day in ((old, 14), (old, 15), (old, 20), (turning, 14), (turning, 15)):
        await send(office, report(person.person_id, "checkup", date(2021, 3, day)))
    await office.publish(CHECK_UP)
    await office.service.outbox()
    await office.close(await office.compute(await office.open("ZU-CHECK-UP", "2021-03")))
    amounts = {event.beneficiary_id: event.amount for event in await granted(office)}
    assert amounts == {old.person_id: Decimal("2.90"), turning.person_id: Decimal("1.50")}
