"""Exports over HTTP: CSV streams whatever its size; a workbook is for what a spreadsheet can hold."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Query, Response
from fastapi.responses import FileResponse, StreamingResponse
from starlette.background import BackgroundTask

from services.payments.exports import repository, tables
from services.payments.exports.errors import ExportTooLarge, ExportUnlimited
from services.payments.exports.repository import Scope
from shared import audit
from shared.auth import Principal, requires
from shared.errors import responses
from shared.http import ContextDep, Router, SessionDep

ExportRead = Annotated[Principal, requires("finance_officer", "auditor")]
MAX_SHEET_LINES: Final = 200_000
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
router = Router(prefix="/payments/v1/exports", tags=["exports"])


async def _scope(
    principal: ExportRead,
    cycle_id: UUID | None = None,
    period: Annotated[str | None, Query(pattern=r"^\d{4}-\d{2}$", description="A month, e.g. `2020-07`.")] = None,
    programme_code: Annotated[str | None, Query(max_length=60)] = None,
    province: Annotated[str | None, Query(pattern=r"^\d{2}$", description="Two digits, e.g. `12`.")] = None,
) -> Scope:
    if cycle_id is None and period is None:
        raise ExportUnlimited("Name a cycle_id or a period.")
    return Scope(principal, cycle_id, period, programme_code, province)


ScopeDep = Annotated[Scope, Depends(_scope)]


@router.get("/payments.csv", response_class=Response, responses=responses(ExportUnlimited))
async def export_payments_csv(session: SessionDep, context: ContextDep, scope: ScopeDep) -> Response:
    """Every payment: fund, programme, component, place, amount, state, rail, bank reference. No names, no numbers."""
    await _record(session, scope, "payments.csv")
    return StreamingResponse(
        tables.payments_csv(context, scope), media_type="text/csv; charset=utf-8", headers=_named("payments.csv")
    )


@router.get("/totals.csv", response_class=Response, responses=responses(ExportUnlimited))
async def export_totals_csv(session: SessionDep, scope: ScopeDep) -> Response:
    """Count and sum by programme, period, fund, component, province and state."""
    await _record(session, scope, "totals.csv")
    content = await tables.totals_csv(session, scope)
    return Response(content, media_type="text/csv; charset=utf-8", headers=_named("totals.csv"))


@router.get("/payments.xlsx", response_class=Response, responses=responses(ExportUnlimited, ExportTooLarge))
async def export_payments_xlsx(session: SessionDep, context: ContextDep, scope: ScopeDep) -> Response:
    """Totals and payments as two sheets of a workbook."""
    lines = await repository.count_payments(session, scope)
    if lines > MAX_SHEET_LINES:
        raise ExportTooLarge(f"It has {lines} lines, at most {MAX_SHEET_LINES} fit: narrow it, or take payments.csv.")
    await _record(session, scope, "payments.xlsx")
    folder = tempfile.TemporaryDirectory(prefix="samaki-export-")
    try:
        path = Path(folder.name) / "payments.xlsx"
        await tables.write_workbook(context, scope, path)
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(path, media_type=XLSX, filename=path.name, background=BackgroundTask(folder.cleanup))


async def _record(session: SessionDep, scope: Scope, what: str) -> None:
    detail = {"cycle_id": str(scope.cycle_id or ""), "period": scope.period, "province": scope.province}
    await audit.record(session, scope.principal, "payments.export", "export", what, detail)


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
