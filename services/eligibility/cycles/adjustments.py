"""Late corrections: closed cycles judged again by what is known now; the difference is paid or taken in this cycle.

A closed cycle is never rewritten (fault 19). Only beneficiaries of whom something newer is known that held on its
reference
date are judged again: with the version of that cycle, on its reference date. Arrears are added in full. Recovery is
taken
off up to the cap, oldest period first; what is left is found again by the next cycle, because it still differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CTE,
    Date,
    Integer,
    Select,
    Table,
    Text,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    union,
    union_all,
)
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.conditions.model import ConditionEventRow
from services.eligibility.cycles.model import AdjustmentRow, CycleRow, CycleState, EntitlementRow
from services.eligibility.decisions.exclusions import at_payment
from services.eligibility.decisions.model import DecisionRow, Purpose
from services.eligibility.decisions.population import MONEY, BenefitColumns, Judged, judge_population
from services.eligibility.facts.model import HouseholdFactRow
from services.eligibility.facts.units import units_in_force
from services.eligibility.model import AnyRow
from services.eligibility.programmes.compiled import CompiledProgramme
from shared.money import exponent

DECISION: Table = DecisionRow.__table__  # type: ignore[assignment]
ADJUSTMENT: Table = AdjustmentRow.__table__  # type: ignore[assignment]
ENTITLEMENT: Table = EntitlementRow.__table__  # type: ignore[assignment]
CYCLE: Table = CycleRow.__table__  # type: ignore[assignment]
F, V = HouseholdFactRow, ConditionEventRow
LAST_ID: Final = UUID(int=(1 << 128) - 1)


@dataclass(frozen=True)
class Policy:
    """What of a difference is put right: read from the programme's file."""

    arrears: bool
    recovery: bool


async def find_adjustments(
    session: AsyncSession, programme: CompiledProgramme, past: AnyRow, cycle_id: UUID, policy: Policy
) -> int:
    """Store the differences of one closed cycle as adjustments of an open one, recovery uncapped yet.

    Args:
        programme: the version with which `past` was computed.
        past: row of the closed cycle.
        cycle_id: the open cycle that puts it right.

    Returns:
        How many were found.
    """
    on = past.reference_date
    facts = units_in_force(programme, on, after=None, until=LAST_ID, only=_candidates(programme, past))
    judged = judge_population(
        programme, facts, on, decision_key=(str(past.id), Purpose.CORRECTION.value),
        exclusions=at_payment(programme.file.exclusivity, past.payment_number),
    )  # fmt: skip
    parts = [_difference(judged, benefit, past.id) for benefit in judged.payable]
    if not parts:
        return 0
    found = union_all(*parts).cte("found").prefix_with("MATERIALIZED")
    arrears, recovery = found.c.right_amount > found.c.was_amount, found.c.right_amount < found.c.was_amount
    wanted = or_(and_(arrears, literal(policy.arrears)), and_(recovery, literal(policy.recovery)))
    values: dict[str, Any] = {
        "programme_code": literal(past.programme_code, Text),
        "for_cycle_id": literal(past.id, PG_UUID),
        "for_period": literal(past.period, Text),
        "cycle_id": literal(cycle_id, PG_UUID),
        "kind": case((arrears, literal("arrears", Text)), else_=literal("recovery", Text)),
        "amount": func.abs(found.c.right_amount - found.c.was_amount),
        **{column.name: column for column in found.c if column.name not in ("facts_hash", "qualifies", "failed")},
    }
    statement = pg_insert(ADJUSTMENT).from_select(list(values), select(*values.values()).where(wanted))
    decided = _decisions(found, past, wanted)
    result: Any = await session.execute(statement.add_cte(decided))
    return int(result.rowcount)


