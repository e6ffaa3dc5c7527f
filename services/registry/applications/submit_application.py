"""Take an application in: the facts are checked and kept sealed, the answers scored; nothing is registered yet."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

import orjson
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.applications import repository
from services.registry.applications.configuration import load_intake
from services.registry.applications.errors import BadApplication
from services.registry.applications.schemas import NewApplication
from services.registry.applications.scoring import Score, score
from services.registry.households import repository as households
from services.registry.households.errors import HouseholdNotFound
from services.registry.households.rules import problem
from services.registry.places.resolve_code import resolve_village
from services.registry.sealing import APPLICATION
from shared import audit
from shared.auth import Principal, ensure_area
from shared.errors import FieldError
from shared.ids import reference, uuid7
from shared.service import Context

PREFIX: Final = "AP"


async def submit_application(
    session: AsyncSession, context: Context, principal: Principal, new: NewApplication
) -> UUID:
    """Record it. Interests conflict where it says so, or where the officer is a member of the household.

    Raises:
        OutsideArea, HouseholdNotFound: not for this caller, or not there.
        BadApplication: naming every answer that is wrong, or what is missing.
    """
    village_code = await resolve_village(session, new.village_code)
    ensure_area(principal, village_code)
    problems = _missing(new)
    if new.household_id is not None:
        found = await households.find_household(session, new.household_id)
        if found is None:
            raise HouseholdNotFound("Look it up at /registry/v1/households.")
        ensure_area(principal, found.village_code)
    assessed = None
    if new.purpose != "delist" and not problems:
        assessed, wrong = assess(context, village_code, new.answers)
        problems += wrong
    if problems:
        raise BadApplication("Correct the fields named in errors.", errors=problems)
    application_id = uuid7()
    own = await _is_own(session, principal, new.household_id)
    values: dict[str, Any] = {
        "id": application_id,
        "reference": reference(PREFIX, application_id),
        "state": "submitted",
        "purpose": new.purpose,
        "household_id": new.household_id,
        "village_code": village_code,
        "content_cipher": _seal(context, new),
        "conflict": new.related_to_official or own,
        "conflict_reason": new.conflict_reason or ("own_household" if own else ""),
        "submitted_by": principal.subject,
        "submitted_at": context.clock.now(),
        "reasons": [new.delisting_cause] if new.delisting_cause else [],
        "version": 1,
    }
    await repository.add(session, values | scored_columns(new.answers, assessed))
    detail = {"purpose": new.purpose, "conflict": values["conflict"], "village_code": village_code}
    await audit.record(session, principal, "application.submit", "application", application_id, detail)
    return application_id


def _missing(new: NewApplication) -> list[FieldError]:
    problems = []
    if (new.purpose == "register") != (new.household is not None):
        problems.append(problem("household", "required"))
    if (new.purpose != "register") != (new.household_id is not None):
        problems.append(problem("household_id", "required"))
    if new.purpose == "delist" and new.delisting_cause not in load_intake().delisting_causes:
        problems.append(problem("delisting_cause", "unknown_cause" if new.delisting_cause else "cause_required"))
    if new.household is not None and new.household.village_code != new.village_code:
        problems.append(FieldError("household.village_code", "another_village", "Give the application's village."))
    return problems


async def _is_own(session: AsyncSession, principal: Principal, household_id: UUID | None) -> bool:
    if principal.person_id is None or household_id is None:
        return False
    return await repository.is_member(session, household_id, principal.person_id)


def assess(context: Context, village_code: str, answers: Any) -> tuple[Score | None, list[FieldError]]:
    """The score by the questionnaire in force today."""
    questionnaire = load_intake().questionnaire_on(context.clock.today())
    if questionnaire is None:
        return None, [
            FieldError("answers", "no_questionnaire", "No questionnaire is in force today: tell the ministry.")
        ]
    return score(questionnaire, village_code, answers)


def scored_columns(answers: Any, assessed: Score | None) -> dict[str, Any]:
    """The answers with what they mean, as columns."""
    if assessed is None:
        return {"questionnaire": None, "answers": None, "score": None, "level": None, "explanation": None}
    explanation = orjson.loads(orjson.dumps(asdict(assessed), default=str))
    told = {name: str(value) for name, value in answers.items()}
    values = {"score": assessed.points, "level": assessed.level, "explanation": explanation}
    return {"questionnaire": assessed.questionnaire, "answers": told, **values}


def _seal(context: Context, new: NewApplication) -> bytes | None:
    """The household as told: names and numbers are encrypted until somebody decides."""
    if new.household is None:
        return None
    text = orjson.dumps(_plain(new.household.model_dump())).decode()
    sealed: bytes = context.resources.sealer.encrypt(text, APPLICATION)
    return sealed


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.get_secret_value() if isinstance(value, SecretStr) else value
