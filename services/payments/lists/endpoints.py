"""Payment lists over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.errors import (
    BadParts,
    ContentChanged,
    CycleNotClosed,
    EmergencyStopped,
    EntitlementsIncomplete,
    FundAmbiguous,
    FundInsufficient,
    LineNotFound,
    ListExists,
    ListState,
    NoFund,
    PaymentListNotFound,
    SamePerson,
)
from services.payments.fields import after_id
from services.payments.lists import line_repository, repository
from services.payments.lists.approve_list import approve_list
from services.payments.lists.change_lines import exclude_lines, prioritise_lines, split_line
from services.payments.lists.disburse_list import disburse_list
from services.payments.lists.model import EXPLAINED, LineReason, LineStatus
from services.payments.lists.reject_list import reject_list
from services.payments.lists.schemas import (
    Approval,
    FundShare,
    JobAccepted,
    LineOut,
    LinesIn,
    ListAccepted,
    ListDetail,
    ListIn,
    ListOut,
    PriorityIn,
    ReasonTotal,
    SplitIn,
    StepOut,
    WithReason,
)
from services.payments.lists.start_list import start_list
from services.payments.lists.submit_list import submit_list
from shared.auth import Principal, requires
from shared.errors import responses
from shared.etag import etag
from shared.http import ClockDep, ContextDep, Router, SessionDep
from shared.pagination import Page, Paging

ListMake = Annotated[Principal, requires("payment_officer")]
ListApprove = Annotated[Principal, requires("payment_approver")]
ListRelease = Annotated[Principal, requires("finance_officer")]
ListRead = Annotated[
    Principal, requires("payment_officer", "payment_approver", "finance_officer", "programme_officer", "auditor")
]
router = Router(prefix="/payments/v1/payment-lists", tags=["payment lists"])


@router.post(
    "",
    status_code=202,
    responses=responses(CycleNotClosed, EntitlementsIncomplete, ListExists, NoFund, FundAmbiguous, EmergencyStopped),
)
async def create_list(body: ListIn, principal: ListMake, session: SessionDep, response: Response) -> ListAccepted:
    """Build and check the payment list of a closed cycle. One cycle has one list."""
    funds = body.fund_codes or ([body.fund_code] if body.fund_code else [])
    job_id, list_id = await start_list(session, principal, body.cycle_id, funds)
    response.headers["Location"] = f"/payments/v1/payment-lists/{list_id}"
    return ListAccepted(job_id=job_id, payment_list_id=list_id)


@router.get("/{list_id}", responses=responses(PaymentListNotFound))
async def read_list(list_id: UUID, _: ListRead, session: SessionDep, response: Response) -> ListDetail:
    """A list with its totals, its hash, what was left out by reason, and who did what."""
    row = await repository.list_by_id(session, list_id)
    if row is None:
        raise PaymentListNotFound("Look at the id again.")
    response.headers["ETag"] = etag(row.version)
    return await _detail(session, row)


@router.get("/{list_id}/lines", responses=responses(PaymentListNotFound))
async def list_lines(
    list_id: UUID,
    principal: ListRead,
    session: SessionDep,
    paging: Paging,
    status: Annotated[LineStatus | None, Query()] = None,
) -> Page[LineOut]:
    """The lines in your area, by payment id, with the reasons of those left out."""
    if await repository.list_by_id(session, list_id) is None:
        raise PaymentListNotFound("Look at the id again.")
    rows = await repository.lines_of(session, principal, list_id, status, after_id(paging), paging.fetch)
    kept, cursor = paging.cut(rows, lambda row: {"id": str(row.payment_id)})
    return Page(items=[LineOut.model_validate(row, from_attributes=True) for row in kept], next_cursor=cursor)


@router.post("/{list_id}:submit", responses=responses(PaymentListNotFound, ListState))
async def submit(list_id: UUID, principal: ListMake, session: SessionDep) -> ListOut:
    """Hand a built list to the checkers."""
    return ListOut.model_validate(await submit_list(session, principal, list_id), from_attributes=True)


@router.post(
    "/{list_id}:approve",
    responses=responses(PaymentListNotFound, ListState, ContentChanged, SamePerson, FundInsufficient, EmergencyStopped),
)
async def approve(
    list_id: UUID, body: Approval, principal: ListApprove, session: SessionDep, clock: ClockDep
) -> ListOut:
    """Approve exactly what the hash covers, and reserve the money. Not by who built, changed or submitted it."""
    row = await approve_list(session, principal, list_id, body.content_hash, clock.today())
    return ListOut.model_validate(row, from_attributes=True)


@router.post("/{list_id}:reject", responses=responses(PaymentListNotFound, ListState, SamePerson))
async def reject(list_id: UUID, body: WithReason, principal: ListApprove, session: SessionDep) -> ListOut:
    """Send a submitted list back. The cycle may get a new one."""
    return ListOut.model_validate(await reject_list(session, principal, list_id, body.reason), from_attributes=True)


@router.post("/{list_id}/lines/{payment_id}:exclude", responses=responses(PaymentListNotFound, LineNotFound, ListState))
async def exclude(
    list_id: UUID, payment_id: UUID, body: WithReason, principal: ListMake, session: SessionDep, clock: ClockDep
) -> ListOut:
    """Take a line off. An approval is void: the list must be submitted and approved again."""
    row = await exclude_lines(session, principal, list_id, [payment_id], body.reason, clock.today())
    return ListOut.model_validate(row, from_attributes=True)


@router.post("/{list_id}/lines:exclude", responses=responses(PaymentListNotFound, LineNotFound, ListState))
async def exclude_many(
    list_id: UUID, body: LinesIn, principal: ListMake, session: SessionDep, clock: ClockDep
) -> ListOut:
    """Take several lines off together, for one reason; all or none. An approval is void."""
    row = await exclude_lines(session, principal, list_id, body.payments, body.reason, clock.today())
    return ListOut.model_validate(row, from_attributes=True)


@router.post("/{list_id}/lines:prioritise", responses=responses(PaymentListNotFound, LineNotFound, ListState))
async def prioritise(
    list_id: UUID, body: PriorityIn, principal: ListMake, session: SessionDep, clock: ClockDep
) -> ListOut:
    """Have lines instructed before the others, for a reason. An approval is void."""
    row = await prioritise_lines(session, principal, list_id, body.payments, body.priority, body.reason, clock.today())
    return ListOut.model_validate(row, from_attributes=True)


@router.post(
    "/{list_id}/lines/{payment_id}:split", responses=responses(PaymentListNotFound, LineNotFound, ListState, BadParts)
)
async def split(
    list_id: UUID, payment_id: UUID, body: SplitIn, principal: ListMake, session: SessionDep, context: ContextDep
) -> ListOut:
    """Pay a line in several parts of the same sum, e.g. where it is above the ceiling. An approval is void."""
    row = await repository.list_by_id(session, list_id)
    ceiling = None if row is None else context.settings.payment_ceilings.get(row.currency)
    today = context.clock.today()
    changed = await split_line(session, principal, list_id, payment_id, body.amounts, ceiling, body.reason, today)
    return ListOut.model_validate(changed, from_attributes=True)


@router.post("/{list_id}:disburse", status_code=202, responses=responses(PaymentListNotFound, ListState, SamePerson))
async def disburse(list_id: UUID, principal: ListRelease, session: SessionDep) -> JobAccepted:
    """Release an approved list to the rails. Not by who built, submitted or approved it."""
    return JobAccepted(job_id=await disburse_list(session, principal, list_id))


async def _detail(session: AsyncSession, row: Any) -> ListDetail:
    reasons = await repository.reasons_of(session, row.id)
    steps = await repository.steps_of(session, row.id)
    return ListDetail(
        **ListOut.model_validate(row, from_attributes=True).model_dump(),
        excluded=[
            ReasonTotal(
                reason=item.reason,
                explanation=EXPLAINED[LineReason(item.reason)],
                count=item.count,
                amount=item.amount,
            )
            for item in reasons
        ],
        funds=_shares(await line_repository.fund_ranges(session, row.id)),
        steps=[StepOut.model_validate(step, from_attributes=True) for step in steps],
    )


def _shares(stretches: Sequence[Any]) -> list[FundShare]:
    """What each fund pays, in the order in which they begin to pay."""
    shares: dict[str, FundShare] = {}
    for one in stretches:
        share = shares.setdefault(
            one.fund_code, FundShare(position=len(shares) + 1, fund_code=one.fund_code, count=0, amount=Decimal(0))
        )
        share.count += one.count
        share.amount += one.amount
    return list(shares.values())