def _candidates(programme: CompiledProgramme, past: AnyRow) -> Select[UUID]:
    """Who was decided on in the cycle and of whom something newer is known that held on its reference date."""
    newer = exists().where(
        F.household_id == DECISION.c.household_id,
        F.version > DECISION.c.facts_version,
        F.effective_on <= past.reference_date,
    )
    decided = select(DECISION.c.beneficiary_id).where(DECISION.c.cycle_id == past.id)
    changed = decided.where(newer)
    if not programme.file.conditions or programme.file.unit == "household":
        return changed
    late = exists().where(
        V.person_id == DECISION.c.beneficiary_id, V.recorded_at > past.known_at, V.occurred_on <= past.last_day
    )
    either = union(changed, decided.where(late)).subquery()
    return select(either.c.beneficiary_id)


def _difference(judged: Judged, benefit: BenefitColumns, past_id: UUID) -> Select[Any]:
    """Of one component: what had been granted for the cycle until now, and what is right."""
    row, granted = judged.cte.c, ENTITLEMENT.c
    component = literal(benefit.component, Text)
    signed = case((ADJUSTMENT.c.kind == "arrears", ADJUSTMENT.c.amount), else_=-ADJUSTMENT.c.amount)
    own = and_(ADJUSTMENT.c.beneficiary_id == row.beneficiary_id, ADJUSTMENT.c.component == benefit.component)
    total = func.coalesce(func.sum(signed), 0)
    within = select(total).where(own, ADJUSTMENT.c.cycle_id == past_id).correlate(judged.cte).scalar_subquery()
    final = select(CYCLE.c.id).where(CYCLE.c.state == CycleState.CLOSED.value)
    since = (
        select(total)
        .where(own, ADJUSTMENT.c.for_cycle_id == past_id, ADJUSTMENT.c.cycle_id.in_(final))
        .correlate(judged.cte)
        .scalar_subquery()
    )
    was = cast(func.coalesce(granted.amount, 0) - within + since, MONEY)
    # Without a rate nobody can say what is right: then nothing is put right.
    amount = judged.column(benefit.amount)
    right = case((~row.qualifies, cast(literal(0), MONEY)), (judged.column(benefit.priced), amount), else_=was)
    mine = and_(
        granted.cycle_id == past_id,
        granted.beneficiary_id == row.beneficiary_id,
        granted.component == benefit.component,
    )
    return select(
        row.beneficiary_id,
        row.household_id,
        row.reference.label("beneficiary_reference"),
        row.village_code,
        component.label("component"),
        was.label("was_amount"),
        cast(right, MONEY).label("right_amount"),
        row.version.label("facts_version"),
        row.decision_id,
        row.facts_hash,
        row.qualifies,
        row.failed,
    ).join_from(judged.cte, ENTITLEMENT, mine, isouter=True)


def _decisions(found: CTE, past: AnyRow, wanted: Any) -> CTE:
    """The decision that explains each adjustment; found again by a later computation, it is the same."""
    columns = {
        "id": found.c.decision_id,
        "purpose": literal(Purpose.CORRECTION.value, Text),
        "programme_code": literal(past.programme_code, Text),
        "programme_version": literal(past.programme_version, Integer),
        "beneficiary_id": found.c.beneficiary_id,
        "household_id": found.c.household_id,
        "beneficiary_reference": found.c.beneficiary_reference,
        "village_code": found.c.village_code,
        "facts_version": found.c.facts_version,
        "facts_hash": found.c.facts_hash,
        "on_date": literal(past.reference_date, Date),
        "qualifies": found.c.qualifies,
        "failed": found.c.failed,
    }
    source = select(*columns.values()).where(wanted)  # once a component: the conflict keeps the first
    written = pg_insert(DECISION).from_select(list(columns), source)
    return written.on_conflict_do_nothing(index_elements=["id"]).cte("decided")


_CAP = text(
    """
    WITH benefit AS (
      SELECT beneficiary_id, component, trunc(amount * cast(:cap AS int) / 100, cast(:digits AS int)) AS share, amount
      FROM entitlement WHERE cycle_id = cast(:cycle AS uuid)
    ), ordered AS (
      SELECT a.id, a.amount,
             sum(a.amount) OVER (PARTITION BY a.beneficiary_id, a.component ORDER BY a.for_period, a.id) - a.amount AS
             before,
             coalesce(least(b.share, b.amount - power(10::numeric, -cast(:digits AS int))), 0) AS most
      FROM adjustment a LEFT JOIN benefit b USING (beneficiary_id, component)
      WHERE a.cycle_id = cast(:cycle AS uuid) AND a.kind = 'recovery'
    ), taken AS (
      SELECT id, least(amount, greatest(most - before, 0)) AS amount FROM ordered
    ), refused AS (
      DELETE FROM adjustment USING taken WHERE adjustment.id = taken.id AND taken.amount <= 0
    )
    UPDATE adjustment SET amount = taken.amount FROM taken WHERE adjustment.id = taken.id AND taken.amount > 0
    """
)
"""Take at most the cap of this cycle's benefit, oldest period first, and leave at least the smallest unit of it."""

