"""Which of an approved list's funds pays which of its lines.

Each fund pays a stretch of lines, in the order of priority. What no fund can pay wholly at the end of its stretch,
though together they have enough, is shared out line by line with the last lines of every stretch (`funds.share_out`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.errors import FundInsufficient
from services.payments.fields import plain
from services.payments.funds.share_out import share_out
from services.payments.lists import line_repository, repository
from services.payments.metadata import Record

MOST_LEFT: Final = 500
"""Lines beyond every stretch that are shared out one by one."""
MOST_TAKEN_BACK: Final = 400
"""Lines of the stretches' ends that are shared out with them, of all funds together."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Ready payments in (after, until] that one fund pays."""

    fund: str
    after: UUID
    until: UUID
    count: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class _Line:
    payment: UUID
    before: UUID
    amount: Decimal


async def assign_funds(session: AsyncSession, row: Record, available: Mapping[str, Decimal]) -> list[Stretch]:
    """Assign every ready line to a fund; together the funds have enough.

    Args:
        available: what each fund can spare, in the order in which they pay; locked by the caller.

    Raises:
        FundInsufficient: no way was found that pays every line wholly, with what each fund has and what is needed.
    """
    stretches: list[Stretch] = []
    after, left, count = repository.FIRST, row.ready_amount, row.ready_count
    for code, money in available.items():
        if money >= left:
            return [*stretches, Stretch(code, after, line_repository.LAST, count, left)]
        reached = await line_repository.lines_within(session, row.id, after, money)
        if reached is None:
            continue
        stretches.append(Stretch(code, after, reached.payment_id, reached.count, reached.amount))
        after, left, count = reached.payment_id, left - reached.amount, count - reached.count
    return await _share_rest(session, row, available, stretches, after, count)


async def _share_rest(
    session: AsyncSession,
    row: Record,
    available: Mapping[str, Decimal],
    stretches: Sequence[Stretch],
    after: UUID,
    count: int,
) -> list[Stretch]:
    """Share out the lines after the last stretch, together with the last lines of each stretch."""
    rest = await _lines(session, row, after, line_repository.LAST, MOST_LEFT)
    if count > len(rest):
        raise _impossible(row, available, rest[0])
    pool, kept, money = list(rest), [], dict(available)
    for stretch in stretches:
        most = max(1, MOST_TAKEN_BACK // len(stretches))
        tail = await _lines(session, row, stretch.after, stretch.until, most)
        amount = stretch.amount - sum((line.amount for line in tail), Decimal(0))
        money[stretch.fund] -= amount
        if stretch.count > len(tail):
            kept.append(Stretch(stretch.fund, stretch.after, tail[0].before, stretch.count - len(tail), amount))
        pool += tail
    codes = list(money)
    shared = share_out([line.amount for line in pool], [money[code] for code in codes])
    if shared is None:
        raise _impossible(row, available, rest[0])
    paid = sorted(zip(pool, shared, strict=True), key=lambda pair: pair[0].payment)
    singles = [Stretch(codes[fund], line.before, line.payment, 1, line.amount) for line, fund in paid]
    return _joined(sorted([*kept, *singles], key=lambda stretch: stretch.until))


async def _lines(session: AsyncSession, row: Record, after: UUID, until: UUID, most: int) -> list[_Line]:
    """The last ready lines in (after, until], in order; each knows the one before it."""
    found = await line_repository.last_lines(session, row.id, after, until, most + 1)
    before = found[0].payment_id if len(found) > most else after
    lines = []
    for line in found[1:] if len(found) > most else found:
        lines.append(_Line(line.payment_id, before, line.amount))
        before = line.payment_id
    return lines


def _joined(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Neighbours of one fund as one stretch."""
    joined: list[Stretch] = []
    for one in stretches:
        last = joined[-1] if joined else None
        if last is not None and (last.fund, last.until) == (one.fund, one.after):
            joined[-1] = Stretch(one.fund, last.after, one.until, last.count + one.count, last.amount + one.amount)
        else:
            joined.append(one)
    return joined


def _impossible(row: Record, available: Mapping[str, Decimal], line: _Line) -> FundInsufficient:
    most = max(available, key=lambda code: available[code])
    return FundInsufficient(
        f"Together the funds have enough, but no way was found to pay every line from one fund: at the end a line "
        f"needs {plain(line.amount)} and no fund has that left. Release more to one of them (fund {most} has "
        f"{plain(available[most])}), split the line, or take it off.",
        fund_code=most,
        currency=row.currency,
        available=plain(available[most]),
        needed=plain(row.ready_amount),
        line_needs=plain(line.amount),
        payment_id=str(line.payment),
        funds=[{"fund_code": code, "available": plain(money)} for code, money in available.items()],
    )
