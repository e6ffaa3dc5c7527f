"""Use-case: an officer suspends, resumes, recertifies, graduates or ends enrolments, one or a batch, with a cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Date, Text, literal
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.enrolments import repository
from services.eligibility.enrolments.admit_waiting import admit_waiting
from services.eligibility.enrolments.errors import ActionRefused, EnrolmentUnknown, OwnHousehold
from services.eligibility.enrolments.life import Action, EnrolmentState, sources
from services.eligibility.enrolments.transitions import move
from services.eligibility.model import AnyRow
from services.eligibility.programmes import repository as programmes
from shared import audit
from shared.auth import Principal, ensure_area
from shared.errors import OutsideArea
from shared.etag import check_version

BY_OFFICER: Final = (Action.SUSPEND, Action.RESUME, Action.RECERTIFY, Action.GRADUATE, Action.END)


@dataclass(frozen=True)
class Change:
    """What the officer asks for.

    Attributes:
        until: of a suspension: its last day.
        for_good: of an end: only an officer may let it begin again.
    """

    action: Action
    cause: str
    on: date
    until: date | None = None
    for_good: bool = False

    def columns(self) -> dict[str, Any]:
        """As columns of the select that `move` reads."""
        values: dict[str, Any] = {"cause": literal(self.cause, Text)}
        if self.action is Action.SUSPEND:
            values["until"] = literal(self.until, Date)
        if self.action is Action.END:
            values["for_good"] = literal(self.for_good)
        return values


async def change_enrolment(
    session: AsyncSession, principal: Principal, enrolment_id: UUID, expected_version: int, change: Change
) -> None:
    """Change one enrolment.

    Raises:
        EnrolmentUnknown, OutsideArea, PreconditionFailed, ActionRefused, OwnHousehold.
    """
    row = await repository.find(session, enrolment_id, lock=True)
    if row is None:
        raise EnrolmentUnknown("Look at the list of enrolments for the id.")
    ensure_area(principal, row.village_code)
    check_version(expected_version, row.version)
    if EnrolmentState(row.state) not in sources(change.action):
        raise ActionRefused(f"It is {row.state}: {change.action} is not possible.", state=row.state)
    await _carry_out(session, principal, row.programme_code, [row], change)


async def change_many(
    session: AsyncSession, principal: Principal, code: str, ids: Sequence[UUID], change: Change
) -> dict[str, Any]:
    """Change a batch of one programme's enrolments; those whose state does not allow it are named and left as they are.

    Returns:
        {"changed": number, "refused": [{"id", "state"}], "unknown": [ids]}.

    Raises:
        OutsideArea: one of them is outside the caller's area: then nothing is changed.
        OwnHousehold: one of them is the caller's own.
    """
    rows = await repository.lock_many(session, code, ids)
    if any(not principal.covers(row.village_code) for row in rows):
        raise OutsideArea("Leave out the enrolments outside your area: nothing was changed.")
    allowed = [row for row in rows if EnrolmentState(row.state) in sources(change.action)]
    changed = await _carry_out(session, principal, code, allowed, change) if allowed else 0
    known = {row.id for row in rows}
    acted = {row.id for row in allowed}
    return {
        "changed": changed,
        "refused": [{"id": str(row.id), "state": row.state} for row in rows if row.id not in acted],
        "unknown": [str(identifier) for identifier in ids if identifier not in known],
    }


async def _carry_out(
    session: AsyncSession, principal: Principal, code: str, rows: Sequence[AnyRow], change: Change
) -> int:
    own = principal.person_id
    if own is not None and await repository.is_member(session, own, [row.household_id for row in rows]):
        raise OwnHousehold("Ask another officer: this concerns you or your household.")
    ids = [row.id for row in rows]
    changed = await move(
        session, repository.chosen(ids, **change.columns()), change.action, change.on, principal.subject
    )
    detail: dict[str, Any] = {"cause": change.cause, "count": changed, "on": change.on.isoformat()}
    object_id = ids[0] if len(ids) == 1 else code
    kind = "enrolment" if len(ids) == 1 else "programme"
    if len(ids) > 1:
        detail["enrolments"] = [str(identifier) for identifier in ids]
    await audit.record(session, principal, f"enrolment.{change.action}", kind, object_id, detail)
    if change.action in (Action.END, Action.GRADUATE):
        version = await programmes.version_in_force(session, code, change.on)
        if version is not None:  # a place became free
            await admit_waiting(session, programmes.compiled(version.document).file, change.on)
    return changed
