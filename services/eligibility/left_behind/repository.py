"""SQL of who is left behind: one row a beneficiary with the reason, from what stands, enrolments and payments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.model import AnyRow
from shared.auth import Principal

Kind = Literal["not_enrolled", "blocked", "not_paid"]
By = Literal["place", "sex", "age", "disability"]

_IN_PLACE: Final = "AND starts_with(village, cast(:place AS text))"
_IN_AREA: Final = """
      AND (cast(:national AS boolean) OR EXISTS (
            SELECT FROM unnest(cast(:areas AS text[])) area WHERE starts_with(village, area)))
"""
_NOT_ENROLLED: Final = """
    SELECT s.beneficiary_id, s.household_id, s.facts_version, s.village_code AS village, n.beneficiary_reference AS
    reference,
           CASE WHEN n.id IS NULL THEN 'never_enrolled' WHEN n.state = 'waitlisted' THEN 'waitlisted'
                ELSE n.state || '.' || coalesce(n.cause, 'unknown') END AS reason
    FROM standing s LEFT JOIN enrolment n ON n.beneficiary_id = s.beneficiary_id AND n.programme_code = s.programme_code
    WHERE s.programme_code = :code AND s.qualifies AND (n.id IS NULL OR n.state IN ('waitlisted', 'ended'))
"""
_BLOCKED: Final = """
    SELECT s.beneficiary_id, s.household_id, s.facts_version, s.village_code AS village, cast(NULL AS text) AS
    reference,
           'clause.' || s.failed[1] || CASE WHEN cardinality(s.failed) = 1 THEN '.alone' ELSE '' END AS reason
    FROM standing s WHERE s.programme_code = :code AND NOT s.qualifies
"""
_NOT_PAID: Final = """
    SELECT beneficiary_id, household_id, facts_version, village, reference, min(reason) AS reason FROM (
      SELECT g.beneficiary_id, g.household_id, d.facts_version, g.village_code AS village,
             g.beneficiary_reference AS reference,
             CASE WHEN p.payment_id IS NULL THEN 'no_payment_yet'
                  ELSE p.state || coalesce('.' || p.reason_code, '') END AS reason
      FROM entitlement g
      JOIN cycle c ON c.id = g.cycle_id
      JOIN decision d ON d.id = g.decision_id
      LEFT JOIN LATERAL (
        SELECT payment_id, state, reason_code FROM payment_state p
        WHERE p.cycle_id = g.cycle_id AND p.beneficiary_id = g.beneficiary_id AND p.component = g.component
        ORDER BY (state = 'settled') DESC, version DESC LIMIT 1
      ) p ON true
      WHERE c.programme_code = :code AND c.id = cast(:cycle_id AS uuid) AND c.state = 'closed'
        AND p.state IS DISTINCT FROM 'settled'
    ) unpaid GROUP BY beneficiary_id, household_id, facts_version, village, reference
"""
_KINDS: Final[dict[str, str]] = {"not_enrolled": _NOT_ENROLLED, "blocked": _BLOCKED, "not_paid": _NOT_PAID}
_AGE: Final = """
    CASE WHEN m.birth_date > cast(:on AS date) - interval '6 years' THEN '0-5'
         WHEN m.birth_date > cast(:on AS date) - interval '18 years' THEN '6-17'
         WHEN m.birth_date > cast(:on AS date) - interval '60 years' THEN '18-59' ELSE '60+' END
"""
_PLACES: Final = """
    SELECT reason, left(village, 6) AS place, count(*) AS people, count(DISTINCT household_id) AS households
    FROM found GROUP BY 1, 2
