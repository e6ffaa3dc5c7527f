"""Use-case: end the enrolments of beneficiaries that are no longer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.enrolments import repository
from shared.contracts.eligibility import EnrolmentEnded
from shared.outbox import publish


async def end_enrolments(session: AsyncSession, ends: Mapping[UUID, date], cause: str) -> None:
    """End every running enrolment of these beneficiaries, and say so.

    Args:
        ends: the day it ends, by beneficiary; a batch of events at most.
        cause: stable word, e.g. `dissolved`.
    """
    rows = await repository.end(
        session, [{"beneficiary_id": beneficiary, "ended_on": day} for beneficiary, day in ends.items()], cause
    )
    await publish(
        session,
        [
            EnrolmentEnded(
                version=row.version,
                enrolment_id=row.id,
                programme_code=row.programme_code,
                programme_version=row.programme_version,
                beneficiary_id=row.beneficiary_id,
                beneficiary_reference=row.beneficiary_reference,
                village_code=row.village_code,
                effective_on=row.ended_on,
                cause=cause,
            )
            for row in rows
        ],
    )
