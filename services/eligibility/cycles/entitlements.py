"""The statements over a whole cycle's population: deciding and granting, and publishing what was granted."""

from __future__ import annotations

from dataclasses import dataclass
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
    case,
    cast,
    func,
    insert,
    literal,
    null,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.chunks import Range
from services.eligibility.cycles.model import CycleRow, EntitlementRow
from services.eligibility.cycles.repository import enrolled_by
from services.eligibility.decisions.exclusions import Exclusion
from services.eligibility.decisions.model import DecisionRow, Purpose
from services.eligibility.decisions.population import BenefitColumns, Judged, judge_population
from services.eligibility.decisions.tell_decisions import differing, keeping
from services.eligibility.facts.units import units_in_force
from services.eligibility.model import AnyRow
from services.eligibility.programmes.compiled import CompiledProgramme
from shared.contracts.eligibility import EntitlementGranted
from shared.outbox import outbox_table
from shared.telemetry import current_traceparent

ENTITLEMENT: Table = EntitlementRow.__table__  # type: ignore[assignment]
DECISION: Table = DecisionRow.__table__  # type: ignore[assignment]
CYCLE: Table = CycleRow.__table__  # type: ignore[assignment]


@dataclass(frozen=True)
class CycleBasis:
    """What a cycle is computed with.

    Attributes:
        on: reference date.
        last_day: enrolments that begin later do not count.
        exclusions: programmes whose participants are not paid in this cycle.
        unconfirmed: rate tables that no officer has confirmed.
    """

    programme: CompiledProgramme
    version: int
    cycle_id: UUID
    on: date
    last_day: date
    exclusions: tuple[Exclusion, ...] = ()
    unconfirmed: frozenset[str] = frozenset()


async def compute_chunk(session: AsyncSession, basis: CycleBasis, *, after: UUID | None, until: UUID) -> int:
    """Decide on everybody enrolled in a range of household ids, store decisions and entitlements: one statement.

    Returns:
        How many entitlements were stored.
    """
    code = basis.programme.file.code
    # A household is its own beneficiary: what is looked up for it lies in the same range of ids.
    within = Range(after, until) if basis.programme.file.unit == "household" else None
    only = enrolled_by(code, basis.last_day, within)
    facts = units_in_force(basis.programme, basis.on, after=after, until=until, only=only)
    judged = judge_population(
        basis.programme,
        facts,
        basis.on,
        decision_key=(str(basis.cycle_id),),
        exclusions=basis.exclusions,
        unconfirmed=basis.unconfirmed,
    )
    decided = _decisions(judged, basis)
    pending = keeping(differing(judged, code, basis.version, within), basis.cycle_id)
    parts = [_granted(judged, benefit, code, basis.cycle_id) for benefit in judged.payable]
    if not parts:
        await session.execute(select(func.count()).select_from(judged.cte).add_cte(decided, pending))
        return 0
    granted = union_all(*parts).subquery("granted")
    columns = [column.name for column in granted.c]
    statement = pg_insert(ENTITLEMENT).from_select(columns, select(*granted.c))
    result: Any = await session.execute(statement.add_cte(decided, pending))
    return int(result.rowcount)


def _decisions(judged: Judged, basis: CycleBasis) -> CTE:
    row = judged.cte.c
    columns = {
        "id": row.decision_id,
        "purpose": literal(Purpose.PAYMENT.value, Text),
        "programme_code": literal(basis.programme.file.code, Text),
        "programme_version": literal(basis.version, Integer),
        "cycle_id": literal(basis.cycle_id, PG_UUID),
        "beneficiary_id": row.beneficiary_id,
        "household_id": row.household_id,
        "beneficiary_reference": row.reference,
        "village_code": row.village_code,
        "facts_version": row.version,
        "facts_hash": row.facts_hash,
        "on_date": literal(basis.on, Date),
        "qualifies": row.qualifies,
        "failed": row.failed,
        "lines": case((~judged.all_granted(), judged.all_lines()), else_=cast(null(), JSON)),
    }
    inserted = pg_insert(DECISION).from_select(list(columns), select(*columns.values()))
    return inserted.cte("decided")


