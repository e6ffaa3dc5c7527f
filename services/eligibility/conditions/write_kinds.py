"""Use-case: take in the file of condition kinds. Kinds are added and changed, never removed: events name them."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.conditions import repository
from services.eligibility.conditions.errors import KindsInvalid
from services.eligibility.conditions.kinds import ConditionKinds
from services.eligibility.conditions.record_events import HOLIDAYS
from services.eligibility.programmes.file import path
from services.eligibility.programmes.yaml_source import YamlRefused, nearest, read_yaml
from shared import audit
from shared.auth import Principal
from shared.clock import Clock
from shared.errors import FieldError


def read_kinds_file(source: bytes) -> ConditionKinds:
    """Read and validate the file.

    Raises:
        KindsInvalid: every error by path, with line and column.
    """
    try:
        document, positions = read_yaml(source)
    except YamlRefused as error:
        where = f"line {error.position[0]}, column {error.position[1]}: " if error.position else ""
        fault = FieldError("", "yaml_invalid", f"{where}{error.message}")
        raise KindsInvalid("Correct the file.", errors=[fault]) from error
    try:
        return ConditionKinds.model_validate(document)
    except ValidationError as error:
        faults = []
        for item in error.errors()[:100]:
            field = path(item["loc"])
            at = nearest(positions, field)
            message = f"{item['msg']} (file line {at[0]}, column {at[1]})" if at else item["msg"]
            faults.append(FieldError(field, item["type"], message))
        raise KindsInvalid("Correct the places named in errors.", errors=faults) from error


async def write_kinds(session: AsyncSession, clock: Clock, principal: Principal, source: bytes) -> tuple[int, int]:
    """Store the kinds of a file.

    Returns:
        How many changed, and how many the file has.

    Raises:
        KindsInvalid: see `read_kinds_file`.
    """
    file = read_kinds_file(source)
    documents: dict[str, Any] = {kind.code: kind.model_dump(mode="json") for kind in file.kinds}
    documents[HOLIDAYS] = {"days": list(file.holidays)}
    changed = await repository.write_kinds(session, documents, principal.subject, clock.now())
    detail = {"changed": changed, "kinds": len(file.kinds)}
    await audit.record(session, principal, "condition_kinds.write", "condition_kinds", "all", detail)
    return changed, len(file.kinds)
