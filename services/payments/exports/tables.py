"""Exported rows as CSV and as a workbook. Codes and amounts only: no name, no account number."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import anyio
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.exports import repository
from services.payments.exports.repository import Scope
from services.payments.fields import plain
from shared.ids import reference
from shared.service import Context
from shared.spreadsheet import csv_text, safe_cell

PAYMENT_COLUMNS: Final = (
    "payment_reference",
    "programme_code",
    "period",
    "fund_code",
    "component",
    "province_code",
    "commune_code",
    "beneficiary_reference",
    "amount",
    "currency",
    "status",
    "attempt",
    "rail",
    "provider",
    "end_to_end_id",
    "instructed_on",
    "outcome_on",
    "reason_code",
)
TOTAL_COLUMNS: Final = (
    "programme_code",
    "period",
    "fund_code",
    "component",
    "province_code",
    "status",
    "currency",
    "count",
    "amount",
)


async def payments_csv(context: Context, scope: Scope) -> AsyncIterator[str]:
    """The lines as CSV, from one snapshot, some thousands at a time."""
    yield csv_text([PAYMENT_COLUMNS])
    async with context.database.session() as session:
        await repository.begin_snapshot(session)
        async for page in repository.pages(session, scope):
            yield csv_text([_payment(row, text=True) for row in page])


async def totals_csv(session: AsyncSession, scope: Scope) -> str:
    """The totals as CSV."""
    rows = await repository.totals(session, scope)
    return csv_text([TOTAL_COLUMNS, *(_total(row, text=True) for row in rows)])


async def write_workbook(context: Context, scope: Scope, path: Path) -> None:
    """Totals and lines as two sheets, from one snapshot; rows go to the disk as they come."""
    # openpyxl loads numpy and Pillow: no process needs them but one that writes a workbook.
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet_of_totals, sheet = book.create_sheet("totals"), book.create_sheet("payments")
    async with context.database.session() as session:
        await repository.begin_snapshot(session)
        totals = [TOTAL_COLUMNS, *(_total(row, text=False) for row in await repository.totals(session, scope))]
        await anyio.to_thread.run_sync(_append, sheet_of_totals, totals)
        sheet.append(list(PAYMENT_COLUMNS))
        async for page in repository.pages(session, scope):
            await anyio.to_thread.run_sync(_append, sheet, [_payment(row, text=False) for row in page])
    await anyio.to_thread.run_sync(book.save, path)


def _append(sheet: Any, rows: Sequence[Sequence[object]]) -> None:
    for row in rows:
        sheet.append([safe_cell(cell) for cell in row])


def _payment(row: Any, *, text: bool) -> list[object]:
    cells: list[object] = [getattr(row, name, None) for name in PAYMENT_COLUMNS]
    cells[0] = reference("PM", UUID(str(row.id)))
    return _amount_at(cells, PAYMENT_COLUMNS.index("amount"), text)


def _total(row: Any, *, text: bool) -> list[object]:
    return _amount_at([getattr(row, name) for name in TOTAL_COLUMNS], TOTAL_COLUMNS.index("amount"), text)


def _amount_at(cells: list[object], index: int, text: bool) -> list[object]:
    """In CSV an amount is its exact text; a spreadsheet gets a number to add up."""
    amount: Any = cells[index]
    cells[index] = plain(amount) if text else amount
    return cells
