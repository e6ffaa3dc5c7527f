"""Use-case: decide again on one beneficiary, by the facts known now; what follows is carried out at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.enrolments.admit_waiting import admit_waiting
from services.eligibility.enrolments.enrolling_sql import enrol_chunk
from services.eligibility.enrolments.reassessing_sql import reassess_chunk
from services.eligibility.programmes import repository as programmes
from services.eligibility.remedies import repository
from shared.contracts.eligibility import EnrolmentCause

LAST_ID: Final = UUID(int=(1 << 128) - 1)


@dataclass(frozen=True)
class Redecided:
    """What came of it. `reason_code` is empty when it was done."""

    decision_id: UUID | None
    reason_code: str = ""
    reason: str = ""


async def redecide(
    session: AsyncSession, code: str, beneficiary_id: UUID, on: date, by: str | None, cause: EnrolmentCause
) -> Redecided:
    """Judge a beneficiary again: enrol her, let her go on, suspend or end, as the rules say.

    Args:
        beneficiary_id: household or person; of a household, also its members in programmes for persons.
        by: subject of the officer who asked for it.
        cause: told with an enrolment that follows.
    """
    version = await programmes.version_in_force(session, code, on)
    if version is None:
        return Redecided(None, "no_version_in_force", f"No version of {code} is in force.")
    programme = programmes.compiled(version.document)
    if not programme.file.enrols:
        return Redecided(None, "not_enrolling", f"{code} decides on each event: record or correct the event.")
    only = repository.units(beneficiary_id)
    await reassess_chunk(session, programme, version.version, on, only, after=None, until=LAST_ID, by=by)
    await enrol_chunk(session, programme, version.version, on, after=None, until=LAST_ID, cause=cause, only=only, by=by)
    await admit_waiting(session, programme.file, on, by)
    decision_id = await repository.standing_decision(session, code, beneficiary_id)
    if decision_id is None:
        return Redecided(None, "beneficiary_unknown", "Nothing is known of this beneficiary here.")
    return Redecided(decision_id)
