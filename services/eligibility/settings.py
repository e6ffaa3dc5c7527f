"""Settings of eligibility."""

from __future__ import annotations

from pydantic import Field

from shared.settings import Settings


class EligibilitySettings(Settings):
    """Settings of eligibility: those of every service, and where days begin."""

    service: str = "eligibility"
    local_hours_from_utc: int = Field(
        default=7, ge=-12, le=14, description="Hours from UTC of the country's time: an instant's day is taken there."
    )

    require_rehearsal: bool = False
    """A version is published only with an approved rehearsal against what is in force."""
