"""The country's day at an instant that was taken earlier; the present one is told by the clock (`clock.today()`)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

ZONE: Final = ZoneInfo("Asia/Phnom_Penh")
"""Where the rails are, and the books are kept. Another country changes it beside `SAMAKI_TIME_ZONE`."""


def local_day(moment: datetime) -> date:
    """The day in the country at an aware instant."""
    return moment.astimezone(ZONE).date()
