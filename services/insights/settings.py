"""Settings of insights: nothing beyond every service's."""

from __future__ import annotations

from shared.settings import Settings


class InsightsSettings(Settings):
    """Every service's settings."""

    service: str = "insights"
