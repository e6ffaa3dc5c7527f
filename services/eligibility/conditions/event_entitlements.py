"""The statements of a cycle whose units are events: a decision per event, an entitlement per person and component.

Several events of one person in a cycle are one entitlement (payments knows a payment by beneficiary and component),
with a line per rate; what happened before the period is a line of arrears for its own month. An event that a closed
cycle granted is settled: its key is unique, so that nothing pays it twice.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    Integer,
    Numeric,
    Select,
    Table,
    Text,
    case,
    cast,
    column,
    func,
    literal,
    null,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSON, aggregate_order_by, distinct_on
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.conditions.units import events_in_force
from services.eligibility.cycles.model import EntitlementRow
from services.eligibility.decisions.model import DecisionRow, Purpose
from services.eligibility.decisions.population import BenefitColumns, Judged, judge_population
from services.eligibility.decisions.tell_decisions import differing, keeping
from services.eligibility.programmes.compiled import CompiledProgramme

ENTITLEMENT: Table = EntitlementRow.__table__  # type: ignore[assignment]
DECISION: Table = DecisionRow.__table__  # type: ignore[assignment]
MONEY = Numeric(18, 2)


async def compute_event_chunk(
    session: AsyncSession,
    programme: CompiledProgramme,
    version: int,
    cycle_id: UUID,
    last_day: date,
    *,
    after: UUID | None,
    until: UUID,
    unconfirmed: Collection[str] = (),
    known_at: datetime | None = None,
) -> int:
    """Decide on every event due of a range of persons, and store decisions and entitlements: one statement.

    Args:
        last_day: of the cycle's period.
        after, until: range of the persons' ids.
        unconfirmed: rate tables that no officer has confirmed.
        known_at: what was told later is not seen.

    Returns:
        How many entitlements were stored.
    """
    facts = events_in_force(programme.file, last_day, after=after, until=until, cycle_id=cycle_id, known_at=known_at)
    judged = judge_population(programme, facts, facts.c.on_date, decision_key=(str(cycle_id),), unconfirmed=unconfirmed)
    decided = _decisions(judged, programme.file.code, version, cycle_id)
    parts = [
        _granted(judged, benefit, programme.file.code, cycle_id, last_day.replace(day=1)) for benefit in judged.payable
    ]
    granted = union_all(*parts).subquery("granted")
    columns = [item.name for item in granted.c]
    statement = pg_insert(ENTITLEMENT).from_select(columns, select(*granted.c))
    pending = keeping(differing(_newest(judged), programme.file.code, version), cycle_id)
    result: Any = await session.execute(statement.add_cte(decided, pending))
    return int(result.rowcount)


def _newest(judged: Judged) -> Judged:
    """The decision on each person's newest event: what is told of her when it differs from what was told last."""
    row = judged.cte.c
    newest = (
        select(judged.cte)
        .ext(distinct_on(row.beneficiary_id))
        .order_by(row.beneficiary_id, row.on_date.desc(), row.unit_id.desc())
        .cte("newest")
    )
    return replace(judged, cte=newest)


def _decisions(judged: Judged, code: str, version: int, cycle_id: UUID) -> CTE:
    row = judged.cte.c
    columns = {
        "id": row.decision_id,
        "purpose": literal(Purpose.PAYMENT.value, Text),
        "programme_code": literal(code, Text),
        "programme_version": literal(version, Integer),
        "cycle_id": literal(cycle_id, PG_UUID),
        "unit_id": row.unit_id,
        "beneficiary_id": row.beneficiary_id,
        "household_id": row.household_id,
        "beneficiary_reference": row.reference,
        "village_code": row.village_code,
        "facts_version": row.version,
        "facts_hash": row.facts_hash,
        "on_date": row.on_date,
        "qualifies": row.qualifies,
        "failed": row.failed,
        "lines": judged.all_lines(),
    }
    return pg_insert(DECISION).from_select(list(columns), select(*columns.values())).cte("decided")


