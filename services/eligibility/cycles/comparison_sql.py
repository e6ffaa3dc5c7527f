"""SQL of comparing two cycles of a programme, beneficiary by beneficiary, with the cause of each change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.model import AnyRow
from shared.auth import Principal

_TOTALS: Final = """
      SELECT beneficiary_id, sum(amount) AS amount, min(village_code) AS village_code,
             min(beneficiary_reference) AS reference
      FROM entitlement
"""
_BOTH: Final = """
      SELECT coalesce(l.beneficiary_id, e.beneficiary_id) AS beneficiary_id,
             coalesce(l.village_code, e.village_code) AS village_code,
             coalesce(l.reference, e.reference) AS reference,
             coalesce(e.amount, 0) AS amount_before, coalesce(l.amount, 0) AS amount_after,
             CASE WHEN e.beneficiary_id IS NULL THEN 'new' WHEN l.beneficiary_id IS NULL THEN 'gone'
                  WHEN l.amount > e.amount THEN 'more' WHEN l.amount < e.amount THEN 'less' ELSE 'same' END AS change
      FROM later l FULL JOIN earlier e USING (beneficiary_id)
"""
_WITH_CAUSE: Final = """
      SELECT b.*, CASE
          WHEN b.change = 'gone' AND now_decided.id IS NOT NULL AND NOT now_decided.qualifies
            THEN 'clause.' || coalesce(now_decided.failed[1], 'unknown')
          WHEN b.change = 'gone' AND now_decided.id IS NOT NULL THEN 'nothing_owed'
          WHEN b.change = 'gone' AND n.state <> 'approved' THEN n.state || '.' || coalesce(n.cause, 'unknown')
          WHEN b.change = 'gone' THEN 'not_judged'
          WHEN b.change = 'new' AND cast(:previous AS uuid) IS NULL THEN 'first_cycle'
          WHEN b.change = 'new' AND was_decided.id IS NULL AND n.effective_on > cast(:previous_last_day AS date)
            THEN 'enrolled'
          WHEN b.change = 'new' AND was_decided.id IS NULL THEN 'resumed'
          WHEN b.change = 'new' THEN 'eligible_again'
          WHEN EXISTS (SELECT FROM adjustment a WHERE a.cycle_id = cast(:current AS uuid)
                       AND a.beneficiary_id = b.beneficiary_id) THEN 'adjustment'
          WHEN EXISTS (SELECT FROM adjustment a WHERE a.cycle_id = cast(:previous AS uuid)
                       AND a.beneficiary_id = b.beneficiary_id) THEN 'adjustment_before'
          WHEN now_decided.programme_version <> was_decided.programme_version THEN 'programme_version'
          WHEN now_decided.facts_version <> was_decided.facts_version THEN 'facts'
          ELSE 'reference_date' END AS cause
      FROM differing b
      LEFT JOIN decision now_decided ON now_decided.cycle_id = cast(:current AS uuid)
        AND now_decided.beneficiary_id = b.beneficiary_id AND now_decided.unit_id IS NULL
      LEFT JOIN decision was_decided ON was_decided.cycle_id = cast(:previous AS uuid)
        AND was_decided.beneficiary_id = b.beneficiary_id AND was_decided.unit_id IS NULL
      LEFT JOIN enrolment n ON n.beneficiary_id = b.beneficiary_id AND n.programme_code = :code
"""
_GROUPED: Final = """
    SELECT change, cause, left(village_code, 2) AS province_code, count(*) AS beneficiaries,
           sum(amount_before) AS amount_before, sum(amount_after) AS amount_after
    FROM changed GROUP BY change, cause, left(village_code, 2)
"""
_GROUPS: Final = text(
    f"""
    WITH earlier AS ({_TOTALS} WHERE cycle_id = cast(:previous AS uuid) GROUP BY beneficiary_id),
    later AS ({_TOTALS} WHERE cycle_id = cast(:current AS uuid) GROUP BY beneficiary_id),
    both_cycles AS MATERIALIZED ({_BOTH}),
    differing AS MATERIALIZED (SELECT * FROM both_cycles WHERE change <> 'same'),
    caused AS ({_WITH_CAUSE}),
    changed AS (
      SELECT change, cause, village_code, amount_before, amount_after FROM caused
      UNION ALL
      SELECT change, 'same', village_code, amount_before, amount_after FROM both_cycles WHERE change = 'same'
    )
    {_GROUPED}
    ORDER BY change, cause, left(village_code, 2)
    """  # noqa: S608 constants of this file
)
"""Who stays the same needs no cause: decisions are looked up for the others alone."""
_FIRST: Final = text(
    f"""
    WITH changed AS (
      SELECT 'new' AS change, 'first_cycle' AS cause, village_code, 0.00 AS amount_before, amount AS amount_after
      FROM ({_TOTALS} WHERE cycle_id = cast(:current AS uuid) GROUP BY beneficiary_id) later
    )
    {_GROUPED}
    ORDER BY left(village_code, 2)
    """  # noqa: S608 constants of this file
)
"""The same for the first cycle of a programme: there is nothing to compare with."""
_AFTER: Final = "AND (cast(:after AS uuid) IS NULL OR beneficiary_id > cast(:after AS uuid))"
_LATER: Final = """
      SELECT l.beneficiary_id, l.village_code, l.reference, coalesce(e.amount, 0) AS amount_before,
             l.amount AS amount_after,
             CASE WHEN e.beneficiary_id IS NULL THEN 'new' WHEN l.amount > e.amount THEN 'more'
                  WHEN l.amount < e.amount THEN 'less' ELSE 'same' END AS change
      FROM later l LEFT JOIN earlier e ON e.beneficiary_id = l.beneficiary_id
