"""decision.made: keep what was decided, on which facts and by which version of the rules."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.explanations.tables import decision
from shared.consumer import Received
from shared.contracts.eligibility import DecisionMade
from shared.db import upsert_versioned
from shared.service import Context


async def on_decision_made(context: Context, session: AsyncSession, events: Sequence[Received[DecisionMade]]) -> None:
    """Project decisions by id."""
    rows = []
    for event in events:
        row = event.payload.model_dump(mode="json")
        row["id"] = row.pop("decision_id")
        rows.append(row)
    await upsert_versioned(session, decision, rows, key=["id"])
