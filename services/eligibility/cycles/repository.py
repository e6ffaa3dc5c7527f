"""SQL of cycles: opening, reading, states, totals. Entitlements of a population are in cycles/entitlements.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Text, and_, cast, delete, func, literal, select, text, true, tuple_, update
from sqlalchemy.dialects.postgresql import BYTEA, JSONB, aggregate_order_by, insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.chunks import Range
from services.eligibility.cycles.model import AdjustmentRow, CycleRow, CycleState, EntitlementRow
from services.eligibility.decisions.model import DecisionRow
from services.eligibility.enrolments.model import EnrolmentRow, EnrolmentState
from services.eligibility.model import AnyRow
from services.eligibility.programmes.file import ProgrammeFile
from services.eligibility.programmes.periods import PeriodDates
from shared.auth import Principal, in_area

C, G, D, A = CycleRow, EntitlementRow, DecisionRow, AdjustmentRow
_CYCLE = tuple(CycleRow.__table__.c)


@dataclass(frozen=True)
class Totals:
    """Control totals of a cycle, from its entitlements as they are stored.

    Attributes:
        by_component: {"component", "province_code", "count", "amount" (decimal text)}, ordered.
        content_hash: see cycles/content_hash.py.
    """

    count: int
    amount: Decimal
    by_component: list[dict[str, Any]]
    content_hash: str


async def open_cycle(
    session: AsyncSession, file: ProgrammeFile, version: int, period: str, dates: PeriodDates, subject: str
) -> UUID | None:
    """Insert a cycle; None if the programme has one for this period."""
    statement = (
        insert(C)
        .values(
            programme_code=file.code,
            programme_version=version,
            period=period,
            reference_date=dates.reference_date,
            last_day=dates.last_day,
            window_from=dates.window_from,
            window_until=dates.window_until,
            payment_number=dates.payment_number,
            currency=file.currency,
            funding_line=file.funding_line,
            opened_by=subject,
        )
        .on_conflict_do_nothing(constraint="uq_cycle_programme_code_period")
        .returning(C.id)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def find(session: AsyncSession, cycle_id: UUID, *, lock: bool = False) -> AnyRow | None:
    """One cycle, or None; with `lock` it is held until the transaction ends."""
    statement = select(*_CYCLE).where(C.id == cycle_id)
    return (await session.execute(statement.with_for_update() if lock else statement)).one_or_none()


async def find_id(session: AsyncSession, code: str, period: str) -> UUID | None:
    """The cycle of a programme and period."""
    return await session.scalar(select(C.id).where(C.programme_code == code, C.period == period))


async def list_cycles(session: AsyncSession, code: str | None, after: UUID | None, limit: int) -> Sequence[AnyRow]:
    """Cycles, oldest first, of one programme or all."""
    statement = select(*_CYCLE).order_by(C.id).limit(limit)
    if code is not None:
        statement = statement.where(C.programme_code == code)
    if after is not None:
        statement = statement.where(C.id > after)
    return (await session.execute(statement)).all()


_STATISTICS = (
    text("ANALYZE entitlement (cycle_id, beneficiary_id, component)"),
    text("ANALYZE decision (cycle_id, beneficiary_id, unit_id)"),
)


async def refresh_statistics(session: AsyncSession) -> None:
    """Let the planner know of the rows that a computation has written: only the columns that joins go by."""
    for statement in _STATISTICS:
        await session.execute(statement)


async def begin_computation(
    session: AsyncSession, cycle_id: UUID, file: ProgrammeFile, version: int, dates: PeriodDates, known_at: datetime
) -> None:
    """Set the version to compute with, and clear what an earlier computation left."""
    await session.execute(delete(G).where(G.cycle_id == cycle_id))
    await session.execute(delete(D).where(D.cycle_id == cycle_id))
    await session.execute(delete(A).where(A.cycle_id == cycle_id))
    await session.execute(
        update(C)
        .where(C.id == cycle_id)
        .values(
            state=CycleState.COMPUTING,
            programme_version=version,
            reference_date=dates.reference_date,
            window_from=dates.window_from,
            window_until=dates.window_until,
            payment_number=dates.payment_number,
            known_at=known_at,
            currency=file.currency,
            funding_line=file.funding_line,
            unconfirmed_rates=[],
            comparison=None,
            comparison_hash=None,
            benefit_amount=None,
            arrears_amount=None,
            recovery_amount=None,
            entitlement_count=None,
            amount=None,
            totals=None,
            content_hash=None,
            unpriced=None,
            computed_at=None,
        )
    )


async def totals_of(session: AsyncSession, cycle_id: UUID) -> Totals:
    """Count, sum, totals by component and province, and content hash, from the entitlements themselves."""
    mine = G.cycle_id == cycle_id
    province = func.left(G.village_code, 2)
    groups = await session.execute(
        select(G.component, province, func.count(), func.sum(G.amount))
        .where(mine)
        .group_by(G.component, province)
        .order_by(G.component, province)
    )
    by_component = [
        {"component": component, "province_code": code, "count": count, "amount": str(amount)}
        for component, code, count, amount in groups
    ]
    joined = func.string_agg(G.digest, aggregate_order_by(literal(b"", BYTEA), G.id))
    digest = await session.scalar(
        select(func.encode(func.sha256(func.coalesce(joined, literal(b"", BYTEA))), "hex", type_=Text())).where(mine)
    )
    assert digest is not None
    return Totals(
        count=sum(total["count"] for total in by_component),
        amount=sum((Decimal(total["amount"]) for total in by_component), Decimal(0)),
        by_component=by_component,
        content_hash=digest,
    )


async def count_unpriced(session: AsyncSession, cycle_id: UUID) -> int:
    """Beneficiaries that qualify and get nothing for want of a rate: a line of theirs has none."""
    kept = (
        select(cast(D.lines, JSONB).label("lines"))
        .where(D.cycle_id == cycle_id, D.qualifies, D.lines.is_not(None))
        .cte("kept")
        .prefix_with("MATERIALIZED")
    )
    missing = kept.c.lines.path_exists("$.*[*] ? (@.rate == null)")
    return await session.scalar(select(func.count()).select_from(kept).where(missing)) or 0


async def adjusted(session: AsyncSession, cycle_id: UUID) -> dict[str, Decimal]:
    """Sums of this cycle's adjustments by kind."""
    rows = await session.execute(select(A.kind, func.sum(A.amount)).where(A.cycle_id == cycle_id).group_by(A.kind))
    return {row[0]: row[1] for row in rows}


