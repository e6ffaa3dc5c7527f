"""Telling the others: the full state of many households into the outbox by one statement, in the change's transaction.

Part of the households repository. Ids and the facts that rules need; no name and no number can get in (law 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.registry import HOUSEHOLDS, HouseholdChanged, HouseholdRegistered
from shared.telemetry import current_traceparent

_PUBLISH: Final = text("""
    INSERT INTO outbox (topic, key, type, data, occurred_at, traceparent)
    SELECT :topic, g.id::text, CASE g.version WHEN 1 THEN :registered ELSE :changed END,
      json_build_object(
        'version', g.version, 'household_id', g.id, 'reference', g.reference, 'village_code', g.village_code,
        'location_class', g.location_class, 'poverty_level', g.poverty_level, 'card_valid_from', g.card_valid_from,
        'card_valid_until', g.card_valid_until, 'at_risk', g.at_risk, 'head_person_id', g.head_person_id,
        'members', members.facts, 'effective_on', g.effective_on),
      :occurred_at, :traceparent
    FROM household g
    CROSS JOIN LATERAL (
      SELECT coalesce(json_agg(json_build_object(
        'person_id', p.id, 'relationship', m.relationship, 'sex', p.sex, 'birth_date', p.birth_date,
        'birth_date_precision', p.birth_date_precision, 'disability', p.disability,
        'living_with_hiv', p.living_with_hiv, 'pregnant', p.pregnant) ORDER BY m.person_ref), '[]'::json) AS facts
      FROM membership m JOIN person p ON p.id = m.person_id
      WHERE m.household_id = g.id AND m.valid_until IS NULL) AS members
    WHERE g.id = ANY (CAST(:ids AS uuid[]))
    ORDER BY g.id""")


async def publish_states(session: AsyncSession, household_ids: Sequence[UUID], occurred_at: datetime) -> None:
    """Publish `household.registered` (version 1) or `household.changed` for each of these households, in full."""
    if not household_ids:
        return
    await session.execute(
        _PUBLISH,
        {
            "topic": HOUSEHOLDS,
            "registered": HouseholdRegistered.TYPE,
            "changed": HouseholdChanged.TYPE,
            "ids": list(household_ids),
            "occurred_at": occurred_at,
            "traceparent": current_traceparent(),
        },
    )
