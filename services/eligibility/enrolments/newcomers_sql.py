"""Who is not enrolled, and why somebody newly qualifies: the SQL of the daily look.

The cause is what changed between the last time she was refused and now, of that which the clauses that failed then
read: somebody's age passed a bound of such a clause, a baby came, the card, the place. Where nothing of these changed,
or more than one, no single cause can be named: `newly_eligible`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Table,
    Text,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from services.eligibility.decisions.model import DecisionRow, Purpose
from services.eligibility.decisions.population import Judged
from services.eligibility.enrolments.life import EnrolmentState
from services.eligibility.enrolments.model import EnrolmentRow
from services.eligibility.facts.repository import HOUSEHOLD_FACT, MEMBER_FACT, member_columns
from services.eligibility.programmes.compiled import CompiledClause, CompiledProgramme
from services.eligibility.rules.tree import Compare, Constant, Count, HouseholdFact, In, MemberFact, UnitFact, walk

ENROLMENT: Table = EnrolmentRow.__table__  # type: ignore[assignment]
DECISION: Table = DecisionRow.__table__  # type: ignore[assignment]
CARD: Final = frozenset({"card_valid", "card_days_left", "poverty_level"})
PLACE: Final = frozenset({"village_code", "location_class"})
AGES: Final = ("age", "age_months")
BABY_MONTHS: Final = 12
"""Who is new in a household and younger was born into it, even where the birth was told late."""
DECIDED_FOR: Final = [Purpose.ENROLMENT.value, Purpose.REASSESSMENT.value]


def newcomers_of(programme: CompiledProgramme, after: UUID | None, until: UUID) -> Select[UUID]:
    """Beneficiaries of an id range of households who neither take part, nor wait, nor were let go for good.

    What the platform ended begins again when she qualifies again; what an officer ended, or what was completed, does
    not.
    """
    households = programme.file.unit == "household"
    source = HOUSEHOLD_FACT.c if households else MEMBER_FACT.c
    unit = source.household_id if households else source.person_id
    e = ENROLMENT.c
    over = and_(e.state == EnrolmentState.ENDED.value, ~e.ended_for_good, e.changed_by.is_(None))
    kept = and_(e.programme_code == programme.file.code, e.beneficiary_id == unit, ~over)
    found = select(unit).where(source.household_id <= until, ~exists().where(kept))
    return found if after is None else found.where(source.household_id > after)


def cause_column(programme: CompiledProgramme, judged: Judged, version: int, on: date) -> ColumnElement[str]:
    """Why a row of `judged` qualifies now: aged_in, birth, new_card, moved, new_rules, registered or newly_eligible."""
    row, d = judged.cte.c, DECISION.c
    refused = (
        select(d.household_id, d.facts_version, d.on_date, d.failed, d.programme_version)
        .where(d.beneficiary_id == row.beneficiary_id, d.programme_code == programme.file.code, ~d.qualifies)
        .where(d.purpose.in_(DECIDED_FOR))
        .order_by(d.decided_at.desc())
        .limit(1)
        .correlate(judged.cte)
        .lateral("refused")
    )
    before, now = HOUSEHOLD_FACT.alias("before"), HOUSEHOLD_FACT.alias("now")
    was = and_(before.c.household_id == refused.c.household_id, before.c.version == refused.c.facts_version)
    found: list[tuple[str, ColumnElement[bool]]] = [
        ("aged_in", _aged(programme, row, refused.c, on)),
        ("birth", _born(programme, row, refused.c, on)),
        ("new_card", and_(_read_by(programme, refused.c, CARD), _card_differs(before.c, now.c, refused.c))),
        ("moved", and_(_read_by(programme, refused.c, PLACE), _place_differs(before.c, now.c))),
        ("new_rules", refused.c.programme_version != version),
    ]
    number: ColumnElement[int] = cast(literal(0), Integer)
    for _, holds in found:
        number = number + case((holds, 1), else_=0)
    named = case(
        (refused.c.household_id != row.household_id, literal("moved", Text)),
        (number != 1, literal("newly_eligible", Text)),
        *((holds, literal(name, Text)) for name, holds in found),
        else_=literal("newly_eligible", Text),
    )
    known = (
        select(named)
        .select_from(refused.join(now, true()).join(before, was, isouter=True))
        .where(now.c.household_id == row.household_id, now.c.version == row.version)
        .correlate(judged.cte)
        .scalar_subquery()
    )
    return func.coalesce(known, _first_seen(programme, row, on))


def _first_seen(programme: CompiledProgramme, row: Any, on: date) -> ColumnElement[str]:
    """Of those who were never refused: registered since, or born."""
    if programme.file.unit == "household":
        return literal("registered", Text)
    months = member_columns(on)["age_months"]
    baby = exists().where(*_members(row), MEMBER_FACT.c.person_id == row.beneficiary_id, months < BABY_MONTHS)
    return case((baby, literal("birth", Text)), else_=literal("registered", Text))


def _members(row: Any) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return MEMBER_FACT.c.household_id == row.household_id, MEMBER_FACT.c.version == row.version


def _failed(refused: Any, ids: Collection[str]) -> ColumnElement[bool]:
    """One of these clauses failed then."""
    return refused.failed.overlap(cast(list(ids), ARRAY(Text))) if ids else false()


def _read_by(programme: CompiledProgramme, refused: Any, facts: frozenset[str]) -> ColumnElement[bool]:
    ids = [
        clause.id
        for clause in programme.clauses
        if any(isinstance(node, HouseholdFact) and node.name in facts for node in walk(clause.rule))
    ]
    return _failed(refused, ids)


def _card_differs(before: Any, now: Any, refused: Any) -> ColumnElement[bool]:
    """Another card, or the one she had has begun since."""
    other = or_(*(before[n].is_distinct_from(now[n]) for n in ("poverty_level", "card_valid_from", "card_valid_until")))
    return or_(other, func.coalesce(now.card_valid_from > refused.on_date, False))


def _place_differs(before: Any, now: Any) -> ColumnElement[bool]:
    return or_(*(before[name].is_distinct_from(now[name]) for name in PLACE))


def _born(programme: CompiledProgramme, row: Any, refused: Any, on: date) -> ColumnElement[bool]:
    """A baby is in the household who was not there, and a clause that failed counts members."""
    counting = [c.id for c in programme.clauses if any(isinstance(node, Count) for node in walk(c.rule))]
    earlier = MEMBER_FACT.alias("earlier").c
    there = exists().where(
        earlier.household_id == refused.household_id,
        earlier.version == refused.facts_version,
        earlier.person_id == MEMBER_FACT.c.person_id,
    )
    baby = exists().where(*_members(row), member_columns(on)["age_months"] < BABY_MONTHS, ~there)
    return and_(_failed(refused, counting), baby)


def _aged(programme: CompiledProgramme, row: Any, refused: Any, on: date) -> ColumnElement[bool]:
    """Somebody passed an age that a clause which failed then compares with; she was alive then."""
    then, now, member = member_columns(refused.on_date), member_columns(on), MEMBER_FACT.c
    found: list[ColumnElement[bool]] = []
    for clause in programme.clauses:
        for own in (False, True):
            passed = [and_(then[age] < bound, now[age] >= bound) for age, bound in age_bounds(clause, own=own)]
            if passed:
                whose = member.person_id == row.beneficiary_id if own else true()
                someone = exists().where(*_members(row), whose, member.birth_date <= refused.on_date, or_(*passed))
                found.append(and_(_failed(refused, [clause.id]), someone))
    return or_(false(), *found)


def age_bounds(clause: CompiledClause, *, own: bool) -> list[tuple[str, int]]:
    """Ages at which a clause may turn: (`age` or `age_months`, number). Pure.

    Args:
        own: of the person who is the unit; else of members.
    """
    bounds: set[tuple[str, int]] = set()
    for node in walk(clause.rule):
        if isinstance(node, Compare):
            left, right = _age(node.left, own=own), _age(node.right, own=own)
            name, other = (left, node.right) if left is not None else (right, node.left)
            if name is not None and isinstance(other, Constant):
                # `age > 59` and `age <= 59` turn at 60, and so do `59 < age` and `59 >= age`.
                later = (">", "<=") if left is not None else ("<", ">=")
                bounds.add((name, int(other.value) + (1 if node.op in later else 0)))
        elif isinstance(node, In):
            name = _age(node.item, own=own)
            bounds |= {(name, int(option)) for option in node.options} if name is not None else set()
    return sorted(bounds)


def _age(node: Any, *, own: bool) -> str | None:
    """The age that a node is, of the person or of a member; None: it is none."""
    if own:
        name = node.name.removeprefix("person.") if isinstance(node, UnitFact) else ""
    else:
        name = node.name if isinstance(node, MemberFact) else ""
    return name if name in AGES else None