def _granted(judged: Judged, benefit: BenefitColumns, code: str, cycle_id: UUID) -> Select[Any]:
    """Entitlements of one payable component: who qualifies, whose lines all have a rate, and who is owed something."""
    row = judged.cte.c
    component = literal(benefit.component, Text)
    named = select(
        judged.cte, entitlement_identity(code, cycle_id, row.beneficiary_id, component).label("entitlement_id")
    ).where(judged.granted(benefit))
    owed = named.subquery()
    text = func.concat_ws(
        "|",
        cast(owed.c.entitlement_id, Text),
        cast(owed.c.beneficiary_id, Text),
        component,
        cast(owed.c[benefit.amount], Text),
        owed.c[benefit.text],
    )
    return select(
        literal(cycle_id, PG_UUID).label("cycle_id"),
        owed.c.entitlement_id.label("id"),
        owed.c.decision_id,
        owed.c.beneficiary_id,
        owed.c.household_id,
        owed.c.reference.label("beneficiary_reference"),
        owed.c.village_code,
        component.label("component"),
        owed.c[benefit.amount].label("amount"),
        cast(owed.c[benefit.lines], JSON).label("lines"),
        func.sha256(func.convert_to(text, "UTF8")).label("digest"),
        owed.c[benefit.unconfirmed].label("unconfirmed"),
    )


def entitlement_identity(code: str, cycle_id: UUID, beneficiary_id: Any, component: Any) -> Any:
    """SQL of cycles/content_hash.py `entitlement_id`."""
    return func.deterministic_uuid(
        literal("entitlement", Text),
        literal(code, Text),
        literal(str(cycle_id), Text),
        cast(beneficiary_id, Text),
        component,
        type_=PG_UUID(),
    )


async def publish_chunk(session: AsyncSession, cycle: AnyRow, size: int) -> int:
    """Publish the next entitlements of a closing cycle, in the order of beneficiaries, and remember how far it came.

    Args:
        cycle: the row, locked by this transaction.
        size: beneficiaries at most: all components of each are published together.

    Returns:
        How many entitlements were published: none at the end.
    """
    own = ENTITLEMENT.c
    first = select(own.beneficiary_id).where(own.cycle_id == cycle.id).distinct().order_by(own.beneficiary_id)
    if cycle.published_through is not None:
        first = first.where(own.beneficiary_id > cycle.published_through)
    who = first.limit(size).cte("who").prefix_with("MATERIALIZED")
    chunk = select(ENTITLEMENT).join(who, own.beneficiary_id == who.c.beneficiary_id).where(own.cycle_id == cycle.id)
    chosen = chunk.order_by(own.beneficiary_id, own.component).cte("chosen").prefix_with("MATERIALIZED")
    published = (
        insert(outbox_table)
        .from_select(["topic", "key", "type", "data", "traceparent"], _granted_events(chosen, cycle))
        .returning(outbox_table.c.id)
        .cte("published")
    )
    last = select(who.c.beneficiary_id).order_by(who.c.beneficiary_id.desc()).limit(1).scalar_subquery()
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
        "unconfirmed", row.unconfirmed,
    )  # fmt: skip
    return select(
        literal(EntitlementGranted.TOPIC, Text),
        cast(row.id, Text),
        literal(EntitlementGranted.TYPE, Text),
        cast(event, JSON),
        literal(current_traceparent(), Text),
    )


def after_key(beneficiary_id: UUID, component: str) -> Any:
    """Keyset condition: entitlements after this one in the order of beneficiary and component."""
    own = ENTITLEMENT.c
    return tuple_(own.beneficiary_id, own.component) > tuple_(
        literal(beneficiary_id, PG_UUID), literal(component, Text)
    )
