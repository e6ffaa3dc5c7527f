"""Reaction: eligibility published a programme version."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.programmes import repository
from shared.consumer import Received
from shared.contracts.eligibility import ProgrammePublished
from shared.service import Context

_COPIED = ("programme_code", "programme_version", "unit", "name_km", "name_en", "funding_line", "currency")


async def on_programme_published(
    _context: Context, session: AsyncSession, events: Sequence[Received[ProgrammePublished]]
) -> None:
    """Keep the words of each version."""
    rows = [
        {name: getattr(event.payload, name) for name in (*_COPIED, "valid_from", "valid_until", "version")}
        | {
            "clauses": [text.model_dump() for text in event.payload.clauses],
            "components": [text.model_dump() for text in event.payload.components],
            "unconfirmed": list(event.payload.unconfirmed),
        }
        for event in events
    ]
    await repository.save_versions(session, rows)


async def forget_programmes(_context: Context, session: AsyncSession) -> None:
    """Before a replay."""
    await repository.forget_versions(session)
