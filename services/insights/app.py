"""Insights on one page: a read model built only from events."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from services.insights.indicators.endpoints import router as indicators
from services.insights.settings import InsightsSettings
from services.insights.subscriptions import SUBSCRIPTIONS
from services.insights.summary.endpoints import router as summary
from shared.app import build_app
from shared.service import Service

SERVICE = Service(
    name="insights",
    title="Insights: what it achieved",
    settings=InsightsSettings,
    migrations=Path(__file__).parent / "migrations",
    routers=(summary, indicators),
    subscriptions=SUBSCRIPTIONS,
)


def create_app(settings: InsightsSettings | None = None) -> FastAPI:
    """The HTTP application of this service."""
    return build_app(SERVICE, settings)
