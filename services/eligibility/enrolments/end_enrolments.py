"""Use-case: end the enrolments of beneficiaries that are no longer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from uuid import UUID

from sqlalchemy import Text, literal
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.enrolments.life import Action
from services.eligibility.enrolments.repository import running_of_beneficiaries
from services.eligibility.enrolments.transitions import move


async def end_enrolments(session: AsyncSession, ends: Mapping[UUID, date], cause: str) -> None:
    """End every running enrolment of these beneficiaries for good, and say so.

    Args:
        ends: the day it ends, by beneficiary; a batch of events at most.
        cause: stable word, e.g. `dissolved`.
    """
    by_day: dict[date, list[UUID]] = defaultdict(list)
    for beneficiary, day in ends.items():
        by_day[day].append(beneficiary)
    for day, beneficiaries in by_day.items():
        chosen = running_of_beneficiaries(beneficiaries, cause=literal(cause, Text), for_good=literal(True))
        await move(session, chosen, Action.END, day)
