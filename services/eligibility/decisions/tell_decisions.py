"""Telling decisions: `decision.made` for those that differ from what was told last, set-wise, and the new standing.

A decision differs when its outcome, its failed clauses or the programme's version does. What changes nothing is not
told: a month of 700,000 households that stay as they are publishes nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Date,
    Integer,
    Table,
    Text,
    and_,
    cast,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.chunks import Range
from services.eligibility.decisions.model import DecisionRow, PendingDecisionRow, StandingRow
from services.eligibility.decisions.population import Judged
from shared.contracts.eligibility import DecisionMade
from shared.outbox import outbox_table
from shared.telemetry import current_traceparent

STANDING: Table = StandingRow.__table__  # type: ignore[assignment]
PENDING: Table = PendingDecisionRow.__table__  # type: ignore[assignment]
DECISION: Table = DecisionRow.__table__  # type: ignore[assignment]
_CARRIED = ("beneficiary_id", "household_id", "decision_id", "version", "reference", "village_code", "facts_hash")


def differing(judged: Judged, code: str, version: int, within: Range | None = None) -> CTE:
    """CTE `differing`: the rows of `judged` that are not what stands, with `told_version` and `facts`.

    Args:
        within: range of ids in which every beneficiary of `judged` lies, where it is known.
    """
    row, last = judged.cte.c, STANDING.c
    stands = and_(last.beneficiary_id == row.beneficiary_id, last.programme_code == code)
    if within is not None:
        stands = and_(stands, within.holds(last.beneficiary_id))
    differs = or_(
        last.version.is_(None),
        last.programme_version != version,
        last.qualifies != row.qualifies,
        last.failed != row.failed,
    )
    return (
        select(
            *(row[name] for name in _CARRIED),
            row.qualifies,
            row.failed,
            (func.coalesce(last.version, 0) + 1).label("told_version"),
            judged.facts_json().label("facts"),
        )
        .join_from(judged.cte, STANDING, stands, isouter=True)
        .where(differs)
        .cte("differing")
        .prefix_with("MATERIALIZED")
    )


def telling(source: CTE, code: str, version: int, on: date, by: str | None) -> tuple[CTE, CTE]:
    """CTEs that store the new standing of `differing` rows and publish each decision."""
    row = source.c
    values: dict[str, ColumnElement[Any]] = {
        "beneficiary_id": row.beneficiary_id,
        "programme_code": literal(code, Text),
        "household_id": row.household_id,
        "version": row.told_version,
        "decision_id": row.decision_id,
        "programme_version": literal(version, Integer),
        "qualifies": row.qualifies,
        "failed": row.failed,
        "facts_version": row.version,
        "on_date": literal(on, Date),
        "village_code": row.village_code,
    }
    written = pg_insert(STANDING).from_select(list(values), select(*values.values()))
    kept = {name: written.excluded[name] for name in values if name not in ("beneficiary_id", "programme_code")}
    stored = written.on_conflict_do_update(index_elements=["beneficiary_id", "programme_code"], set_=kept).cte("stood")
    event = func.json_build_object(
        "version", row.told_version,
        "decision_id", row.decision_id,
        "programme_code", literal(code, Text),
        "programme_version", literal(version, Integer),
        "beneficiary_id", row.beneficiary_id,
        "beneficiary_reference", row.reference,
        "village_code", row.village_code,
        "decided_on", literal(on, Date),
        "eligible", row.qualifies,
        "failed_clauses", row.failed,
        "facts", row.facts,
        "facts_hash", func.encode(row.facts_hash, "hex"),
        "decided_by", literal(by, Text),
    )  # fmt: skip
    told = insert(outbox_table).from_select(
        ["topic", "key", "type", "data", "traceparent"],
        select(
            literal(DecisionMade.TOPIC, Text),
            cast(row.beneficiary_id, Text),
            literal(DecisionMade.TYPE, Text),
            cast(event, JSON),
            literal(current_traceparent(), Text),
        ),
    )
    return stored, told.cte("told_decisions")


def keeping(source: CTE, cycle_id: UUID) -> CTE:
    """A CTE that keeps `differing` rows of an open cycle until it is closed."""
    row = source.c
    values: Mapping[str, ColumnElement[Any]] = {
        "cycle_id": literal(cycle_id, PENDING.c.cycle_id.type),
        "beneficiary_id": row.beneficiary_id,
        "household_id": row.household_id,
        "decision_id": row.decision_id,
        "facts": row.facts,
    }
    return pg_insert(PENDING).from_select(list(values), select(*values.values())).cte("pending")


async def forget_pending(session: AsyncSession, cycle_id: UUID) -> None:
    """What an earlier computation of the cycle would have told."""
    await session.execute(delete(PENDING).where(PENDING.c.cycle_id == cycle_id))


async def tell_pending(
    session: AsyncSession, cycle_id: UUID, code: str, version: int, on: date, by: str, size: int
) -> int:
    """Tell the next decisions of a closing cycle and take them off the list.

    Returns:
        How many were taken: fewer than `size` at the end.
    """
    first = select(PENDING.c.beneficiary_id).where(PENDING.c.cycle_id == cycle_id).order_by(PENDING.c.beneficiary_id)
    taken = (
        delete(PENDING)
        .where(PENDING.c.cycle_id == cycle_id, PENDING.c.beneficiary_id.in_(first.limit(size)))
        .returning(*PENDING.c)
        .cte("taken")
    )
    last = STANDING.c
    # What was decided since the computation (a reassessment) may be the same by now.
    differs = or_(
        last.version.is_(None),
        last.programme_version != version,
        last.qualifies != DECISION.c.qualifies,
        last.failed != DECISION.c.failed,
    )
    source = (
        select(
            taken.c.beneficiary_id,
            taken.c.household_id,
            taken.c.decision_id,
            taken.c.facts,
            DECISION.c.facts_version.label("version"),
            DECISION.c.beneficiary_reference.label("reference"),
            DECISION.c.village_code,
            DECISION.c.facts_hash,
            DECISION.c.qualifies,
            DECISION.c.failed,
            (func.coalesce(last.version, 0) + 1).label("told_version"),
        )
        .join_from(taken, DECISION, DECISION.c.id == taken.c.decision_id)
        .join(STANDING, and_(last.beneficiary_id == taken.c.beneficiary_id, last.programme_code == code), isouter=True)
        .where(differs)
        .cte("differing")
        .prefix_with("MATERIALIZED")
    )
    stored, told = telling(source, code, version, on, by)
    statement = select(func.count()).select_from(taken).add_cte(stored, told)
    return int((await session.execute(statement)).scalar_one())
