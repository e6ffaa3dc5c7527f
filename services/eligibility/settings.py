"""Settings of eligibility."""

from __future__ import annotations

from pydantic import Field

from shared.settings import Settings


class EligibilitySettings(Settings):
    """Settings of eligibility: those of every service, and where days begin."""

    service: str = "eligibility"
    database_pool_size: int = Field(
        default=16,
        ge=1,
        le=100,
        description="Connections kept. Points of service ask at once, and wait where there are fewer (p99 of eight "
        "desks: 670 ms with 5, 384 with 16, measured when more than these were opened and closed at each use).",
    )
    require_rehearsal: bool = False
    """A version is published only with an approved rehearsal against what is in force."""
