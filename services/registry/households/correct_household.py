"""Change what is known of a household or of its present members."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.households import repository
from services.registry.households.errors import BadHousehold, HouseholdNotFound, IdentifierRegistered
from services.registry.households.publish import publish_states
from services.registry.households.schemas import HouseholdChange, MemberChange
from services.registry.imports.parse_rows import CARD_PATTERN, check_birth_date
from services.registry.imports.receive_import import formats
from services.registry.imports.rules import MESSAGES
from services.registry.sealing import EQUITY_CARD, NATIONAL_ID, PHONE, Sealed
from shared import audit
from shared.auth import Principal, ensure_area
from shared.errors import FieldError
from shared.etag import check_version
from shared.service import Context

_PLAIN: Final = ("name_km", "name_en", "sex", "disability", "living_with_hiv", "pregnant")


async def correct_household(
    session: AsyncSession,
    context: Context,
    principal: Principal,
    household_id: UUID,
    expected_version: int,
    change: HouseholdChange,
) -> int:
    """Apply the change and publish the new state. Returns the new version.

    Raises:
        HouseholdNotFound, OutsideArea, PreconditionFailed: it cannot be changed by this caller now.
        BadHousehold: naming every field that is wrong.
        IdentifierRegistered: a number given belongs to somebody else.
    """
    found = await repository.find_household(session, household_id, lock=True)
    if found is None:
        raise HouseholdNotFound("Look it up at /registry/v1/households.")
    ensure_area(principal, found.village_code)
    check_version(expected_version, found.version)
    members = {row.id: row for row in await repository.present_members(session, household_id)}
    editor = _Editor(session, context, household_id)
    values = await editor.household_values(found, change)
    await editor.change_members(members, change.members)
    relationships = {row.id: row.relationship for row in members.values()}
    relationships |= {item.person_id: item.relationship for item in change.members if item.relationship}
    values["head_person_id"] = editor.only_head(relationships)
    if editor.errors:
        raise BadHousehold("Correct the fields named in errors.", errors=editor.errors)
    await repository.change_relationships(
        session, household_id, {item.person_id: item.relationship for item in change.members if item.relationship}
    )
    version = await repository.change_household(session, household_id, values)
    await publish_states(session, [household_id], context.clock.now())
    fields = sorted({*change.model_fields_set, *(name for item in change.members for name in item.model_fields_set)})
    await audit.record(
        session, principal, "household.change", "household", household_id, {"version": version, "fields": fields}
    )
    return version


class _Editor:
    """Turns a change into column values, collecting what is wrong with it."""

    def __init__(self, session: AsyncSession, context: Context, household_id: UUID) -> None:
        self._session = session
        self._context = context
        self._household_id = household_id
        self._formats = formats(context.settings)
        self._today = context.settings.today(context.clock)
        self.errors: list[FieldError] = []

    def _refuse(self, field: str, code: str) -> None:
        self.errors.append(FieldError(field, code, MESSAGES[code]))

    async def household_values(self, found: Row[Any], change: HouseholdChange) -> dict[str, Any]:
        """Columns of the household."""
        effective_on = change.effective_on or self._today
        if effective_on > self._today:
            self._refuse("effective_on", "date_in_future")
        values: dict[str, Any] = {"effective_on": effective_on, "updated_at": self._context.clock.now()}
        if "poverty" in change.model_fields_set:
            values |= await self._poverty(change)
        level = values.get("poverty_level", found.poverty_level)
        at_risk = found.at_risk if change.at_risk is None else change.at_risk
        if change.at_risk and level is not None:
            self._refuse("at_risk", "at_risk_with_card")
        values["at_risk"] = at_risk and level is None
        return values

    async def _poverty(self, change: HouseholdChange) -> dict[str, Any]:
        poverty = change.poverty
        if poverty is None:
            await repository.set_identifier(self._session, self._household_id, EQUITY_CARD, None)
            return {"poverty_level": None, "card_valid_from": None, "card_valid_until": None}
        if poverty.card_valid_until < poverty.card_valid_from:
            self._refuse("poverty.card_valid_until", "card_ends_before_start")
        if poverty.card_number is not None:
            field = "poverty.card_number"
            await self._identify(self._household_id, EQUITY_CARD, poverty.card_number, field, "invalid_card_number")
        elif not await repository.has_card(self._session, self._household_id):
            self._refuse("poverty.card_number", "required")
        return {
            "poverty_level": poverty.level,
            "card_valid_from": poverty.card_valid_from,
            "card_valid_until": poverty.card_valid_until,
        }

    async def change_members(self, members: dict[UUID, Row[Any]], changes: Sequence[MemberChange]) -> None:
        """Write what is changed of each member."""
        for index, change in enumerate(changes):
            field = f"members[{index}]"
            known = members.get(change.person_id)
            if known is None:
                self._refuse(f"{field}.person_id", "not_a_member")
                continue
            values = self._person_values(known, change, field)
            if change.national_id is not None:
                target = f"{field}.national_id"
                await self._identify(change.person_id, NATIONAL_ID, change.national_id, target, "invalid_national_id")
            await repository.change_person(self._session, change.person_id, values)

    def _person_values(self, known: Row[Any], change: MemberChange, field: str) -> dict[str, Any]:
        values = {name: value for name in _PLAIN if (value := getattr(change, name)) is not None}
        if change.birth_date is not None:
            parsed, code = check_birth_date(change.birth_date, self._today)
            if parsed is None:
                self._refuse(f"{field}.birth_date", code)
            else:
                values["birth_date"], values["birth_date_precision"] = parsed
        if change.phone is not None:
            sealed = self._seal(change.phone, PHONE, f"{field}.phone", "invalid_phone")
            values["phone_cipher"] = sealed.cipher if sealed else None
        after = {**known._mapping, **values}
        if not after["name_km"] and not after["name_en"]:
            self._refuse(f"{field}.name_km", "name_required")
            return {}
        if after["pregnant"] and after["sex"] == "male":
            self._refuse(f"{field}.pregnant", "pregnant_male")
        return values

    def _seal(self, secret: SecretStr, kind: str, field: str, code: str) -> Sealed | None:
        patterns = {NATIONAL_ID: self._formats.national_id, PHONE: self._formats.phone, EQUITY_CARD: CARD_PATTERN}
        value = secret.get_secret_value().replace(" ", "")
        if not patterns[kind].fullmatch(value):
            self._refuse(field, code)
            return None
        sealed: Sealed = self._context.resources.sealer.seal(value, kind)
        return sealed

    async def _identify(self, owner_id: UUID, kind: str, secret: SecretStr, field: str, code: str) -> None:
        sealed = self._seal(secret, kind, field, code)
        if sealed is None:
            return
        owner = await repository.identifier_owner(self._session, kind, sealed.hash)
        if owner not in (None, owner_id):
            registered = "registered_card_number" if kind == EQUITY_CARD else "registered_national_id"
            raise IdentifierRegistered(
                "Compare the two cases before you change either.",
                errors=[FieldError(field, registered, MESSAGES[registered])],
            )
        await repository.set_identifier(self._session, owner_id, kind, sealed)

    def only_head(self, relationships: dict[UUID, str]) -> UUID | None:
        """The one head that there is after the change."""
        heads = [person_id for person_id, relationship in relationships.items() if relationship == "head"]
        if len(heads) != 1:
            self._refuse("members", "second_head" if heads else "no_head")
            return None
        return heads[0]
