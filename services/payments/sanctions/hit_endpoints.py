"""Hits of the sanctions list over HTTP."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.payments.accounts.model import BORN_CONTEXT, NAME_CONTEXT
from services.payments.errors import HitNotFound, HitState, SamePerson
from services.payments.fields import after_id
from services.payments.resources import Resources
from services.payments.sanctions import decide_hit
from services.payments.sanctions import screening_repository as repository
from services.payments.sanctions.screen_accounts import ENTRY_CONTEXT
from shared import audit
from shared.auth import Principal, requires
from shared.errors import PreconditionFailed, responses
from shared.etag import IfMatch, etag
from shared.http import ClockDep, ContextDep, Router, SessionDep
from shared.pagination import Page, Paging

HitWrite = Annotated[Principal, requires("payment_officer", "payment_approver")]
HitDecide = Annotated[Principal, requires("payment_approver")]
HitRead = Annotated[Principal, requires("payment_officer", "payment_approver", "auditor")]
HitStatus = Literal["open", "clearing", "cleared", "upheld"]
router = Router(prefix="/payments/v1/sanctions/hits", tags=["sanctions"])


class Why(BaseModel):
    """The reason, for the record: what was looked at, without names or numbers."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=3, max_length=500)


class HitOut(BaseModel):
    """A holder who may be on the list. `cleared` and confirmed, it holds no payment."""

    id: UUID
    account_id: UUID
    beneficiary_id: UUID
    village_code: str
    reference: str
    score: Decimal
    reasons: list[str]
    status: str
    proposed_by: str | None
    reason: str | None
    decided_by: str | None
    decided_at: datetime | None
    in_force: bool
    version: int
    created_at: datetime


class HitDetail(HitOut):
    """The same with both people, for those who decide: who reads it is on record."""

    holder_name: str
    holder_birth_date: str
    listed_name: str | None = Field(description="null: the entry is on the list no more.")
    listed_birth_date: str | None


_PROBLEMS = responses(HitNotFound, HitState, SamePerson, PreconditionFailed)


@router.get("")
async def list_hits(
    principal: HitRead, session: SessionDep, paging: Paging, status: Annotated[HitStatus | None, Query()] = None
) -> Page[HitOut]:
    """Hits in force in your area, without names."""
    rows = await repository.hits(session, principal, status, after_id(paging) or UUID(int=0), paging.fetch)
    kept, cursor = paging.cut(rows, lambda row: {"id": str(row.id)})
    return Page(items=[HitOut.model_validate(row, from_attributes=True) for row in kept], next_cursor=cursor)


@router.get("/{hit_id}", responses=responses(HitNotFound))
async def read_hit(
    hit_id: UUID, principal: HitWrite, session: SessionDep, context: ContextDep, response: Response
) -> HitDetail:
    """The account's holder beside the entry: to be compared."""
    row = await decide_hit.visible_hit(session, principal, hit_id)
    people = await repository.people_of(session, hit_id)
    await audit.record(session, principal, "sanction_hit.read", "sanction_hit", str(hit_id), {})
    response.headers["ETag"] = etag(row.version)
    return HitDetail(**{name: getattr(row, name) for name in HitOut.model_fields}, **_opened(context.resources, people))


@router.post("/{hit_id}:clear", responses=_PROBLEMS)
async def clear(
    hit_id: UUID,
    body: Why,
    version: IfMatch,
    principal: HitWrite,
    session: SessionDep,
    clock: ClockDep,
    response: Response,
) -> HitOut:
    """Propose to clear a false hit, with the reason."""
    row = await decide_hit.propose_clearing(session, principal, hit_id, version, body.reason, clock.now())
    return _shown(row, response)


@router.post("/{hit_id}:confirm-clearing", responses=_PROBLEMS)
async def confirm(
    hit_id: UUID, version: IfMatch, principal: HitDecide, session: SessionDep, clock: ClockDep, response: Response
) -> HitOut:
    """Clear it. Not by who proposed it."""
    return _shown(await decide_hit.confirm_clearing(session, principal, hit_id, version, clock.now()), response)


@router.post("/{hit_id}:uphold", responses=_PROBLEMS)
async def uphold(
    hit_id: UUID,
    body: Why,
    version: IfMatch,
    principal: HitDecide,
    session: SessionDep,
    clock: ClockDep,
    response: Response,
) -> HitOut:
    """Uphold it: her payments stay out of lists."""
    row = await decide_hit.uphold_hit(session, principal, hit_id, version, body.reason, clock.now())
    return _shown(row, response)


def _shown(row: Any, response: Response) -> HitOut:
    response.headers["ETag"] = etag(row.version)
    return HitOut.model_validate(row, from_attributes=True)


def _opened(resources: Resources, people: Any) -> dict[str, Any]:
    cipher, sealed = resources.cipher, people.holder_born_encrypted
    listed = {"name": None, "born": None}
    if people.entry_encrypted is not None:
        listed = orjson.loads(cipher.decrypt(bytes(people.entry_encrypted), ENTRY_CONTEXT))
    return {
        "holder_name": cipher.decrypt(bytes(people.holder_name_encrypted), NAME_CONTEXT),
        "holder_birth_date": "" if sealed is None else cipher.decrypt(bytes(sealed), BORN_CONTEXT),
        "listed_name": listed["name"],
        "listed_birth_date": listed["born"],
    }
