"""SQL of comparing two cycles of a programme, beneficiary by beneficiary, with the cause of each change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.model import AnyRow
from shared.auth import Principal

_CHANGED: Final = """
    WITH earlier AS (
      SELECT beneficiary_id, sum(amount) AS amount, min(village_code) AS village_code,
             min(beneficiary_reference) AS reference
      FROM entitlement WHERE cycle_id = cast(:previous AS uuid) GROUP BY beneficiary_id
    ), later AS (
      SELECT beneficiary_id, sum(amount) AS amount, min(village_code) AS village_code,
             min(beneficiary_reference) AS reference
      FROM entitlement WHERE cycle_id = cast(:current AS uuid) GROUP BY beneficiary_id
    ), both_cycles AS (
      SELECT coalesce(l.beneficiary_id, e.beneficiary_id) AS beneficiary_id,
             coalesce(l.village_code, e.village_code) AS village_code,
             coalesce(l.reference, e.reference) AS reference,
             coalesce(e.amount, 0) AS amount_before, coalesce(l.amount, 0) AS amount_after,
             CASE WHEN e.beneficiary_id IS NULL THEN 'new' WHEN l.beneficiary_id IS NULL THEN 'gone'
                  WHEN l.amount > e.amount THEN 'more' WHEN l.amount < e.amount THEN 'less' ELSE 'same' END AS change
      FROM later l FULL JOIN earlier e USING (beneficiary_id)
    ), changed AS (
      SELECT b.*, CASE
          WHEN b.change = 'same' THEN 'same'
          WHEN b.change = 'gone' AND now_decided.id IS NOT NULL AND NOT now_decided.qualifies
            THEN 'clause.' || coalesce(now_decided.failed[1], 'unknown')
          WHEN b.change = 'gone' AND now_decided.id IS NOT NULL THEN 'nothing_owed'
          WHEN b.change = 'gone' AND n.state <> 'approved' THEN n.state || '.' || coalesce(n.cause, 'unknown')
          WHEN b.change = 'gone' THEN 'not_judged'
          WHEN b.change = 'new' AND cast(:previous AS uuid) IS NULL THEN 'first_cycle'
          WHEN b.change = 'new' AND was_decided.id IS NULL AND n.effective_on > cast(:previous_last_day AS date) THEN
          'enrolled'
          WHEN b.change = 'new' AND was_decided.id IS NULL THEN 'resumed'
          WHEN b.change = 'new' THEN 'eligible_again'
          WHEN a.beneficiary_id IS NOT NULL THEN 'adjustment'
          WHEN was_adjusted.beneficiary_id IS NOT NULL THEN 'adjustment_before'
          WHEN now_decided.programme_version <> was_decided.programme_version THEN 'programme_version'
          WHEN now_decided.facts_version <> was_decided.facts_version THEN 'facts'
          ELSE 'reference_date' END AS cause
      FROM both_cycles b
      LEFT JOIN decision now_decided ON now_decided.cycle_id = cast(:current AS uuid)
        AND now_decided.beneficiary_id = b.beneficiary_id AND b.change <> 'same' AND now_decided.unit_id IS NULL
      LEFT JOIN decision was_decided ON was_decided.cycle_id = cast(:previous AS uuid)
        AND was_decided.beneficiary_id = b.beneficiary_id AND b.change <> 'same' AND was_decided.unit_id IS NULL
      LEFT JOIN enrolment n ON n.beneficiary_id = b.beneficiary_id AND n.programme_code = :code AND b.change <> 'same'
      LEFT JOIN (SELECT DISTINCT beneficiary_id FROM adjustment WHERE cycle_id = cast(:current AS uuid)) a
        ON a.beneficiary_id = b.beneficiary_id
      LEFT JOIN (SELECT DISTINCT beneficiary_id FROM adjustment WHERE cycle_id = cast(:previous AS uuid)) was_adjusted
        ON was_adjusted.beneficiary_id = b.beneficiary_id
    )
"""
_GROUPS: Final = text(
    _CHANGED  # noqa: S608 both are constants of this file
    + """
    SELECT change, cause, left(village_code, 2) AS province_code, count(*) AS beneficiaries,
           sum(amount_before) AS amount_before, sum(amount_after) AS amount_after
    FROM changed GROUP BY change, cause, left(village_code, 2) ORDER BY change, cause, left(village_code, 2)
    """
)
_LIST: Final = text(
    _CHANGED  # noqa: S608 both are constants of this file
    + """
    SELECT beneficiary_id, reference AS beneficiary_reference, village_code, change, cause, amount_before, amount_after
    FROM changed
    WHERE change <> 'same' AND (cast(:change AS text) IS NULL OR change = cast(:change AS text))
      AND (cast(:cause AS text) IS NULL OR cause = cast(:cause AS text))
      AND (cast(:national AS boolean) OR EXISTS (
            SELECT FROM unnest(cast(:areas AS text[])) area WHERE starts_with(village_code, area)))
      AND (cast(:after AS uuid) IS NULL OR beneficiary_id > cast(:after AS uuid))
    ORDER BY beneficiary_id LIMIT cast(:limit AS int)
    """
)


def _of(cycle: AnyRow, previous: AnyRow | None) -> dict[str, Any]:
    return {
        "current": cycle.id,
        "previous": previous.id if previous is not None else None,
        "previous_last_day": previous.last_day if previous is not None else None,
        "code": cycle.programme_code,
    }


_BY_HASH = text("SET LOCAL enable_nestloop = off")
"""A cycle's rows were written a moment ago and have no statistics: told so little, the planner compares every
beneficiary with every other (measured: 29 s of a cycle of 20,000 households)."""
_AS_USUAL = text("SET LOCAL enable_nestloop = on")


async def groups(session: AsyncSession, cycle: AnyRow, previous: AnyRow | None) -> Sequence[AnyRow]:
    """Beneficiaries and amounts by change, cause and province."""
    await session.execute(_BY_HASH)
    rows = (await session.execute(_GROUPS, _of(cycle, previous))).all()
    await session.execute(_AS_USUAL)
    return rows


async def changes(
    session: AsyncSession,
    principal: Principal,
    cycle: AnyRow,
    previous: AnyRow | None,
    *,
    change: str | None,
    cause: str | None,
    after: UUID | None,
    limit: int,
) -> Sequence[AnyRow]:
    """Beneficiaries that changed, in the caller's area, in the order of their ids."""
    more = {
        "change": change,
        "cause": cause,
        "after": after,
        "limit": limit,
        "national": principal.national,
        "areas": list(principal.areas),
    }
    return (await session.execute(_LIST, _of(cycle, previous) | more)).all()