"""
_PEOPLE: Final = f"""
    SELECT split, reason, place, category, cast(sum(people) AS bigint) AS people, count(*) AS households FROM (
      SELECT found.household_id, found.reason, left(found.village, 4) AS place, v.split, v.category, count(*) AS people
      FROM found JOIN member_fact m ON m.household_id = found.household_id AND m.version = found.facts_version
        AND (cast(:by_person AS boolean) IS FALSE OR m.person_id = found.beneficiary_id)
      CROSS JOIN LATERAL (VALUES
        ('sex', m.sex), ('age', {_AGE}),
        ('disability', CASE WHEN m.disability = 'none' THEN 'none' ELSE 'with_disability' END)
      ) v (split, category)
      GROUP BY 1, 2, 3, 4, 5
    ) of_household GROUP BY 1, 2, 3, 4
"""  # noqa: S608 see below
_SIZES: Final = text(
    "SELECT left(village_code, 6) AS place, count(*) AS people FROM standing WHERE programme_code = :code GROUP BY 1"
)
_COUNT_PLACES: Final = {kind: text(f"WITH found AS ({found}) {_PLACES}") for kind, found in _KINDS.items()}
_COUNT_PEOPLE: Final = {kind: text(f"WITH found AS ({found}) {_PEOPLE}") for kind, found in _KINDS.items()}
"""Every text is written in this file: nothing that anybody says is ever part of one."""
_LISTS: Final = {
    kind: text(
        f"WITH found AS ({found}) SELECT beneficiary_id, reference, village AS village_code, reason "  # noqa: S608 see above
        f"FROM found WHERE true {_IN_PLACE} {_IN_AREA} "
        "AND (cast(:reason AS text) IS NULL OR reason = cast(:reason AS text)) "
        "AND (cast(:after AS uuid) IS NULL OR beneficiary_id > cast(:after AS uuid)) "
        "ORDER BY beneficiary_id LIMIT cast(:limit AS int)"
    )
    for kind, found in _KINDS.items()
}


async def begin_snapshot(session: AsyncSession) -> None:
    """Let all counts of this transaction see one state. Must be called before the session's first statement."""
    await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


async def count_places(session: AsyncSession, kind: Kind, code: str, cycle_id: UUID | None) -> Sequence[AnyRow]:
    """(reason, place, people, households): beneficiaries by reason and commune. Never shown as they are."""
    return (await session.execute(_COUNT_PLACES[kind], _of(kind, code, cycle_id))).all()


async def sizes(session: AsyncSession, code: str) -> Sequence[AnyRow]:
    """(place, people): beneficiaries of whom a decision stands, whatever it is, by commune."""
    return (await session.execute(_SIZES, {"code": code})).all()


async def count_people(
    session: AsyncSession, kind: Kind, code: str, cycle_id: UUID | None, *, by_person: bool, on: date
) -> Sequence[AnyRow]:
    """(split, reason, place, category, people, households) by district: sex, age on a day, disability.

    Never shown as they are: see left_behind/edition.py.

    Args:
        by_person: the programme's beneficiary is a person: only she is counted, not her household.
    """
    values = _of(kind, code, cycle_id) | {"by_person": by_person, "on": on}
    return (await session.execute(_COUNT_PEOPLE[kind], values)).all()


def _of(kind: Kind, code: str, cycle_id: UUID | None) -> dict[str, Any]:
    return {"code": code, "cycle_id": cycle_id} if kind == "not_paid" else {"code": code}


async def people(
    session: AsyncSession,
    principal: Principal,
    kind: Kind,
    code: str,
    *,
    cycle_id: UUID | None,
    place: str,
    reason: str | None,
    after: UUID | None,
    limit: int,
) -> Sequence[AnyRow]:
    """(beneficiary_id, reference, village_code, reason) for outreach, in the order of the ids."""
    statement = _LISTS[kind]
    values: dict[str, Any] = {
        "code": code, "cycle_id": cycle_id, "place": place, "reason": reason, "after": after, "limit": limit,
        "national": principal.national, "areas": list(principal.areas),
    }  # fmt: skip
    wanted = {name: values[name] for name in values if name in statement._bindparams}
    return (await session.execute(statement, wanted)).all()
