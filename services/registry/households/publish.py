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

from services.registry.search.index_people import note_changed
from shared.contracts.registry import HOUSEHOLDS, HouseholdChanged, HouseholdDissolved, HouseholdRegistered
from shared.telemetry import current_traceparent

_PUBLISH: Final = text("""
    INSERT INTO outbox (topic, key, type, data, occurred_at, traceparent)
    SELECT :topic, g.id::text,
      CASE WHEN g.dissolved_on IS NOT NULL THEN :dissolved WHEN g.version = 1 THEN :registered ELSE :changed END,
      CASE WHEN g.dissolved_on IS NOT NULL THEN json_build_object(
        'version', g.version, 'household_id', g.id, 'cause', g.dissolved_cause,
        'successor_household_id', g.successor_household_id, 'effective_on', g.dissolved_on)
      ELSE json_build_object(
        'version', g.version, 'household_id', g.id, 'reference', g.reference, 'village_code', g.village_code,
        'location_class', g.location_class, 'poverty_level', g.poverty_level, 'card_valid_from', g.card_valid_from,
        'card_valid_until', g.card_valid_until, 'at_risk', g.at_risk, 'head_person_id', g.head_person_id,
        'members', members.facts, 'effective_on', g.effective_on, 'kind', g.kind, 'poverty_cause', g.poverty_cause,
        'shocks', g.shocks, 'change', c.kind,
        'changed_by', CASE WHEN starts_with(c.recorded_by, 'system:') THEN NULL ELSE c.recorded_by END) END,
      :occurred_at, :traceparent
    FROM household g
    JOIN register_change c ON c.id = current_change()
    CROSS JOIN LATERAL (
      SELECT coalesce(json_agg(json_build_object(
        'person_id', p.id, 'relationship', m.relationship, 'sex', p.sex, 'birth_date', p.birth_date,
        'birth_date_precision', p.birth_date_precision, 'disability', p.disability,
        'living_with_hiv', p.living_with_hiv, 'pregnant', p.pregnant, 'expected_delivery_on', p.expected_delivery_on,
        'disability_card_valid_until', p.disability_card_valid_until, 'education_level', p.education_level,
        'employment', p.employment, 'employer_id', p.employer_id, 'employer_sector', e.sector, 'insured', p.insured,
        'civil_servant', p.civil_servant) ORDER BY m.person_ref), '[]'::json) AS facts
      FROM membership m JOIN person p ON p.id = m.person_id LEFT JOIN employer e ON e.id = p.employer_id
      WHERE m.household_id = g.id AND m.valid_until IS NULL) AS members
    WHERE g.id = ANY (CAST(:ids AS uuid[]))
    ORDER BY g.id""")


async def publish_states(session: AsyncSession, household_ids: Sequence[UUID], occurred_at: datetime) -> None:
    """Publish `household.registered` (version 1), `.changed` or `.dissolved` for each of these households, in full.

    The kind of change and who made it are those of the transaction's change (`begin_change`). The households are also
    noted for the index that clerks search by.
    """
    if not household_ids:
        return
    await session.execute(
        _PUBLISH,
        {
            "topic": HOUSEHOLDS,
            "registered": HouseholdRegistered.TYPE,
            "changed": HouseholdChanged.TYPE,
            "dissolved": HouseholdDissolved.TYPE,
            "ids": list(household_ids),
            "occurred_at": occurred_at,
            "traceparent": current_traceparent(),
        },
    )
    await note_changed(session, household_ids)
