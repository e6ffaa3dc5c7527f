"""The day where the programme's people live: dates are local, instants are UTC."""

from __future__ import annotations

from datetime import date, timedelta

from shared.service import Context


def local_day(context: Context) -> date:
    """Today by the country's clock (setting `local_hours_from_utc`)."""
    return (context.clock.now() + timedelta(hours=context.settings.local_hours_from_utc)).date()
