"""Apply a tablet's operations, each exactly once, whatever their order and however often they are sent.

An operation that builds on another of the same batch is applied after it. One whose version is not the present one is
applied to the present one where nobody has changed what it rests on (`three_way`), and else answered as a conflict.
Each stands in a savepoint of its own: a bad one leaves nothing behind and stops nobody else's. All that were applied
commit together with the answer; a batch whose answer was lost is sent again, and answered `already_applied`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.history.model import ChangeKind, ChangeSource, Origin
from services.registry.households.apply_change import apply_change, load_state
from services.registry.households.change_repository import lock_households
from services.registry.households.open_household import open_household
from services.registry.households.read_household import read_household
from services.registry.sync import repository
from services.registry.sync.schemas import Operation, OperationError, OperationResult
from services.registry.sync.three_way import clashes
from shared import audit
from shared.auth import Principal
from shared.errors import PreconditionFailed, Problem
from shared.service import Context
from shared.text import CODE, MESSAGE, Place, unstorable

PREDECESSOR_MISSING = "predecessor_missing"


@dataclass(frozen=True)
class Batch:
    """Whose operations these are, and in what they are applied."""

    session: AsyncSession
    context: Context
    principal: Principal
    device: str


async def apply_batch(batch: Batch, sent: Sequence[Mapping[str, Any]]) -> list[OperationResult]:
    """Apply what can be applied. Returns a result for each, in the order sent."""
    await repository.one_at_a_time(batch.session, batch.device)
    parsed = [_parse(item) for item in sent]
    operations = [item for item in parsed if isinstance(item, Operation)]
    wanted = {operation.op_id for operation in operations}
    wanted |= {operation.follows for operation in operations if operation.follows is not None}
    known = await repository.applied(batch.session, sorted(wanted))
    hashes = {
        id(item): _hash(batch, raw) for item, raw in zip(parsed, sent, strict=True) if isinstance(item, Operation)
    }
    results: dict[int, OperationResult] = {}
    waiting = [item for item in operations if id(item) not in results]
    while waiting:
        later = []
        for operation in waiting:
            if operation.follows is not None and operation.follows not in known and operation.op_id not in known:
                later.append(operation)
                continue
            results[id(operation)] = await _once(batch, operation, hashes[id(operation)], known)
        if len(later) == len(waiting):
            break
        waiting = later
    return [item if isinstance(item, OperationResult) else results.get(id(item)) or _too_early(item) for item in parsed]


def _parse(sent: Mapping[str, Any]) -> Operation | OperationResult:
    faults = [(place, CODE, MESSAGE) for place in unstorable(sent)]
    if faults:
        return _malformed(sent, faults)
    try:
        return Operation.model_validate(sent)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        return _malformed(sent, [(item["loc"], item["type"], item["msg"]) for item in found])


def _malformed(sent: Mapping[str, Any], faults: Sequence[tuple[Place, str, str]]) -> OperationResult:
    errors = [
        OperationError(field=".".join(map(str, place)) or "operation", code=code, message=message)
        for place, code, message in faults[:50]
    ]
    return OperationResult(
        op_id=_id_of(sent),
        status="refused",
        code="invalid_operation",
        detail="Correct the fields named.",
        errors=errors,
    )


def _id_of(sent: Mapping[str, Any]) -> UUID | None:
    try:
        return UUID(str(sent.get("op_id")))
    except ValueError:
        return None


def _hash(batch: Batch, sent: Mapping[str, Any]) -> bytes:
    told = sha256(orjson.dumps(sent, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()
    digest: bytes = batch.context.resources.sealer.seal(told, "sync").hash
    return digest


def _too_early(operation: Operation) -> OperationResult:
    detail = "Send it again together with, or after, the operation it follows."
    return OperationResult(op_id=operation.op_id, status="refused", code=PREDECESSOR_MISSING, detail=detail)


async def _once(batch: Batch, operation: Operation, told: bytes, known: dict[UUID, Row[Any]]) -> OperationResult:
    before = known.get(operation.op_id)
    if before is not None:
        if bytes(before.request_hash) != told:
            detail = "This op_id was used for another operation: make a new one."
            return OperationResult(op_id=operation.op_id, status="refused", code="op_id_reused", detail=detail)
        names = {"household_id": before.household_id, "version": before.version}
        return OperationResult(op_id=operation.op_id, status="already_applied", **names)
    try:
        async with batch.session.begin_nested():
            result = await _apply(batch, operation, told, known)
    except PreconditionFailed:
        merged = await _beside(batch, operation, told, known)
        if merged is None:
            return await _conflict(batch, operation, known)
        if merged.status != "applied":
            return merged
        result = merged
    except Problem as problem:
        return _refused(operation, problem)
    known |= await repository.applied(batch.session, [operation.op_id])
    return result


async def _beside(
    batch: Batch, operation: Operation, told: bytes, known: Mapping[UUID, Row[Any]]
) -> OperationResult | None:
    """Apply it to the household as it is now, where nobody has changed what it rests on; None: somebody has."""
    ids = await repository.known_as(batch.session, [operation.household_id])
    household_id = ids.get(operation.household_id, operation.household_id)
    base = _base(operation, known)
    assert base is not None  # a conflict is with a version
    await lock_households(batch.session, [household_id])
    state, version = await load_state(batch.session, household_id)
    if not batch.principal.covers(state.facts["village_code"]):
        return None
    since = await repository.touched_since(batch.session, household_id, base, version)
    if since is None or clashes(household_id, operation.changes, since):
        return None
    try:
        async with batch.session.begin_nested():
            result = await _apply(batch, operation, told, known, on_version=version)
    except Problem as problem:
        return _refused(operation, problem)
    return result.model_copy(update={"merged": True})


def _refused(operation: Operation, problem: Problem) -> OperationResult:
    errors = [OperationError(field=item.field, code=item.code, message=item.message) for item in problem.errors]
    return OperationResult(
        op_id=operation.op_id, status="refused", code=problem.code, detail=problem.detail, errors=errors
    )


async def _apply(
    batch: Batch,
    operation: Operation,
    told: bytes,
    known: Mapping[UUID, Row[Any]],
    on_version: int | None = None,
) -> OperationResult:
    """Apply it; to `on_version` where that was found to bear it, else to the version it says it builds on."""
    now = batch.context.clock.now()
    today = batch.context.clock.today()
    kind = ChangeKind.REGISTRATION if operation.register_at else ChangeKind(operation.kind)
    reason, since = operation.reason or "tablet", operation.effective_on
    origin = Origin(kind, ChangeSource.TABLET, batch.principal.subject, reason, since or today, operation.op_id)
    if kind is ChangeKind.CORRECTION:
        origin = Origin(kind, ChangeSource.TABLET, batch.principal.subject, reason, since, operation.op_id)
    household_id = await _household(batch, operation, origin)
    applied = await apply_change(
        batch.session,
        batch.context,
        household_id,
        [(f"changes[{index}]", change) for index, change in enumerate(operation.changes)],
        origin,
        base_version=_base(operation, known) if on_version is None else on_version,
        principal=batch.principal,
    )
    await repository.add_operation(
        batch.session,
        id=operation.op_id,
        device=batch.device,
        subject=batch.principal.subject,
        request_hash=told,
        household_id=household_id,
        version=applied.version,
        applied_at=now,
    )
    detail = {"operation": str(operation.op_id), "version": applied.version, "kind": kind.value}
    await audit.record(batch.session, batch.principal, "household.sync", "household", household_id, detail)
    return OperationResult(op_id=operation.op_id, status="applied", household_id=household_id, version=applied.version)


async def _household(batch: Batch, operation: Operation, origin: Origin) -> UUID:
    """The household's id in the register: a new one's, or that of one which a tablet knows by its own."""
    if operation.register_at is None:
        return (await repository.known_as(batch.session, [operation.household_id])).get(
            operation.household_id, operation.household_id
        )
    place = operation.register_at
    assert origin.effective_on is not None
    household_id = await open_household(
        batch.session,
        batch.context,
        batch.principal,
        place.village_code,
        place.household_ref,
        place.kind,
        origin,
        origin.effective_on,
    )
    await repository.call(batch.session, operation.household_id, household_id, batch.principal.subject)
    return household_id


def _base(operation: Operation, known: Mapping[UUID, Row[Any]]) -> int | None:
    """The version that the officer saw: of a new household none, else what she says or what she did before."""
    if operation.follows is not None:
        return int(known[operation.follows].version)
    return operation.base_version


async def _conflict(batch: Batch, operation: Operation, known: Mapping[UUID, Row[Any]]) -> OperationResult:
    ids = await repository.known_as(batch.session, [operation.household_id])
    household_id = ids.get(operation.household_id, operation.household_id)
    sealer = batch.context.resources.sealer
    current = await read_household(batch.session, sealer, batch.principal, household_id, "sync conflict")
    return OperationResult(
        op_id=operation.op_id,
        status="conflict",
        household_id=household_id,
        version=current.version,
        code="version_changed",
        detail="Look at what changed, and send what still holds as a new operation.",
        base_version=_base(operation, known),
        current=current,
        yours=operation.model_dump(mode="json", exclude_unset=True),
    )
