"""Receive a household file: parse, seal and stage it as it comes in, then queue its loading.

Lines are staged in small transactions of their own, so that a large upload keeps no transaction open; the import exists
only once the file has come in whole, committed together with its job and audit entry. If anything goes wrong before,
the staged lines are deleted at once, or by the cleaning schedule if the process itself was killed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self
from uuid import UUID

import anyio
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.imports import repository
from services.registry.imports.errors import EmptyFile, UploadAbandoned
from services.registry.imports.parse_rows import Block, Formats, RowParser
from services.registry.imports.read_lines import LineReader, Lines, column_order
from services.registry.settings import RegistrySettings
from shared import audit
from shared.auth import Principal
from shared.ids import uuid7
from shared.jobs import enqueue
from shared.service import Context

LOAD_JOB = "load_import"


@dataclass(frozen=True)
class Received:
    """An import that was received whole, and the job that loads it."""

    import_id: UUID
    job_id: UUID


def formats(settings: RegistrySettings) -> Formats:
    """The country's number formats."""
    return Formats(re.compile(settings.national_id_pattern), re.compile(settings.phone_pattern))


async def receive_import(
    session: AsyncSession, context: Context, principal: Principal, chunks: AsyncIterator[bytes], *, dry_run: bool
) -> Received:
    """Stage the file and queue its loading.

    Args:
        chunks: the body.
        dry_run: check and report only.

    Raises:
        BodyCutShort, NotUtf8, WrongHeader, LineTooLong, EmptyFile, FileTooLarge: nothing is kept.
    """
    batch_id = uuid7()
    reader = LineReader(chunks, context.settings.import_max_bytes)
    try:
        rows = await _stage_all(context, batch_id, reader)
        if await repository.count_staged(session, batch_id) != rows:
            raise UploadAbandoned("Its lines were cleaned away before it had ended: send the file again.")
    except BaseException:  # also a client that hangs up: what was staged goes before the error does
        with anyio.CancelScope(shield=True):
            await forget_batch(context, batch_id)
        raise
    job_id = await enqueue(session, LOAD_JOB, {"import_id": str(batch_id)}, key=str(batch_id))
    await repository.add_import(
        session,
        id=batch_id,
        job_id=job_id,
        submitted_by=principal.subject,
        areas=list(principal.areas),
        dry_run=dry_run,
        sha256=reader.sha256,
        bytes=reader.size,
        rows=rows,
        received_at=context.clock.now(),
    )
    detail = {"rows": rows, "bytes": reader.size, "sha256": reader.sha256, "dry_run": dry_run}
    await audit.record(session, principal, "household_import.receive", "household_import", batch_id, detail)
    return Received(batch_id, job_id)


async def _stage_all(context: Context, batch_id: UUID, reader: LineReader) -> int:
    settings: RegistrySettings = context.settings
    parser: RowParser | None = None
    rows = 0
    async with _Staging(context) as staging:
        async for lines in reader.blocks():
            if parser is None:
                order = column_order(lines.texts[0])
                today = settings.today(context.clock)
                parser = RowParser(batch_id, order, context.resources.sealer, formats(settings), today)
                lines = Lines(lines.first_line + 1, lines.texts[1:])
            block = await asyncio.to_thread(parser.parse, lines.texts, lines.first_line)
            rows += len(block.rows)
            await staging.write(block)
    if rows == 0:
        raise EmptyFile("Send a header line and at least one line.")
    return rows


class _Staging:
    """Writes each block in a transaction of its own while the next is parsed: one at a time, none left behind."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def write(self, block: Block) -> None:
        """Begin to write a block, once the one before is committed. Raises what that one met."""
        await self._end()
        self._writing = asyncio.create_task(self._stage(block))

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and self._writing is not None:
            self._writing.cancel()
            with anyio.CancelScope(shield=True):  # what is staged is deleted next: nothing may be written after that
                await asyncio.gather(self._writing, return_exceptions=True)
            return
        await self._end()

    async def _end(self) -> None:
        if self._writing is not None:
            await self._writing

    async def _stage(self, block: Block) -> None:
        async with self._context.database.session() as session:
            await repository.stage(session, block)


async def forget_batch(context: Context, batch_id: UUID) -> None:
    """Delete everything that was staged of a batch, in short transactions."""
    more = True
    while more:
        async with context.database.session() as session:
            more = await repository.purge_rows(session, batch_id)
    async with context.database.session() as session:
        await repository.purge_rejections(session, batch_id)
