"""Receive a household file: parse, seal and stage it as it comes in, then queue its loading.

Lines are staged in small transactions of their own, so that a large upload keeps no transaction open; the import exists
only once the file has come in whole, committed together with its job and audit entry. If anything goes wrong before,
the staged lines are deleted at once, or by the cleaning schedule if the process itself was killed.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal, Self
from uuid import UUID

import anyio
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.imports import repository
from services.registry.imports.errors import EmptyFile, UploadAbandoned
from services.registry.imports.parse_columns import ColumnParser, Staged
from services.registry.imports.parse_rows import Formats
from services.registry.imports.read_lines import Measured
from services.registry.imports.sources import FileKind, tables
from services.registry.imports.table import Table
from services.registry.settings import RegistrySettings
from shared import audit
from shared.auth import Principal
from shared.ids import uuid7
from shared.jobs import enqueue
from shared.service import Context

LOAD_JOB = "load_import"
Newcomers = Literal["register", "hold"]


@dataclass(frozen=True)
class Received:
    """An import that was received whole, and the job that loads it."""

    import_id: UUID
    job_id: UUID


def formats(settings: RegistrySettings) -> Formats:
    """The country's number formats, and its least age of a head of household."""
    return Formats(re.compile(settings.national_id_pattern), re.compile(settings.phone_pattern), settings.head_min_age)


async def receive_import(
    session: AsyncSession,
    context: Context,
    principal: Principal,
    chunks: AsyncIterator[bytes],
    *,
    dry_run: bool,
    kind: FileKind = FileKind.CSV,
    newcomers: Newcomers = "register",
) -> Received:
    """Stage the file and queue its loading.

    Args:
        chunks: the body.
        dry_run: check and report only.
        kind: the file's format.
        newcomers: of those whose exact keys somebody elsewhere has, whether they are registered and then listed for a
            decision, or their households are held back until it is made.

    Raises:
        BodyCutShort, NotUtf8, WrongHeader, LineTooLong, EmptyFile, FileTooLarge, UnreadableFile, UnpacksTooLarge:
            nothing is kept.
    """
    batch_id = uuid7()
    body = Measured(chunks, context.settings.import_max_bytes)
    try:
        rows, repairs = await _stage_all(context, batch_id, tables(kind, body))
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
        newcomers=newcomers,
        sha256=body.sha256,
        bytes=body.size,
        rows=rows,
        repairs=repairs,
        received_at=context.clock.now(),
    )
    detail = {"rows": rows, "bytes": body.size, "sha256": body.sha256, "dry_run": dry_run, "kind": kind.name.lower()}
    await audit.record(session, principal, "household_import.receive", "household_import", batch_id, detail)
    return Received(batch_id, job_id)


async def _stage_all(context: Context, batch_id: UUID, rows: AsyncIterator[Table]) -> tuple[int, dict[str, int]]:
    settings: RegistrySettings = context.settings
    today = context.clock.today()
    parser = ColumnParser(batch_id, context.resources.sealer, formats(settings), today)
    staged = 0
    repairs: Counter[str] = Counter()
    async with aclosing(rows) as all_tables, _Staging(context) as staging:  # type: ignore[type-var]
        async for table in all_tables:
            block = await asyncio.to_thread(parser.parse, table)
            staged += block.rows
            repairs.update(block.repairs)
            await staging.write(block)
    if staged == 0:
        raise EmptyFile("Send a header line and at least one line.")
    return staged, dict(repairs)


class _Staging:
    """Writes each block in a transaction of its own while the next is parsed: one at a time, none left behind."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def write(self, block: Staged) -> None:
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

    async def _stage(self, block: Staged) -> None:
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
