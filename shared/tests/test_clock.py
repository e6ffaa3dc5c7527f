"""Instants are UTC; days begin and end in the country."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from shared.clock import FixedClock, SystemClock
from shared.service import open_context
from shared.tests.probe.service import SERVICE, ProbeSettings

EAST, WEST = ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Etc/GMT+12")
"""Twenty-six hours apart: it is never the same day in both."""


def test_a_day_begins_at_midnight_in_the_country():
    clock = FixedClock(datetime(2020, 7, 1, 16, 59, tzinfo=UTC), ZoneInfo("Asia/Phnom_Penh"))
    assert clock.today() == date(2020, 7, 1)
    clock.advance(timedelta(minutes=1))
    assert (clock.today(), clock.now().date(), clock.now().tzinfo) == (date(2020, 7, 2), date(2020, 7, 1), UTC)


def test_the_machines_clock_tells_the_day_of_its_zone():
    assert SystemClock(EAST).today() > SystemClock(WEST).today()
    assert SystemClock(EAST).now().tzinfo is UTC


@pytest.mark.parametrize(("name", "zone"), [("Pacific/Kiritimati", EAST), ("Etc/GMT+12", WEST)])
async def test_a_process_has_the_clock_of_the_configured_zone(name: str, zone: ZoneInfo):
    settings = ProbeSettings(
        database_url="postgresql://nobody@127.0.0.1:1/none", kafka_bootstrap_servers="127.0.0.1:1", time_zone=name
    )
    before = datetime.now(zone).date()
    async with open_context(SERVICE, settings, "api") as context:
        assert before <= context.clock.today() <= datetime.now(zone).date()
