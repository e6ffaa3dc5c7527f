"""Verify at a visit, decide with reasons, appeal: each step by another person where it matters."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from pydantic import SecretStr
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.applications import repository
from services.registry.applications.configuration import load_intake
from services.registry.applications.errors import (
    ApplicationNotFound,
    BadApplication,
    ConflictOfInterest,
    SamePerson,
    TooLateToAppeal,
    WrongState,
)
from services.registry.applications.schemas import Appeal, Decision, Verification
from services.registry.applications.submit_application import PREFIX, assess, scored_columns
from services.registry.history.model import ChangeKind, ChangeSource, Origin
from services.registry.households.apply_change import apply_change
from services.registry.households.changes import SetPoverty
from services.registry.households.register_household import register_household
from services.registry.households.rules import problem
from services.registry.households.schemas import NewHousehold
from services.registry.sealing import APPLICATION
from shared import audit
from shared.auth import Principal, ensure_area
from shared.errors import FieldError
from shared.etag import check_version
from shared.ids import reference, uuid7
from shared.service import Context


async def load_application(
    session: AsyncSession, principal: Principal, application_id: UUID, version: int, states: tuple[str, ...]
) -> Row[Any]:
    """The application, locked, at one of these steps.

    Raises:
        ApplicationNotFound, OutsideArea, PreconditionFailed, WrongState: not by this caller now.
        ConflictOfInterest: the caller is a member of the household.
    """
    found = await repository.find(session, application_id, lock=True)
    if found is None:
        raise ApplicationNotFound("Look it up at /registry/v1/applications.")
    ensure_area(principal, found.village_code)
    check_version(version, found.version)
    if found.state not in states:
        raise WrongState(f"It is {found.state}; this step follows {' or '.join(states)}.", state=found.state)
    own = principal.person_id is not None and found.household_id is not None
    if own and await repository.is_member(session, found.household_id, principal.person_id):  # type: ignore[arg-type]
        raise ConflictOfInterest("Ask another officer.")
    return found


async def verify_application(
    session: AsyncSession,
    context: Context,
    principal: Principal,
    application_id: UUID,
    version: int,
    found_there: Verification,
) -> int:
    """Record a visit. Where interests conflict a second person visits too. Returns the new version.

    Raises:
        SamePerson: the caller took it in, or was the first to verify.
        BadApplication: naming every answer that is wrong.
    """
    row = await load_application(session, principal, application_id, version, ("submitted", "first_verified"))
    if principal.subject in {row.submitted_by, row.verified_by}:
        raise SamePerson("Somebody who has not worked on this application must visit.")
    now = context.clock.now()
    second = row.state == "first_verified"
    who = "second_verified" if second else "verified"
    values: dict[str, Any] = {f"{who}_by": principal.subject, f"{who}_at": now}
    values["state"] = "first_verified" if row.conflict and not second else "verified"
    if found_there.answers is not None and row.purpose != "delist":
        assessed, wrong = assess(context, row.village_code, found_there.answers)
        if wrong:
            raise BadApplication("Correct the fields named in errors.", errors=wrong)
        values |= scored_columns(found_there.answers, assessed)
    if found_there.outcome == "not_confirmed":
        values |= {"state": "verified", "reasons": sorted({*row.reasons, "cannot_verify"})}
    changed = await repository.change(session, application_id, **values)
    detail = {"outcome": found_there.outcome, "state": values["state"], "second": second}
    await audit.record(session, principal, "application.verify", "application", application_id, detail)
    return changed


async def decide_application(
    session: AsyncSession, context: Context, principal: Principal, application_id: UUID, version: int, made: Decision
) -> int:
    """Register (or change) what was applied for, or refuse with reasons. Returns the new version.

    Raises:
        SamePerson: the caller took it in or verified it.
        BadApplication: a refusal without a known reason, a card that is missing, or a score above the cut-off.
        BadHousehold, HouseholdExists, IdentifierRegistered: the register does not take it.
    """
    row = await load_application(session, principal, application_id, version, ("verified",))
    if principal.subject in {row.submitted_by, row.verified_by, row.second_verified_by}:
        raise SamePerson("Who took it in or visited does not decide.")
    problems = _check(row, made)
    if problems:
        raise BadApplication("Correct the fields named in errors.", errors=problems)
    now, today = context.clock.now(), context.clock.today()
    values: dict[str, Any] = {"decided_by": principal.subject, "decided_at": now, "content_cipher": row.content_cipher}
    if made.outcome == "refused":
        until = today + timedelta(days=context.settings.appeal_days)
        values |= {"state": "refused", "reasons": made.reasons, "appeal_until": until}
    else:
        household_id = await _carry_out(session, context, principal, row, made)
        values |= {"state": "registered", "household_id": household_id, "content_cipher": None}
    changed = await repository.change(session, application_id, **values)
    detail = {"outcome": made.outcome, "reasons": made.reasons}
    await audit.record(session, principal, "application.decide", "application", application_id, detail)
    return changed


def _check(row: Row[Any], made: Decision) -> list[FieldError]:
    known = load_intake().refusal_reasons
    if made.outcome == "refused":
        wrong = [reason for reason in made.reasons if reason not in known]
        message = f"Use one or more of: {', '.join(known)}."
        return [FieldError("reasons", "unknown_reason", message)] if wrong or not made.reasons else []
    if "cannot_verify" in row.reasons:
        return [FieldError("outcome", "not_confirmed", "The visit did not confirm it: refuse it, or visit again.")]
    if row.purpose == "delist":
        return []
    if row.level is None and row.purpose == "register":
        return [FieldError("outcome", "above_cut_off", "The score is above both cut-offs: refuse it with its reason.")]
    if row.level is None:
        return []
    dates = ("card_valid_from", "card_valid_until")
    missing = [name for name in dates if getattr(made, name) is None]
    if row.purpose == "register" and made.card_number is None:
        missing.append("card_number")
    return [problem(name, "required") for name in missing]


async def _carry_out(
    session: AsyncSession, context: Context, principal: Principal, row: Row[Any], made: Decision
) -> UUID:
    if row.purpose == "register":
        told = orjson.loads(context.resources.sealer.open(row.content_cipher, APPLICATION))
        card = {name: getattr(made, name) for name in ("card_number", "card_valid_from", "card_valid_until")}
        new = NewHousehold.model_validate(
            {**told, **card, "poverty_level": row.level, "village_code": row.village_code}
        )
        created = await register_household(session, context, principal, new)
        household_id = created.id
        status = SetPoverty(
            level=row.level,
            card_valid_from=made.card_valid_from,
            card_valid_until=made.card_valid_until,
            score=row.score,
            source=row.questionnaire.replace("-", "_v"),
        )
    else:
        household_id = row.household_id
        status = _new_status(row, made)
    today = context.clock.today()
    kind = ChangeKind.CORRECTION if row.purpose == "register" else ChangeKind.LIFE_CHANGE
    origin = Origin(kind, ChangeSource.APPLICATION, principal.subject, f"application {row.purpose}", today, row.id)
    await apply_change(session, context, household_id, [("", status)], origin, principal=principal)
    return household_id


def _new_status(row: Row[Any], made: Decision) -> SetPoverty:
    if row.purpose == "delist":
        return SetPoverty(level=None, cause=row.reasons[0])
    source = row.questionnaire.replace("-", "_v")
    if row.level is None:
        return SetPoverty(level=None, score=row.score, source=source, cause="delisted_income")
    number = SecretStr(made.card_number) if made.card_number else None
    return SetPoverty(
        level=row.level,
        card_number=number,
        card_valid_from=made.card_valid_from,
        card_valid_until=made.card_valid_until,
        score=row.score,
        source=source,
    )


async def appeal_application(
    session: AsyncSession, context: Context, principal: Principal, application_id: UUID, version: int, appeal: Appeal
) -> UUID:
    """A refusal is looked at again, by people who have not worked on it. Returns the new application's id.

    Raises:
        TooLateToAppeal: the days are over, or it was appealed before.
        BadApplication: naming every answer that is wrong.
    """
    row = await load_application(session, principal, application_id, version, ("refused",))
    today = context.clock.today()
    if today > row.appeal_until or row.appeal_of is not None or await repository.has_appeal(session, application_id):
        raise TooLateToAppeal("Bring it to the grievance office.")
    scored = {name: getattr(row, name) for name in ("questionnaire", "answers", "score", "level", "explanation")}
    if appeal.answers is not None and row.purpose != "delist":
        assessed, wrong = assess(context, row.village_code, appeal.answers)
        if wrong:
            raise BadApplication("Correct the fields named in errors.", errors=wrong)
        scored = scored_columns(appeal.answers, assessed)
    new_id = uuid7()
    kept = {name: getattr(row, name) for name in ("purpose", "household_id", "village_code", "content_cipher")}
    values = {
        **kept,
        **scored,
        "id": new_id,
        "reference": reference(PREFIX, new_id),
        "state": "submitted",
        "conflict": True,  # an appeal is always verified by two
        "conflict_reason": "appeal",
        "submitted_by": principal.subject,
        "submitted_at": context.clock.now(),
        "reasons": [row.reasons[0]] if row.purpose == "delist" else [],
        "appeal_of": application_id,
        "version": 1,
    }
    await repository.add(session, values)
    await repository.change(session, application_id, state="appealed", content_cipher=None)
    detail = {"appeal_of": str(application_id)}
    await audit.record(session, principal, "application.appeal", "application", new_id, detail)
    return new_id
