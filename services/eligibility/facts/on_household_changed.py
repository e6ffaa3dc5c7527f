"""Reaction to registry.households: keep every version of every household's facts, set-wise.

Arrival order does not matter: a version is a row of its own, and which one is in force is asked when judging.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.enrolments.end_enrolments import end_enrolments
from services.eligibility.facts import repository
from services.eligibility.facts.household import facts_hash, ymd
from shared.consumer import Received
from shared.contracts.registry import HouseholdChanged, HouseholdDissolved, HouseholdRegistered, HouseholdState
from shared.service import Context

HouseholdEvent = HouseholdRegistered | HouseholdChanged | HouseholdDissolved


async def on_household_changed(
    context: Context, session: AsyncSession, events: Sequence[Received[HouseholdEvent]]
) -> None:
    """Store the states of this batch, and end the enrolments of dissolved households."""
    states = [(event.payload, event) for event in events if isinstance(event.payload, HouseholdState)]
    dissolved = [event.payload for event in events if isinstance(event.payload, HouseholdDissolved)]
    told_at = {event.payload.household_id: event.occurred_at for event in events}
    households = [_household_row(state, event.occurred_at) for state, event in states]
    members = [row for state, _ in states for row in _member_rows(state)]
    await repository.insert_versions(session, households, members)
    if dissolved:
        await _store_dissolved(session, dissolved, told_at)
        await end_enrolments(
            session, {payload.household_id: payload.effective_on for payload in dissolved}, "dissolved"
        )


async def _store_dissolved(
    session: AsyncSession, payloads: Sequence[HouseholdDissolved], told_at: Mapping[UUID, datetime]
) -> None:
    """A dissolution carries no facts: its row repeats the last ones known, marked as dissolved."""
    known = await repository.last_states(session, [payload.household_id for payload in payloads])
    rows = [
        _dissolved_row(payload, known[payload.household_id], told_at[payload.household_id])
        for payload in payloads
        if payload.household_id in known
    ]
    missing: list[UUID] = [payload.household_id for payload in payloads if payload.household_id not in known]
    if missing:
        raise LookupError(f"{len(missing)} dissolved households were never registered here, e.g. {missing[0]}")
    await repository.insert_versions(session, rows, [])


def _dissolved_row(payload: HouseholdDissolved, last: Any, told_at: datetime) -> dict[str, Any]:
    return {
        "household_id": payload.household_id,
        "version": payload.version,
        "effective_on": payload.effective_on,
        "reference": last["reference"],
        "village_code": last["village_code"],
        "location_class": last["location_class"],
        "poverty_level": 0,
        "card_valid_from": None,
        "card_valid_until": None,
        "at_risk": False,
        "dissolved": True,
        "facts_hash": "\\x" + bytes(last["facts_hash"]).hex(),
        "recorded_at": told_at.isoformat(),
        "kind": last["kind"],
        "shocks": [],
        "poverty_cause": None,
        "change": payload.cause,
    }


def _household_row(state: HouseholdState, told_at: datetime) -> dict[str, Any]:
    return {
        "household_id": state.household_id,
        "version": state.version,
        "effective_on": state.effective_on,
        "reference": state.reference,
        "village_code": state.village_code,
        "location_class": state.location_class,
        "poverty_level": state.poverty_level or 0,
        "card_valid_from": state.card_valid_from,
        "card_valid_until": state.card_valid_until,
        "at_risk": state.at_risk,
        "dissolved": False,
        "facts_hash": "\\x" + facts_hash(state).hex(),
        "recorded_at": told_at.isoformat(),
        "kind": state.kind,
        "shocks": [shock.model_dump(mode="json") for shock in state.shocks],
        "poverty_cause": state.poverty_cause,
        "change": state.change,
    }


def _member_rows(state: HouseholdState) -> list[dict[str, Any]]:
    return [
        {
            "household_id": state.household_id,
            "version": state.version,
            "person_id": member.person_id,
            "relationship": member.relationship,
            "sex": member.sex,
            "birth_date": member.birth_date,
            "birth_date_precision": member.birth_date_precision,
            "birth_ymd": ymd(member.birth_date),
            "disability": member.disability,
            "living_with_hiv": member.living_with_hiv,
            "pregnant": member.pregnant,
            "education_level": member.education_level,
            "employment": member.employment,
            "employer_id": member.employer_id,
            "employer_sector": member.employer_sector,
            "insured": member.insured,
            "civil_servant": member.civil_servant,
            "expected_delivery_on": member.expected_delivery_on,
            "disability_card_valid_until": member.disability_card_valid_until,
        }
        for member in state.members
    ]
