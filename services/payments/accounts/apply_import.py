"""The job behind an account import: validate the staged lines set-wise, then apply them chunk by chunk."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from services.payments.accounts import import_repository
from services.payments.accounts.import_accounts import JOB
from services.payments.statistics import Bulk, refresh
from shared.jobs import JobFailed, JobKind, JobRun


async def apply_import(run: JobRun) -> dict[str, Any]:
    """Apply one import. Resumable: each chunk commits with the line it reached.

    Returns:
        counts of lines: total, accepted, unchanged, rejected, flagged.
    """
    import_id = UUID(run.payload["import_id"])
    settings, database = run.context.settings, run.context.database
    async with database.session() as session:
        await run.still_mine(session)
        row = await import_repository.import_by_id(session, import_id, lock=True)
        if row is None:
            raise JobFailed("import_not_found", "The import is not there any more.")
        await refresh(session, Bulk.IMPORT)
        if row.applied_line is None:
            await import_repository.validate_import(session, import_id, row.areas)
    usable_from = run.context.clock.now() + timedelta(hours=settings.account_cooling_off_hours)
    reached, last = row.applied_line or 1, row.total + 1
    while reached < last:
        until = min(reached + settings.chunk_size, last)
        async with database.session() as session:
            await run.still_mine(session)
            await import_repository.apply_lines(session, import_id, reached, until, row.created_by, usable_from)
        reached = until
        await run.progress(reached - 1, row.total, "accounts applied")
    async with database.session() as session:
        await run.still_mine(session)
        await import_repository.finish_import(session, import_id, settings.account_beneficiary_limit)
    async with database.session() as session:
        done = await import_repository.import_by_id(session, import_id)
    assert done is not None
    return {
        "import_id": str(import_id),
        **{name: getattr(done, name) for name in ("total", "accepted", "unchanged", "rejected", "flagged")},
    }


IMPORT_ACCOUNTS = JobKind(JOB, apply_import)
