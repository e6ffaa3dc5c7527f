"""Moving a set of enrolments from state to state: one statement writes the states, their history and their events.

Which transitions exist is said by enrolments/life.py alone; what a state does not allow is left as it is.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import CTE, ColumnElement, Date, Select, Table, Text, case, cast, func, insert, literal, null, select
from sqlalchemy import update as sql_update
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.enrolments.life import TRANSITIONS, Action, EnrolmentState, sources
from services.eligibility.enrolments.model import EnrolmentChangeRow, EnrolmentRow
from shared.contracts.base import EventPayload
from shared.contracts.eligibility import (
    ENROLMENTS,
    EnrolmentApproved,
    EnrolmentEnded,
    EnrolmentResumed,
    EnrolmentSuspended,
    EnrolmentWaitlisted,
)
from shared.outbox import outbox_table
from shared.telemetry import current_traceparent

ENROLMENT: Table = EnrolmentRow.__table__  # type: ignore[assignment]
CHANGE: Table = EnrolmentChangeRow.__table__  # type: ignore[assignment]

_EVENTS: dict[Action, type[EventPayload]] = {
    Action.WAITLIST: EnrolmentWaitlisted,
    Action.APPROVE: EnrolmentApproved,
    Action.SUSPEND: EnrolmentSuspended,
    Action.RESUME: EnrolmentResumed,
    Action.GRADUATE: EnrolmentEnded,
    Action.END: EnrolmentEnded,
}
_PROFILE = (
    "cause", "approved_cause", "until", "decision_id", "village_code", "household_id", "for_good", "appeal_hold",
)  # fmt: skip


async def move(session: AsyncSession, chosen: Select[Any], action: Action, on: date, by: str | None = None) -> int:
    """Take an action on every enrolment of `chosen` whose state allows it; write history and events.

    Args:
        chosen: a select with column `id`, and optionally `cause` (text), `until` (date), `decision_id`, `village_code`,
            `household_id` (uuid), `for_good`, `appeal_hold` (bool), each of the enrolment; for an approval from
            another state than the waiting list also `approved_cause` (text, one of the contracts' `EnrolmentCause`).
        on: the day of the change.
        by: subject of the officer; None: the platform by itself.

    Returns:
        How many changed.
    """
    source = chosen.subquery("chosen")
    moved = (
        sql_update(ENROLMENT)
        .where(ENROLMENT.c.id == source.c.id, ENROLMENT.c.state.in_([state.value for state in sources(action)]))
        .values(_values(source, action, on, by))
        .returning(*ENROLMENT.c)
        .cte("moved")
    )
    changes = record_changes(moved, action, by)
    events = _outbox(moved, action, by)
    statement = select(func.count()).select_from(moved).add_cte(changes)
    if events is not None:
        statement = statement.add_cte(events)
    return int((await session.execute(statement)).scalar_one())


def _values(source: Any, action: Action, on: date, by: str | None) -> dict[str, Any]:
    given = {name: source.c[name] for name in _PROFILE if name in source.c}
    states = TRANSITIONS[action]
    values: dict[str, Any] = {
        "version": ENROLMENT.c.version + 1,
        "state": case(
            {state.value: literal(target.value, Text) for state, target in states.items()}, value=ENROLMENT.c.state
        ),
        **{name: given[name] for name in ("decision_id", "village_code", "household_id") if name in given},
    }
    if action in (Action.MOVE, Action.RECERTIFY):  # the state stays, and with it its cause and its day
        return values | ({"recertified_on": on} if action is Action.RECERTIFY else {})
    values |= {"changed_on": on, "changed_by": by, "cause": given.get("cause", cast(null(), Text))}
    values["suspended_until"] = given.get("until", cast(null(), Date)) if action is Action.SUSPEND else null()
    if "appeal_hold" in given:
        values["appeal_hold"] = given["appeal_hold"]
    if action in (Action.END, Action.GRADUATE):
        values |= {"ended_on": on, "rank": null()}
        values["ended_for_good"] = given.get("for_good", literal(action is Action.GRADUATE))
    elif action is Action.APPROVE:
        values |= {"effective_on": on, "ended_on": null(), "rank": null(), "ended_for_good": False}
        if "approved_cause" in given:
            values["approved_cause"] = given["approved_cause"]
    return values


def record_changes(moved: CTE, action: Action, by: str | None) -> CTE:
    """A CTE that writes one line of history for each row of `moved` (columns of `enrolment`)."""
    columns: dict[str, ColumnElement[Any]] = {
        "enrolment_id": moved.c.id,
        "version": moved.c.version,
        "action": literal(action.value, Text),
        "state": moved.c.state,
        "cause": moved.c.cause,
        "effective_on": func.coalesce(moved.c.changed_on, moved.c.effective_on),
        "decision_id": moved.c.decision_id,
        "made_by": literal(by, Text),
    }
    return insert(CHANGE).from_select(list(columns), select(*columns.values())).cte("changes")


def _outbox(moved: CTE, action: Action, by: str | None) -> CTE | None:
    """A CTE that publishes what happened; None where it changes nothing that others know."""
    if action is Action.RECERTIFY:
        return None
    if action is Action.MOVE:
        # The same state, told again with the new village: each event carries the enrolment's state in full.
        approved = moved.c.state == EnrolmentState.APPROVED.value
        told = enrolment_events(moved, EnrolmentApproved, by).where(approved)
    else:
        told = enrolment_events(moved, _EVENTS[action], by)
    return insert(outbox_table).from_select(["topic", "key", "type", "data", "traceparent"], told).cte("told")


def enrolment_events(moved: CTE, kind: type[EventPayload], by: str | None = None) -> Select[Any]:
    """Outbox rows (topic, key, type, data, traceparent) for each row of `moved`."""
    row = moved.c
    ended = kind is EnrolmentEnded
    changed_on = func.coalesce(row.changed_on, row.effective_on)
    fields: list[Any] = [
        "version", row.version,
        "enrolment_id", row.id,
        "programme_code", row.programme_code,
        "programme_version", row.programme_version,
        "beneficiary_id", row.beneficiary_id,
        "beneficiary_reference", row.beneficiary_reference,
        "village_code", row.village_code,
        "effective_on", row.effective_on if kind is EnrolmentApproved else changed_on,
    ]  # fmt: skip
    if kind is EnrolmentApproved:
        fields += ["cause", row.approved_cause]
    if kind in (EnrolmentSuspended, EnrolmentResumed) or ended:
        fields += ["cause", func.coalesce(row.cause, "unknown")]
    if kind is EnrolmentSuspended:
        fields += ["until", row.suspended_until]
    if kind is EnrolmentWaitlisted:
        fields += ["rank", row.rank]
    if ended:
        fields += ["ended_by", literal(by, Text)]
    return select(
        literal(ENROLMENTS, Text),
        cast(row.id, Text),
        literal(kind.TYPE, Text),
        cast(func.json_build_object(*fields), JSON),
        literal(current_traceparent(), Text),
    )
