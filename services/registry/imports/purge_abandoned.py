"""Periodic cleaning: staged lines of uploads whose process died before the file had come in whole."""

from __future__ import annotations

from datetime import timedelta

from services.registry.imports import repository
from services.registry.imports.receive_import import forget_batch
from shared.jobs import Schedule
from shared.service import Context


async def purge_abandoned(context: Context) -> None:
    """Delete batches begun long ago that never became an import."""
    before = context.clock.now() - timedelta(hours=context.settings.import_abandoned_after_hours)
    async with context.database.session() as session:
        abandoned = await repository.abandoned_batches(session, before)
    for batch_id in abandoned:
        await forget_batch(context, batch_id)


PURGE_ABANDONED = Schedule("purge_abandoned_imports", timedelta(hours=1), purge_abandoned)
