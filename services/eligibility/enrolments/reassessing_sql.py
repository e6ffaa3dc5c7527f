"""Judging running enrolments again, set-wise, and what follows from it: the verdicts.

A verdict is the action that the programme's own rules ask for; whether the enrolment's state allows it is said by
enrolments/life.py when it is carried out. An enrolment under appeal with effect `continue` gets none.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Date,
    Integer,
    MetaData,
    Numeric,
    Select,
    Table,
    Text,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.decisions.exclusions import at_enrolment
from services.eligibility.decisions.model import Purpose, StandingRow
from services.eligibility.decisions.population import Judged, judge_population
from services.eligibility.decisions.tell_decisions import differing, telling
from services.eligibility.enrolments.enrolling_sql import insert_decisions
from services.eligibility.enrolments.life import Action, EnrolmentState
from services.eligibility.enrolments.model import EnrolmentRow
from services.eligibility.enrolments.transitions import move
from services.eligibility.facts.model import HouseholdFactRow, LifeEventRow, MemberFactRow
from services.eligibility.facts.units import units_in_force
from services.eligibility.programmes.compiled import CompiledProgramme
from services.eligibility.rules.tree import HouseholdFact, walk

ENROLMENT: Table = EnrolmentRow.__table__  # type: ignore[assignment]
STANDING: Table = StandingRow.__table__  # type: ignore[assignment]
F, L, M = HouseholdFactRow, LifeEventRow, MemberFactRow
CARD_FACTS: Final = frozenset({"card_valid", "card_days_left"})
RUNNING: Final = [state.value for state in EnrolmentState if state.running]
VERDICT = Table(
    "verdict",
    MetaData(),
    Column("id", PG_UUID, primary_key=True),
    Column("action", Text),
    Column("cause", Text),
    Column("until", Date),
    Column("decision_id", PG_UUID),
    Column("village_code", Text),
    Column("household_id", PG_UUID),
    Column("for_good", Boolean),
    Column("card_valid_until", Date),
    Column("rank_key", ARRAY(BigInteger)),
    Column("expected_amount", Numeric(18, 2)),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)
"""Of this transaction alone."""
_CREATE: Final = text(
    "CREATE TEMPORARY TABLE verdict (id uuid PRIMARY KEY, action text, cause text, until date, decision_id uuid, "
    "village_code text, household_id uuid, for_good boolean, card_valid_until date, rank_key bigint[], "
    "expected_amount numeric(18, 2)) ON COMMIT DROP"
)
_DROP: Final = text("DROP TABLE IF EXISTS pg_temp.verdict")
ORDER: Final = (Action.END, Action.GRADUATE, Action.SUSPEND, Action.RESUME, Action.MOVE)


def running_of(code: str) -> Select[UUID]:
    """Beneficiaries whose enrolment runs: all of them are judged again when a day begins."""
    return select(ENROLMENT.c.beneficiary_id).where(ENROLMENT.c.programme_code == code, ENROLMENT.c.state.in_(RUNNING))


def changed_of(code: str) -> Select[UUID]:
    """Beneficiaries of whose household something newer is known than when they were last judged."""
    newer = exists().where(F.household_id == STANDING.c.household_id, F.version > STANDING.c.facts_version)
    return select(STANDING.c.beneficiary_id).where(STANDING.c.programme_code == code, newer)


async def reassess_chunk(
    session: AsyncSession,
    programme: CompiledProgramme,
    version: int,
    on: date,
    only: Select[UUID],
    *,
    after: UUID | None,
    until: UUID,
    by: str | None = None,
) -> dict[Action, int]:
    """Judge these beneficiaries of an id range again and carry out what follows.

    Returns:
        How many enrolments changed, by action.
    """
    code = programme.file.code
    facts = units_in_force(programme, on, after=after, until=until, only=only)
    judged = judge_population(
        programme, facts, on, decision_key=(code, str(version), on.isoformat()),
        exclusions=at_enrolment(programme.file.exclusivity),
    )  # fmt: skip
    differ = differing(judged, code, version)
    told = telling(differ, code, version, on, by)
    decided = insert_decisions(judged, code, version, on, Purpose.REASSESSMENT, differ)
    await session.execute(_DROP)
    await session.execute(_CREATE)
    verdicts = _verdicts(judged, programme, on, only, after, until)
    columns = [column.name for column in VERDICT.c]
    chosen = verdicts.subquery("chosen")
    statement = pg_insert(VERDICT).from_select(columns, select(*(chosen.c[name] for name in columns)))
    await session.execute(statement.add_cte(decided, *told))
    await _seen(session, code, only, after, until)
    await _refresh(session)
    return {action: await move(session, _of(action), action, on, by) for action in ORDER}


def _of(action: Action) -> Select[Any]:
    row = VERDICT.c
    columns: list[ColumnElement[Any]] = [row.id, row.decision_id]
    if action is Action.MOVE:
        columns += [row.village_code, row.household_id]
    else:
        columns += [row.cause]
    if action is Action.SUSPEND:
        columns += [row.until]
    if action is Action.END:
        columns += [row.for_good]
    return select(*columns).where(row.action == action.value)


def _verdicts(
    judged: Judged, programme: CompiledProgramme, on: date, only: Select[UUID], after: UUID | None, until: UUID
) -> Select[Any]:
    e, j = ENROLMENT.c, judged.cte.c
    action, cause, pause_until, for_good = _what_follows(judged, programme, on)
    known = j.beneficiary_id.is_not(None)
    again = case((and_(known, j.qualifies.is_not(None)), j.decision_id), else_=e.decision_id)
    rows = (
        select(
            e.id,
            action.label("action"),
            cause.label("cause"),
            pause_until.label("until"),
            case((action.is_not(None), again), else_=e.decision_id).label("decision_id"),
            func.coalesce(j.village_code, e.village_code).label("village_code"),
            func.coalesce(j.household_id, e.household_id).label("household_id"),
            for_good.label("for_good"),
            j.card_valid_until.label("card_valid_until"),
            j.rank_key.label("rank_key"),
            judged.expected().label("expected_amount"),
            known.label("known"),
            or_(
                e.card_valid_until.is_distinct_from(j.card_valid_until),
                and_(e.state == EnrolmentState.WAITLISTED.value, e.rank_key.is_distinct_from(j.rank_key)),
            ).label("stale"),
        )
        .join_from(ENROLMENT, judged.cte, j.beneficiary_id == e.beneficiary_id, isouter=True)
        .where(e.programme_code == programme.file.code, e.state.in_(RUNNING), ~e.appeal_hold)
        .where(e.beneficiary_id.in_(only), or_(known, _in_range(e.household_id, after, until)))
    )
    found = rows.subquery("found")
    return select(found).where(or_(found.c.action.is_not(None), and_(found.c.known, found.c.stale)))


def _in_range(column: ColumnElement[Any], after: UUID | None, until: UUID) -> ColumnElement[bool]:
    return column <= until if after is None else and_(column > after, column <= until)


def _what_follows(
    judged: Judged, programme: CompiledProgramme, on: date
) -> tuple[ColumnElement[Any], ColumnElement[Any], ColumnElement[Any], ColumnElement[Any]]:
    """(action, cause, until, for good) of each enrolment, the first that applies."""
    e, j = ENROLMENT.c, judged.cte.c
    day = literal(on, Date)
    approved, suspended = e.state == EnrolmentState.APPROVED.value, e.state == EnrolmentState.SUSPENDED.value
    by_card = (
        j.failed.contained_by(cast(_card_clauses(programme), ARRAY(Text))) if programme.clauses else literal(False)
    )
    grace_until = cast(j.card_valid_until + programme.file.grace_days, Date)
    months = func.make_interval(0, cast(func.coalesce(j.duration, 0), Integer))
    over = and_(j.duration.is_not(None), cast(e.effective_on + months, Date) <= day)
    dead = exists().where(L.person_id == e.beneficiary_id, L.kind == "death", ~L.withdrawn)
    moved = or_(e.village_code != j.village_code, e.household_id != j.household_id)
    gone = and_(j.beneficiary_id.is_(None), ~_elsewhere())
    again = and_(suspended, e.changed_by.is_(None), j.suspension.is_(None), e.cause != "appeal")
    in_grace = and_(~j.qualifies, by_card, grace_until >= day)
    branches: list[tuple[ColumnElement[bool], Action | None, Any, Any]] = [
        (and_(gone, dead), Action.END, literal("deceased", Text), None),
        (gone, Action.END, literal("no_longer_registered", Text), None),
        (and_(in_grace, approved), Action.SUSPEND, literal("card_expired", Text), grace_until),
        (in_grace, None, None, None),
        (and_(~j.qualifies, by_card), Action.END, literal("card_expired", Text), None),
        (~j.qualifies, Action.END, literal("clause.", Text) + j.failed[1], None),
        (over, Action.GRADUATE, literal("duration_over", Text), None),
        (and_(j.suspension.is_not(None), approved), Action.SUSPEND, literal("rule.", Text) + j.suspension, None),
        (again, Action.RESUME, literal("eligible_again", Text), None),
        (and_(suspended, e.suspended_until < day), Action.RESUME, literal("pause_over", Text), None),
        (moved, Action.MOVE, None, None),
    ]  # fmt: skip
    return (
        case(*((when, literal(act.value, Text) if act else null()) for when, act, _, _ in branches), else_=null()),
        case(*((when, why if why is not None else null()) for when, _, why, _ in branches), else_=null()),
        case(*((when, end if end is not None else cast(null(), Date)) for when, _, _, end in branches), else_=null()),
        and_(gone, dead),
    )


def _elsewhere() -> ColumnElement[bool]:
    """Whether the person is now a member of another household: it may lie in another range, which judges her."""
    newest = select(func.max(F.version)).where(F.household_id == M.household_id).correlate(M).scalar_subquery()
    return exists().where(
        M.person_id == ENROLMENT.c.beneficiary_id, M.household_id != ENROLMENT.c.household_id, M.version == newest
    )


def _card_clauses(programme: CompiledProgramme) -> list[str]:
    """Clauses that hang on the card: those have a grace."""
    return [
        clause.id
        for clause in programme.clauses
        if any(isinstance(node, HouseholdFact) and node.name in CARD_FACTS for node in walk(clause.rule))
    ]


async def _seen(session: AsyncSession, code: str, only: Select[UUID], after: UUID | None, until: UUID) -> None:
    """Remember up to which facts each was judged, so that the next look begins there."""
    newest = (
        select(F.household_id, func.max(F.version).label("version"))
        .where(F.household_id <= until)
        .where(F.household_id > after if after is not None else literal(True))
        .group_by(F.household_id)
        .subquery("newest")
    )
    await session.execute(
        update(STANDING)
        .where(STANDING.c.programme_code == code, STANDING.c.household_id == newest.c.household_id)
        .where(STANDING.c.facts_version < newest.c.version, STANDING.c.beneficiary_id.in_(only))
        .values(facts_version=newest.c.version)
    )


async def _refresh(session: AsyncSession) -> None:
    """What lists show: the card's end, the waiting-list key, what a period costs. No change of the enrolment itself."""
    await session.execute(
        update(ENROLMENT)
        .where(ENROLMENT.c.id == VERDICT.c.id, VERDICT.c.expected_amount.is_not(None))
        .values(
            card_valid_until=VERDICT.c.card_valid_until,
            rank_key=VERDICT.c.rank_key,
            expected_amount=VERDICT.c.expected_amount,
        )
    )
