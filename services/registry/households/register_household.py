"""Register one household: the same parsing, checks and loading as a file's, for a file of one household."""

from __future__ import annotations

from datetime import date
from typing import Final

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.history.begin_change import begin_change
from services.registry.history.model import ChangeKind, ChangeSource, Origin
from services.registry.households import repository as households
from services.registry.households.errors import BadHousehold, HouseholdExists
from services.registry.households.publish import publish_states
from services.registry.households.schemas import HouseholdCreated, NewHousehold, NewMember
from services.registry.imports import repository as imports
from services.registry.imports.parse_columns import ColumnParser
from services.registry.imports.receive_import import formats
from services.registry.imports.rules import COLUMNS, MESSAGES
from services.registry.imports.table import Table
from shared import audit
from shared.auth import Principal, ensure_area
from shared.errors import FieldError
from shared.ids import uuid7
from shared.service import Context

_HOUSEHOLD_FIELDS: Final = frozenset(COLUMNS[:6])


async def register_household(
    session: AsyncSession, context: Context, principal: Principal, new: NewHousehold
) -> HouseholdCreated:
    """Register it in the request's transaction.

    Raises:
        OutsideArea: the village is not in the officer's area.
        HouseholdExists: the village has a household of this number.
        BadHousehold: naming every field that is wrong.
    """
    ensure_area(principal, new.village_code)
    existing = await households.find_by_ref(session, new.village_code, new.household_ref)
    if existing is not None:
        raise HouseholdExists("Change the one that is there, or give this one its own number.", id=str(existing.id))
    batch_id, today, now = uuid7(), context.clock.today(), context.clock.now()
    parser = ColumnParser(batch_id, context.resources.sealer, formats(context.settings), today)
    rows = [_cells(new, member) for member in new.members]
    await imports.stage(session, parser.parse(Table(1, lambda: rows)))
    check = imports.Check(batch_id, principal.areas, today)
    for statement in imports.CHECKS:
        await imports.run_check(session, statement, check)
    rejections = await imports.list_rejections(session, batch_id, None, 1000)
    if rejections:
        raise BadHousehold("Correct the fields named in errors.", errors=_errors(rejections))
    origin = Origin(ChangeKind.REGISTRATION, ChangeSource.OFFICER, principal.subject, "registered singly", today)
    await begin_change(session, origin, now)
    changed = await imports.load_chunk(session, check, [1], now)
    await publish_states(session, changed, now)
    await imports.purge_rows(session, batch_id)
    await imports.purge_households(session, batch_id)
    created = await households.find_household(session, changed[0])
    assert created is not None
    detail = {"village_code": new.village_code, "members": len(new.members)}
    await audit.record(session, principal, "household.register", "household", created.id, detail)
    return HouseholdCreated(id=created.id, reference=created.reference, version=created.version)


def _cells(new: NewHousehold, member: NewMember) -> list[str]:
    values: list[object] = [getattr(new, name) for name in COLUMNS[:6]]
    values += [getattr(member, name) for name in COLUMNS[6:]]
    return [_cell(value) for value in values]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return value.get_secret_value().strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    return str(value).strip()


def _errors(rejections: object) -> list[FieldError]:
    found: dict[tuple[str, str], FieldError] = {}
    for row in rejections:  # type: ignore[attr-defined]
        field = row.field if row.field in _HOUSEHOLD_FIELDS else f"members[{row.line - 1}].{row.field}"
        found.setdefault((field, row.code), FieldError(field, row.code, MESSAGES[row.code]))
    return list(found.values())