_APPLY = text(
    """
    WITH adjusting AS (
      SELECT beneficiary_id, component,
             sum(CASE kind WHEN 'arrears' THEN amount ELSE -amount END) AS difference,
             string_agg(json_build_object('component', component, 'quantity', 1, 'rate', amount::text,
                        'amount', amount::text, 'kind', kind, 'for_period', for_period)::text, ', '
                        ORDER BY for_period, kind) AS more
      FROM adjustment WHERE cycle_id = cast(:cycle AS uuid) GROUP BY beneficiary_id, component
    ), raised AS (
      UPDATE entitlement e
      SET amount = e.amount + a.difference, lines = (rtrim(e.lines::text, ']') || ', ' || a.more || ']')::json
      FROM adjusting a
      WHERE e.cycle_id = cast(:cycle AS uuid) AND e.beneficiary_id = a.beneficiary_id AND e.component = a.component
      RETURNING e.beneficiary_id, e.component
    )
    INSERT INTO entitlement (cycle_id, id, decision_id, beneficiary_id, household_id, beneficiary_reference,
                             village_code, component, amount, lines, digest)
    SELECT cast(:cycle AS uuid), deterministic_uuid('entitlement', cast(:code AS text), cast(:cycle AS uuid)::text,
    a.beneficiary_id::text, a.component),
           last.decision_id, a.beneficiary_id, last.household_id, last.beneficiary_reference, last.village_code,
           a.component, a.difference, ('[' || a.more || ']')::json, ''::bytea
    FROM adjusting a
    JOIN LATERAL (
      SELECT * FROM adjustment x
      WHERE x.cycle_id = cast(:cycle AS uuid) AND x.beneficiary_id = a.beneficiary_id AND x.component = a.component
      ORDER BY x.for_period DESC LIMIT 1
    ) last ON true
    LEFT JOIN raised ON raised.beneficiary_id = a.beneficiary_id AND raised.component = a.component
    WHERE raised.component IS NULL AND a.difference > 0
    """
)
"""Add the adjustments to the cycle's entitlements; who gets only arrears gets an entitlement of them."""

_DIGEST = text(
    """
    UPDATE entitlement e SET digest = sha256(convert_to(concat_ws('|', e.id::text, e.beneficiary_id::text, e.component,
      e.amount::text, (
        SELECT string_agg(concat_ws(':', l ->> 'component', l ->> 'quantity', l ->> 'rate', l ->> 'amount',
                                    l ->> 'kind', l ->> 'for_period'), '|' ORDER BY n)
        FROM json_array_elements(e.lines) WITH ORDINALITY AS item(l, n)
      )), 'UTF8'))
    FROM (SELECT DISTINCT beneficiary_id, component FROM adjustment WHERE cycle_id = cast(:cycle AS uuid)) a
    WHERE e.cycle_id = cast(:cycle AS uuid) AND e.beneficiary_id = a.beneficiary_id AND e.component = a.component
    """
)
"""The digest of what was changed, in the form of cycles/content_hash.py."""


async def apply_adjustments(session: AsyncSession, cycle: AnyRow, cap_percent: int) -> None:
    """Cap the recoveries and put all adjustments of a cycle into its entitlements. Once a computation."""
    values = {"cycle": cycle.id}
    await session.execute(_CAP, values | {"cap": cap_percent, "digits": exponent(cycle.currency)})
    await session.execute(_APPLY, values | {"code": cycle.programme_code})
    await session.execute(_DIGEST, values)
