"""HTTP of indicators: `/insights/v1/indicators`."""

from __future__ import annotations

from services.insights.indicators.compute import compute_indicators
from services.insights.indicators.schemas import Indicators
from services.insights.summary.endpoints import NarrowingDep
from services.insights.summary.summarise import summarise
from shared.errors import OutsideArea, responses
from shared.http import ClockDep, Router, SessionDep

router = Router(prefix="/insights/v1", tags=["indicators"])


@router.get("/indicators", responses=responses(OutsideArea))
async def get_indicators(session: SessionDep, clock: ClockDep, narrow: NarrowingDep) -> Indicators:
    """Every indicator of the caller's area, with definition, unit, value and check."""
    summary = await summarise(session, clock, narrow)
    return Indicators(as_of=summary.as_of, scope=summary.scope, indicators=compute_indicators(summary))