"""
_GONE: Final = """
      SELECT e.beneficiary_id, e.village_code, e.reference, e.amount AS amount_before, 0.00 AS amount_after,
             'gone' AS change
      FROM earlier e LEFT JOIN later l ON l.beneficiary_id = e.beneficiary_id WHERE l.beneficiary_id IS NULL
"""
_SIDE: Final = f"""
    SELECT beneficiary_id, reference AS beneficiary_reference, village_code, change, cause, amount_before, amount_after
    FROM ({_WITH_CAUSE}) caused
    WHERE change <> 'same' AND (cast(:change AS text) IS NULL OR change = cast(:change AS text))
      AND (cast(:national AS boolean) OR EXISTS (
            SELECT FROM unnest(cast(:areas AS text[])) area WHERE starts_with(village_code, area)))
      AND (cast(:cause AS text) IS NULL OR cause = cast(:cause AS text))
    ORDER BY beneficiary_id LIMIT cast(:limit AS int)
"""  # noqa: S608 constants of this file
_LIST: Final = text(
    f"""
    WITH earlier AS NOT MATERIALIZED ({_TOTALS} WHERE cycle_id = cast(:previous AS uuid) {_AFTER}
                                      GROUP BY beneficiary_id),
    later AS NOT MATERIALIZED ({_TOTALS} WHERE cycle_id = cast(:current AS uuid) {_AFTER} GROUP BY beneficiary_id)
    SELECT * FROM (
      ({_SIDE.replace("FROM differing b", f"FROM ({_LATER} WHERE cast(:look_at_later AS boolean)) b")})
      UNION ALL
      ({_SIDE.replace("FROM differing b", f"FROM ({_GONE} AND cast(:look_at_gone AS boolean)) b")})
    ) either
    ORDER BY beneficiary_id LIMIT cast(:limit AS int)
    """  # noqa: S608 constants of this file
)
"""Those who are in the later cycle, and those who are in the earlier one alone: each read in order, and no further; and
not at all where the comparison has counted none."""
_IN_ORDER: Final = (
    text("SET LOCAL enable_hashjoin = off"),
    text("SET LOCAL enable_hashagg = off"),
    text("SET LOCAL enable_sort = off"),
)
"""A page is read in the order of the key, and no further than its last row: two cycles side by side in the order of
their primary keys, one look into an index for each change. Left to itself, the planner sorts whole cycles first."""


def _of(cycle: AnyRow, previous: AnyRow | None) -> dict[str, Any]:
    return {
        "current": cycle.id,
        "previous": previous.id if previous is not None else None,
        "previous_last_day": previous.last_day if previous is not None else None,
        "code": cycle.programme_code,
    }


_BY_HASH: Final = text("SET LOCAL enable_nestloop = off")
"""All of two cycles are compared: told too little of rows written a moment ago, the planner would compare every
beneficiary with every other (measured: 29 s of a cycle of 20,000 households)."""
_AS_USUAL: Final = text("SET LOCAL enable_nestloop = on")


async def groups(session: AsyncSession, cycle: AnyRow, previous: AnyRow | None) -> Sequence[AnyRow]:
    """Beneficiaries and amounts by change, cause and province."""
    if previous is None:
        return (await session.execute(_FIRST, {"current": cycle.id})).all()
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
    counted = {group["change"] for group in (cycle.comparison or {}).get("groups", ())}
    more = {
        "look_at_later": change != "gone",
        "look_at_gone": change in (None, "gone") and "gone" in counted,
        "change": change,
        "cause": cause,
        "after": after,
        "limit": limit,
        "national": principal.national,
        "areas": list(principal.areas),
    }
    for setting in _IN_ORDER:
        await session.execute(setting)
    return (await session.execute(_LIST, _of(cycle, previous) | more)).all()
