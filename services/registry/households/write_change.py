"""Write what an edited household became: only what differs, in an order that the database's rules allow."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.history import repository as history
from services.registry.history.model import ChangeKind, Origin
from services.registry.history.timeline import FactChange, Timeline, timelines
from services.registry.households import change_repository as writes
from services.registry.households.errors import IdentifierRegistered
from services.registry.households.rules import problem
from services.registry.households.state import Edited, GivenNumber, HouseholdState
from services.registry.sealing import EQUITY_CARD, NATIONAL_ID, PHONE
from shared.service import Context

COLUMNS_OF_NEW: Final = (
    *("name_km", "name_en", "sex", "birth_date", "birth_date_precision", "disability", "living_with_hiv", "pregnant"),
    *("alive", "died_on", "washington_group", "disability_card_valid_until", "expected_delivery_on"),
    *("education_level", "school_code", "employment", "employer_id", "insured", "civil_servant"),
)


async def write_change(
    session: AsyncSession, context: Context, before: HouseholdState, edited: Edited, origin: Origin
) -> int:
    """Write the difference, inside the change that was begun. Returns the household's new version.

    Raises:
        IdentifierRegistered: a number given belongs to somebody else.
    """
    after = edited.state
    today = context.clock.today()
    phones = phones_of(context, edited)
    past = await _Past.load(session, before, origin, today)
    await writes.insert_people(session, [new_person(edited, person_id, phones) for person_id in edited.added])
    await writes.end_memberships(session, after.id, edited.left)
    newcomers = {*edited.added, *edited.moved_in} & set(after.members)
    stayed = [member for key, member in after.members.items() if key not in newcomers]
    await writes.relate(
        session, after.id, [member for member in stayed if _place_differs(before, member.person_id, after)]
    )
    await writes.join(session, after.id, [after.members[key] for key in sorted(newcomers)])
    for person_id, facts in {**{m.person_id: m.facts for m in stayed}, **edited.departed}.items():
        changed = _difference(before.members[person_id].facts, facts)
        kept = past.keep("person", person_id, changed, before.members[person_id].facts)
        await writes.update_person(session, person_id, kept | phones.get(person_id, {}))
    await _write_numbers(session, context, edited)
    changed = past.keep("household", after.id, _difference(before.facts, after.facts), before.facts)
    if "village_code" in changed:
        changed["location_class"] = await writes.class_of(session, changed["village_code"], today)
    await past.record(session)
    changed |= {"updated_at": context.clock.now()}
    if origin.effective_on is not None:
        changed["effective_on"] = origin.effective_on
    return await writes.update_household(session, after.id, changed)


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in after.items() if name not in before or before[name] != value}


def _place_differs(before: HouseholdState, person_id: UUID, after: HouseholdState) -> bool:
    was, now = before.members[person_id], after.members[person_id]
    return (was.relationship, was.person_ref) != (now.relationship, now.person_ref)


def new_person(edited: Edited, person_id: UUID, phones: Mapping[UUID, Mapping[str, Any]]) -> dict[str, Any]:
    """The row of a person new to the register."""
    facts = edited.state.members[person_id].facts
    row: dict[str, Any] = {"id": person_id, "phone_cipher": None, "phone_hash": None}
    return {**row, **{name: facts[name] for name in COLUMNS_OF_NEW}, **phones.get(person_id, {})}


def phones_of(context: Context, edited: Edited) -> dict[UUID, dict[str, Any]]:
    """The telephones given or taken back, sealed: columns by person."""
    sealed = {
        person_id: None if phone is None else context.resources.sealer.seal(phone.get_secret_value(), PHONE)
        for person_id, phone in edited.phones.items()
    }
    return {
        person_id: {"phone_cipher": item and item.cipher, "phone_hash": item and item.hash}
        for person_id, item in sealed.items()
    }


async def _write_numbers(session: AsyncSession, context: Context, edited: Edited) -> None:
    now = context.clock.now()
    for given in edited.numbers:
        sealed = None
        if given.number is not None:
            sealed = context.resources.sealer.seal(given.number.get_secret_value(), given.type)
            await _ensure_free(session, given, sealed.hash)
        await writes.withdraw_identifier(session, given.owner_id, given.type, now)
        if sealed is not None:
            dates = {"issuer": given.issuer, "valid_from": given.valid_from, "valid_until": given.valid_until}
            await writes.give_identifier(session, given.owner_id, given.type, sealed, **dates)


async def _ensure_free(session: AsyncSession, given: GivenNumber, digest: bytes) -> None:
    owner = await writes.identifier_owner(session, given.type, digest)
    if owner in (None, given.owner_id):
        return
    codes = {EQUITY_CARD: "registered_card_number", NATIONAL_ID: "registered_national_id"}
    code = codes.get(given.type, "registered_identifier")
    raise IdentifierRegistered("Compare the two cases before you change either.", errors=[problem(given.path, code)])


class _Past:
    """Changes in life that come late: what has begun since then still holds, and they take their place before it."""

    def __init__(self, day: date | None, lines: Mapping[UUID, Mapping[str, Timeline]]) -> None:
        self._day = day
        self._lines = lines
        self._rows: list[dict[str, Any]] = []

    @classmethod
    async def load(cls, session: AsyncSession, state: HouseholdState, origin: Origin, today: date) -> _Past:
        """Read the timelines that matter: none, mostly."""
        day = origin.effective_on
        if origin.kind != ChangeKind.LIFE_CHANGE or day is None or day >= today:
            return cls(None, {})
        subjects = [state.id, *state.members]
        if not await history.begun_since(session, subjects, day):
            return cls(None, {})
        facts = await history.facts_of(session, subjects)
        return cls(day, {subject: timelines(_as_change(row) for row in rows) for subject, rows in facts.items()})

    def keep(self, kind: str, subject_id: UUID, changed: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        """What of this still holds now; the rest is noted for the past."""
        lines = self._lines.get(subject_id, {})
        late = {name for name in changed if self._day and name in lines and lines[name].begins_after(self._day)}
        for name in sorted(late):
            assert self._day is not None
            row = {"subject_type": kind, "subject_id": subject_id, "field": name}
            self._rows.append({**row, "before": lines[name].on(self._day), "after": changed[name]})
        return {name: value for name, value in changed.items() if name not in late}

    async def record(self, session: AsyncSession) -> None:
        """Write what was noted."""
        if self._rows:
            await history.record_past(session, self._rows, lambda rows: orjson.dumps(rows, default=str).decode())


def _as_change(row: Any) -> FactChange:
    return FactChange(row.field, row.before, row.after, row.kind, row.effective_on, row.recorded_at)
