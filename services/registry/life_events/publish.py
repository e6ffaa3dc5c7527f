"""Telling the others of life events, by one statement. Part of the life-event repository."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.registry import LIFE_EVENTS, LifeEventRecorded, LifeEventWithdrawn
from shared.telemetry import current_traceparent

_RECORDED: Final = text("""
    INSERT INTO outbox (topic, key, type, data, occurred_at, traceparent)
    SELECT :topic, e.person_id::text, :type, json_build_object(
      'version', e.version, 'life_event_id', e.id, 'kind', e.kind, 'person_id', e.person_id,
      'household_id', e.household_id, 'occurred_on', e.occurred_on, 'source', e.source,
      'village_code', g.village_code, 'previous_household_id', e.detail -> 'previous_household_id',
      'mother_person_id', e.detail -> 'mother_person_id', 'expected_delivery_on', e.detail -> 'expected_delivery_on',
      'living_members', (SELECT count(*) FROM membership m WHERE m.household_id = g.id AND m.valid_until IS NULL)),
      :occurred_at, :traceparent
    FROM life_event e JOIN household g ON g.id = e.household_id
    WHERE e.id = ANY (CAST(:ids AS uuid[])) ORDER BY e.id""")
_WITHDRAWN: Final = text("""
    INSERT INTO outbox (topic, key, type, data, occurred_at, traceparent)
    SELECT :topic, e.person_id::text, :type, json_build_object(
      'version', e.version, 'life_event_id', e.id, 'kind', e.kind, 'person_id', e.person_id,
      'household_id', e.household_id, 'cause', CAST(:cause AS text)), :occurred_at, :traceparent
    FROM life_event e WHERE e.id = ANY (CAST(:ids AS uuid[])) ORDER BY e.id""")


async def publish_recorded(session: AsyncSession, ids: Sequence[UUID], now: datetime) -> None:
    """Publish `life_event.recorded` for each."""
    values = {"topic": LIFE_EVENTS, "type": LifeEventRecorded.TYPE, "ids": list(ids)}
    await session.execute(_RECORDED, {**values, "occurred_at": now, "traceparent": current_traceparent()})


async def publish_withdrawn(session: AsyncSession, ids: Sequence[UUID], now: datetime) -> None:
    """Publish `life_event.withdrawn` for each. The cause is a code: an officer's words may name people."""
    values = {"topic": LIFE_EVENTS, "type": LifeEventWithdrawn.TYPE, "ids": list(ids), "cause": "recorded_by_mistake"}
    await session.execute(_WITHDRAWN, {**values, "occurred_at": now, "traceparent": current_traceparent()})
