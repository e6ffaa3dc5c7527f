"""The statements over a whole cycle's population: deciding and granting, and publishing what was granted."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    Date,
    Integer,
    Select,
    Table,
    Text,
    cast,
    func,
    insert,
    literal,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.cycles.model import CycleRow, EntitlementRow
from services.eligibility.cycles.repository import enrolled_by
from services.eligibility.decisions.model import DecisionRow, Purpose
from services.eligibility.decisions.population import BenefitColumns, Judged, judge_population
from services.eligibility.facts.repository import facts_in_force
from services.eligibility.model import AnyRow
from services.eligibility.programmes.compiled import CompiledProgramme
from shared.contracts.eligibility import EntitlementGranted
from shared.outbox import outbox_table
from shared.telemetry import current_traceparent

ENTITLEMENT: Table = EntitlementRow.__table__  # type: ignore[assignment]
DECISION: Table = DecisionRow.__table__  # type: ignore[assignment]
CYCLE: Table = CycleRow.__table__  # type: ignore[assignment]


async def compute_chunk(
    session: AsyncSession,
    programme: CompiledProgramme,
    version: int,
    cycle_id: UUID,
    on: date,
    last_day: date,
    *,
    after: UUID | None,
    until: UUID,
) -> int:
    """Decide on every enrolled household of an id range and store its decision and entitlements: one statement.

    Returns:
        How many entitlements were stored.
    """
    code = programme.file.code
    facts = facts_in_force(on, after=after, until=until, only=enrolled_by(code, last_day))
    judged = judge_population(programme, facts, on, decision_key=(str(cycle_id),))
    decided = _decisions(judged, code, version, cycle_id, on)
    granted = union_all(*(_granted(judged, benefit, code, cycle_id) for benefit in judged.benefits)).subquery("granted")
    columns = [column.name for column in granted.c]
    statement = pg_insert(ENTITLEMENT).from_select(columns, select(*granted.c).order_by(granted.c.id))
    result: Any = await session.execute(statement.add_cte(decided))
    return int(result.rowcount)


def _decisions(judged: Judged, code: str, version: int, cycle_id: UUID, on: date) -> CTE:
    row = judged.cte.c
    columns = {
        "id": row.decision_id,
        "purpose": literal(Purpose.PAYMENT.value, Text),
        "programme_code": literal(code, Text),
        "programme_version": literal(version, Integer),
        "cycle_id": literal(cycle_id, PG_UUID),
        "beneficiary_id": row.household_id,
        "beneficiary_reference": row.reference,
        "village_code": row.village_code,
        "facts_version": row.version,
        "facts_hash": row.facts_hash,
        "on_date": literal(on, Date),
        "qualifies": row.qualifies,
        "clauses": row.clauses,
        "lines": judged.all_lines(),
    }
    inserted = pg_insert(DECISION).from_select(list(columns), select(*columns.values()))
    return inserted.returning(DECISION.c.id).cte("decided")


def _granted(judged: Judged, benefit: BenefitColumns, code: str, cycle_id: UUID) -> Select[Any]:
    """Entitlements of one payable component: who qualifies, whose lines all have a rate, and who is owed something."""
    row = judged.cte.c
    component = literal(benefit.component, Text)
    identity = func.deterministic_uuid(
        literal("entitlement", Text),
        literal(code, Text),
        literal(str(cycle_id), Text),
        cast(row.household_id, Text),
        component,
        type_=PG_UUID(),
    )
    amount = judged.column(benefit.amount)
    named = select(judged.cte, identity.label("entitlement_id")).where(
        row.qualifies, judged.column(benefit.priced), amount > 0
    )
    owed = named.subquery()
    text = func.concat_ws(
        "|",
        cast(owed.c.entitlement_id, Text),
        cast(owed.c.household_id, Text),
        component,
        cast(owed.c[benefit.amount], Text),
        owed.c[benefit.text],
    )
    return select(
        literal(cycle_id, PG_UUID).label("cycle_id"),
        owed.c.entitlement_id.label("id"),
        owed.c.decision_id,
        owed.c.household_id.label("beneficiary_id"),
        owed.c.reference.label("beneficiary_reference"),
        owed.c.village_code,
        component.label("component"),
        owed.c[benefit.amount].label("amount"),
        owed.c[benefit.lines].label("lines"),
        func.sha256(func.convert_to(text, "UTF8")).label("digest"),
    )


async def publish_chunk(session: AsyncSession, cycle: AnyRow, size: int) -> int:
    """Publish the next entitlements of a closing cycle, in the order of their ids, and remember how far it came.

    Args:
        cycle: the row, locked by this transaction.
        size: entitlements at most.

    Returns:
        How many were published: fewer than `size` at the end.
    """
    chunk = select(ENTITLEMENT).where(ENTITLEMENT.c.cycle_id == cycle.id).order_by(ENTITLEMENT.c.id).limit(size)
    if cycle.published_through is not None:
        chunk = chunk.where(ENTITLEMENT.c.id > cycle.published_through)
    chosen = chunk.cte("chosen").prefix_with("MATERIALIZED")
    published = (
        insert(outbox_table)
        .from_select(["topic", "key", "type", "data", "traceparent"], _granted_events(chosen, cycle))
        .returning(outbox_table.c.id)
        .cte("published")
    )
    last = select(chosen.c.id).order_by(chosen.c.id.desc()).limit(1).scalar_subquery()
    count = select(func.count()).select_from(published).scalar_subquery()
    statement = (
        update(CYCLE)
        .where(CYCLE.c.id == cycle.id)
        .values(
            published_through=func.coalesce(last, CYCLE.c.published_through),
            published_count=CYCLE.c.published_count + count,
        )
        .returning(CYCLE.c.published_count)
    )
    now_published = (await session.execute(statement)).scalar_one()
    return int(now_published) - int(cycle.published_count)


def _granted_events(chosen: CTE, cycle: AnyRow) -> Select[Any]:
    row = chosen.c
    event = func.json_build_object(
        "version", 1,
        "entitlement_id", row.id,
        "cycle_id", row.cycle_id,
        "programme_code", literal(cycle.programme_code, Text),
        "programme_version", literal(cycle.programme_version, Integer),
        "period", literal(cycle.period, Text),
        "beneficiary_id", row.beneficiary_id,
        "beneficiary_reference", row.beneficiary_reference,
        "village_code", row.village_code,
        "component", row.component,
        "amount", cast(row.amount, Text),
        "currency", literal(cycle.currency, Text),
        "lines", row.lines,
        "decision_id", row.decision_id,
    )  # fmt: skip
    return select(
        literal(EntitlementGranted.TOPIC, Text),
        cast(row.id, Text),
        literal(EntitlementGranted.TYPE, Text),
        cast(event, JSON),
        literal(current_traceparent(), Text),
    )
