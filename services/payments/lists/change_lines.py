"""Change a built list by hand: take lines off, split one, or have some go first. Only with a reason, which is kept.

Any change voids the approval and what it reserved: the list is hashed anew, and must be submitted and approved again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.errors import BadParts, LineNotFound
from services.payments.fields import plain
from services.payments.lists import line_repository, repository
from services.payments.lists.approve_list import void_approval
from services.payments.lists.model import Action, ListStatus, split_amount
from services.payments.lists.steps import begin_step
from services.payments.metadata import Record
from shared import audit
from shared.auth import Principal
from shared.errors import FieldError
from shared.money import MoneyError, check_amount


async def exclude_lines(
    session: AsyncSession, principal: Principal, list_id: UUID, payments: Sequence[UUID], reason: str, today: date
) -> Record:
    """Take ready lines off the list.

    Raises:
        PaymentListNotFound, ListState.
        LineNotFound: one of them is not there, or left out already: then nothing changes.
    """
    row = await begin_step(session, principal, list_id, Action.EXCLUDE)
    _all_there(payments, await line_repository.exclude_lines(session, list_id, payments, reason))
    return await _changed(session, principal, row, Action.EXCLUDE, reason, today, {"payments": _ids(payments)})


async def prioritise_lines(
    session: AsyncSession,
    principal: Principal,
    list_id: UUID,
    payments: Sequence[UUID],
    priority: int,
    reason: str,
    today: date,
) -> Record:
    """Have ready lines instructed before the others; priority 0 takes it back.

    Raises:
        PaymentListNotFound, ListState, LineNotFound.
    """
    row = await begin_step(session, principal, list_id, Action.PRIORITISE)
    _all_there(payments, await line_repository.prioritise_lines(session, list_id, payments, priority, reason))
    detail = {"payments": _ids(payments), "priority": priority}
    return await _changed(session, principal, row, Action.PRIORITISE, reason, today, detail)


async def split_line(
    session: AsyncSession,
    principal: Principal,
    list_id: UUID,
    payment: UUID,
    amounts: Sequence[Decimal] | None,
    ceiling: Decimal | None,
    reason: str,
    today: date,
) -> Record:
    """Replace a line by several payments of the same money; also one left out only for being over the ceiling.

    Args:
        amounts: of the parts; None: as many parts of at most the ceiling as are needed.
        ceiling: the most that one payment may be, where there is one.

    Raises:
        PaymentListNotFound, ListState, LineNotFound.
        BadParts: fewer than two, not money, above the ceiling, or their sum is another.
    """
    row = await begin_step(session, principal, list_id, Action.SPLIT)
    line = await line_repository.line_of(session, list_id, payment)
    if line is None:
        raise LineNotFound("Look at the list's lines again.")
    parts = list(amounts) if amounts is not None else split_amount(line.amount, ceiling or line.amount)
    _check_parts(parts, line, ceiling)
    if not await line_repository.split_line(session, list_id, payment, parts, reason):
        raise LineNotFound("Only a ready line, or one left out only for its ceiling, is split, and once.")
    detail = {"payments": [str(payment)], "parts": [plain(part) for part in parts]}
    return await _changed(session, principal, row, Action.SPLIT, reason, today, detail)


def _check_parts(parts: Sequence[Decimal], line: Record, ceiling: Decimal | None) -> None:
    try:
        exact = [check_amount(part, line.currency) for part in parts]
    except MoneyError as error:
        raise BadParts("Correct the parts.", errors=[FieldError("amounts", "bad_amount", str(error))]) from None
    if len(exact) < 2 or min(exact) <= 0 or sum(exact, Decimal(0)) != line.amount:
        message = f"Give two or more amounts above zero whose sum is {plain(line.amount)}."
        raise BadParts("Correct the parts.", errors=[FieldError("amounts", "bad_sum", message)])
    if ceiling is not None and max(exact) > ceiling:
        message = f"No part may be above the ceiling of {plain(ceiling)}."
        raise BadParts("Correct the parts.", errors=[FieldError("amounts", "over_ceiling", message)])


def _all_there(wanted: Sequence[UUID], found: Sequence[UUID]) -> None:
    missing = sorted(set(wanted) - set(found))
    if missing:
        raise LineNotFound("They are not on the list, or left out already.", payments=_ids(missing))


def _ids(payments: Sequence[UUID]) -> list[str]:
    return [str(payment) for payment in payments]


async def _changed(
    session: AsyncSession, principal: Principal, row: Any, action: Action, reason: str, today: date, detail:
    dict[str, Any]
) -> Record:  # fmt: skip
    await void_approval(session, row, today)
    content_hash = await repository.hash_of(session, row.id)
    counts = await repository.counts_of(session, row.id)
    changed = await repository.change_list(
        session,
        row.id,
        status=ListStatus.BUILT,
        submitted_by=None,
        first_approved_by=None,
        approved_by=None,
        content_hash=content_hash,
        **counts._mapping,
    )
    await repository.add_step(session, row.id, action, principal.subject, content_hash=content_hash, reason=reason)
    kept = detail | {"content_hash": content_hash, "reason": reason}
    await audit.record(session, principal, f"payment_list.{action}", "payment_list", str(row.id), kept)
    return changed