def _granted(judged: Judged, benefit: BenefitColumns, code: str, cycle_id: UUID, first_day: date) -> Select[Any]:
    """One entitlement a person: the lines of all her events that are due."""
    merged = _merged_lines(judged, benefit, first_day)
    own = merged.c
    order = (own.for_period.asc().nulls_first(), own.component, own.rate)
    as_text = func.concat_ws(
        ":",
        own.component,
        cast(own.quantity, Text),
        cast(own.rate, Text),
        cast(own.amount, Text),
        case((own.for_period.is_not(None), literal("arrears", Text)), else_=null()),
        own.for_period,
    )
    entitlement_id = func.deterministic_uuid(
        literal("entitlement", Text),
        literal(code, Text),
        literal(str(cycle_id), Text),
        cast(own.beneficiary_id, Text),
        literal(benefit.component, Text),
        type_=PG_UUID(),
    )
    amount = cast(func.sum(own.amount), MONEY)
    content = func.concat_ws(
        "|",
        cast(entitlement_id, Text),
        cast(own.beneficiary_id, Text),
        literal(benefit.component, Text),
        cast(amount, Text),
        func.string_agg(as_text, aggregate_order_by(literal("|", Text), *order)),
    )
    return select(
        literal(cycle_id, PG_UUID).label("cycle_id"),
        entitlement_id.label("id"),
        _first(own.decision_id, order).label("decision_id"),
        own.beneficiary_id,
        _first(own.household_id, order).label("household_id"),
        _first(own.reference, order).label("beneficiary_reference"),
        _first(own.village_code, order).label("village_code"),
        literal(benefit.component, Text).label("component"),
        amount.label("amount"),
        func.json_agg(aggregate_order_by(_line_json(own), *order), type_=JSON).label("lines"),
        func.sha256(func.convert_to(content, "UTF8")).label("digest"),
        func.bool_or(own.unconfirmed).label("unconfirmed"),
    ).group_by(own.beneficiary_id)


def _merged_lines(judged: Judged, benefit: BenefitColumns, first_day: date) -> Any:
    """The lines of a person's events, those of one component, rate and month added up. The newest event tells where."""
    row = judged.cte.c
    line = (
        func.json_to_recordset(cast(judged.column(benefit.lines), JSON))
        .table_valued(
            column("component", Text), column("quantity", BigInteger), column("rate", MONEY), column("amount", MONEY)
        )
        .render_derived(name="line", with_types=True)
        .lateral()
    )
    month = case((row.on_date < first_day, func.to_char(row.on_date, "YYYY-MM")), else_=null())
    newest = (row.on_date.desc(), row.unit_id.desc())
    return (
        select(
            row.beneficiary_id,
            line.c.component,
            line.c.rate,
            month.label("for_period"),
            cast(func.sum(line.c.quantity), BigInteger).label("quantity"),
            func.sum(line.c.amount).label("amount"),
            _first(row.decision_id, newest).label("decision_id"),
            _first(row.household_id, newest).label("household_id"),
            _first(row.reference, newest).label("reference"),
            _first(row.village_code, newest).label("village_code"),
            func.bool_or(judged.column(benefit.unconfirmed)).label("unconfirmed"),
        )
        .select_from(judged.cte.join(line, true()))
        .where(judged.granted(benefit), line.c.amount > 0)
        .group_by(row.beneficiary_id, line.c.component, line.c.rate, month)
        .subquery("merged")
    )


def _first(value: ColumnElement[Any], order: tuple[ColumnElement[Any], ...]) -> ColumnElement[Any]:
    """The value of the first row of a group in this order."""
    return func.array_agg(aggregate_order_by(value, *order), type_=ARRAY(value.type))[1]


def _line_json(own: Any) -> ColumnElement[Any]:
    arrears = own.for_period.is_not(None)
    return func.json_strip_nulls(
        func.json_build_object(
            "component", own.component,
            "quantity", own.quantity,
            "rate", cast(own.rate, Text),
            "amount", cast(own.amount, Text),
            "kind", case((arrears, literal("arrears", Text)), else_=null()),
            "for_period", own.for_period,
        )
    )  # fmt: skip


_SETTLE = text(
    """
    INSERT INTO settled_event (programme_code, event_id, cycle_id)
    SELECT d.programme_code, d.unit_id, d.cycle_id
    FROM decision d
    WHERE d.cycle_id = :cycle_id AND d.unit_id IS NOT NULL AND d.qualifies
      AND EXISTS (SELECT FROM entitlement e WHERE e.cycle_id = d.cycle_id AND e.beneficiary_id = d.beneficiary_id)
      AND EXISTS (
        SELECT FROM json_each(d.lines) part, json_array_elements(part.value) line
        WHERE CAST(line ->> 'amount' AS numeric) > 0)
    """
)


async def settle_events(session: AsyncSession, cycle_id: UUID) -> int:
    """Mark the events that a closing cycle grants: no cycle of the programme grants them again.

    Returns:
        How many; none for programmes of other units.
    """
    result: Any = await session.execute(_SETTLE, {"cycle_id": cycle_id})
    return int(result.rowcount)


__all__ = ["compute_event_chunk", "settle_events"]
