"""HTTP of the rails themselves: how each does, and how it is to be used."""

from __future__ import annotations

from typing import Annotated

from fastapi import Response

from services.payments.rails import health_repository
from services.payments.rails.breaker import Health, waits_until
from services.payments.rails.catalogue import BY_NAME, KINDS
from services.payments.rails.change_policy import change_policy
from services.payments.rails.clients import clients_of
from services.payments.rails.errors import RailNotFound
from services.payments.rails.policy import RailPolicy, opening
from services.payments.rails.schemas import PolicyView, RailView
from shared.auth import Principal, requires
from shared.errors import PreconditionFailed, PreconditionRequired, responses
from shared.etag import IfMatch, etag
from shared.http import ContextDep, Router, SessionDep

RailRead = Annotated[
    Principal,
    requires("payment_officer", "payment_approver", "finance_officer", "operations_officer", "auditor", "admin"),
]
RailWrite = Annotated[Principal, requires("finance_officer", "operations_officer", "admin")]

router = Router(prefix="/payments/v1", tags=["rails"])


@router.get("/rails")
async def list_rails(session: SessionDep, context: ContextDep, principal: RailRead) -> list[RailView]:
    """Every rail: whether it is open, how it answers, what waits on it."""
    clients, now = clients_of(context), context.clock.now()
    policies = {kind.name: await clients.policy(session, kind.name) for kind in KINDS}
    hours = {name: policy.silent_after_hours for name, policy in policies.items()}
    rows = {row.rail: row for row in await health_repository.overview(session, hours, now)}
    views = []
    for kind in KINDS:
        row, opens = rows[kind.name], opening(policies[kind.name], now)
        health = Health(failures=row.failures or 0, opened_at=row.opened_at, retry_at=row.retry_at)
        state = "open" if waits_until(health, now) else "half_open" if health.open else "closed"
        views.append(
            RailView(
                name=kind.name,
                title=kind.title,
                configured=kind.name in clients.rails,
                open_now=opens == now,
                opens_at=opens,
                breaker=state,
                failures=health.failures,
                retry_at=row.retry_at,
                last_error=row.last_error or "",
                answered_at=row.answered_at,
                queued=row.queued,
                formed=row.formed,
                unknown=row.unknown,
                submitted=row.submitted,
                silent=row.silent,
            )
        )
    return views


@router.get("/rails/{rail}/policy", responses=responses(RailNotFound))
async def read_policy(
    rail: str, session: SessionDep, context: ContextDep, principal: RailRead, response: Response
) -> PolicyView:
    """How a rail is used: sizes, limits, opening hours, holidays, patience. The ETag goes with a change."""
    if rail not in BY_NAME:
        raise RailNotFound(rail)
    row = await health_repository.policy_row(session, rail)
    version = row.version if row is not None else 0
    response.headers["ETag"] = etag(version)
    return PolicyView(
        rail=rail,
        version=version,
        changed_by=row.changed_by if row is not None else "",
        changed_at=row.changed_at if row is not None else None,
        policy=await clients_of(context).policy(session, rail),
    )


@router.put("/rails/{rail}/policy", responses=responses(RailNotFound, PreconditionFailed, PreconditionRequired))
async def put_policy(
    rail: str,
    body: RailPolicy,
    version: IfMatch,
    session: SessionDep,
    context: ContextDep,
    principal: RailWrite,
    response: Response,
) -> PolicyView:
    """Set a rail's policy as a whole. Batches formed before keep their size; hours and limits hold at once."""
    now = context.clock.now()
    changed = await change_policy(session, principal, rail, body, expected=version, now=now)
    response.headers["ETag"] = etag(changed)
    return PolicyView(rail=rail, version=changed, changed_by=principal.subject, changed_at=now, policy=body)