async def used_unconfirmed(session: AsyncSession, cycle_id: UUID) -> int:
    """Entitlements in which a rate awaits confirmation."""
    return await session.scalar(select(func.count()).where(G.cycle_id == cycle_id, G.unconfirmed)) or 0


async def finish_computation(session: AsyncSession, cycle_id: UUID, totals: Totals, **values: Any) -> None:
    """Record the totals and what else the computation found; the cycle can be closed now."""
    await session.execute(
        update(C)
        .where(C.id == cycle_id)
        .values(
            state=CycleState.COMPUTED,
            entitlement_count=totals.count,
            amount=totals.amount,
            totals=totals.by_component,
            content_hash=totals.content_hash,
            **values,
        )
    )


async def previous_cycle(session: AsyncSession, code: str, period: str) -> AnyRow | None:
    """The closed cycle of the programme before this period, the nearest."""
    statement = (
        select(*_CYCLE)
        .where(C.programme_code == code, C.period < period, C.state == CycleState.CLOSED)
        .order_by(C.period.desc())
        .limit(1)
    )
    return (await session.execute(statement)).one_or_none()


async def closing_before(session: AsyncSession, cycle: AnyRow) -> bool:
    """Whether an earlier cycle of the programme is being closed just now."""
    statement = select(C.id).where(
        C.programme_code == cycle.programme_code, C.period < cycle.period, C.state == CycleState.CLOSING
    )
    return (await session.execute(statement.limit(1))).first() is not None


async def closed_since(session: AsyncSession, code: str, since: str, before: str) -> Sequence[AnyRow]:
    """Closed cycles of a programme with since <= period < before, oldest first; 120 at most."""
    statement = (
        select(*_CYCLE)
        .where(C.programme_code == code, C.period >= since, C.period < before, C.state == CycleState.CLOSED)
        .order_by(C.period)
        .limit(120)
    )
    return (await session.execute(statement)).all()


async def set_state(session: AsyncSession, cycle_id: UUID, state: CycleState, **values: Any) -> None:
    """Move a cycle to a state."""
    await session.execute(update(C).where(C.id == cycle_id).values(state=state, **values))


def enrolled_by(code: str, last_day: date, within: Range | None = None) -> Select[UUID]:
    """Subquery of beneficiaries that take part in a programme by the last day of a period.

    Args:
        within: range of ids in which they lie: each range of a large programme then reads its own rows alone.
    """
    return select(EnrolmentRow.beneficiary_id).where(
        and_(
            EnrolmentRow.programme_code == code,
            EnrolmentRow.state == EnrolmentState.APPROVED,
            EnrolmentRow.effective_on <= last_day,
            true() if within is None else within.holds(EnrolmentRow.beneficiary_id),
        )
    )


async def list_entitlements(
    session: AsyncSession, principal: Principal, cycle_id: UUID, after: tuple[UUID, str] | None, limit: int
) -> Sequence[AnyRow]:
    """Entitlements of a cycle in the caller's area, in the order of beneficiary and component."""
    statement = (
        select(
            G.id,
            G.decision_id,
            G.beneficiary_id,
            G.beneficiary_reference,
            G.village_code,
            G.component,
            G.amount,
            G.lines,
            G.unconfirmed,
        )
        .where(G.cycle_id == cycle_id, in_area(principal, G.village_code))
        .order_by(G.beneficiary_id, G.component)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(G.beneficiary_id, G.component) > after)
    return (await session.execute(statement)).all()


async def list_adjustments(
    session: AsyncSession, principal: Principal, cycle_id: UUID, after: UUID | None, limit: int
) -> Sequence[AnyRow]:
    """Adjustments paid or taken in a cycle, in the caller's area."""
    statement = (
        select(*AdjustmentRow.__table__.c)
        .where(A.cycle_id == cycle_id, in_area(principal, A.village_code))
        .order_by(A.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(A.id > after)
    return (await session.execute(statement)).all()
