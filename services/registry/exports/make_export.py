"""The job that writes a household file: one snapshot of the register, read by a server-side cursor, sealed as it grows.

Run again after a crash, it begins anew: pieces of the run before are deleted first.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from services.registry.consents.require_consent import known_purpose
from services.registry.exports import repository
from services.registry.exports.optional import optional_cells
from services.registry.exports.piece_cipher import PieceCipher
from services.registry.exports.writers import WRITERS, Writer
from services.registry.imports.rules import COLUMNS, OPTIONAL_COLUMNS
from services.registry.imports.sources import FileKind
from services.registry.sealing import EQUITY_CARD, NATIONAL_ID, PHONE, Sealer
from shared import audit
from shared.jobs import JobFailed, JobKind, JobRun, Schedule
from shared.service import Context

EXPORT_JOB: Final = "make_export"
PIECE_BYTES: Final = 1 << 20
SCOPE: Final = "all"
"""A household file holds everything: consent to a part of it is not enough."""
KEPT_FOR: Final = timedelta(hours=24)


@dataclass
class _Counts:
    households: int = 0
    rows: int = 0
    withheld: int = 0
    last: UUID | None = None


class _Pieces:
    """Bytes of the file -> sealed pieces, each committed on its own while the lease is held."""

    def __init__(self, run: JobRun, export_id: UUID) -> None:
        self._run = run
        self._export_id = export_id
        self._cipher = PieceCipher(run.context.settings.encryption_key.get_secret_value())
        self._buffer = bytearray()
        self._digest = hashlib.sha256()
        self._seq = 0
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    async def write(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= PIECE_BYTES:
            await self._keep(bytes(self._buffer[:PIECE_BYTES]))
            del self._buffer[:PIECE_BYTES]

    async def end(self) -> None:
        if self._buffer:
            await self._keep(bytes(self._buffer))

    async def _keep(self, data: bytes) -> None:
        self._digest.update(data)
        self.size += len(data)
        sealed = self._cipher.seal(data, self._export_id, self._seq)
        async with self._run.context.database.session() as session:
            await self._run.still_mine(session)
            await repository.add_piece(session, self._export_id, self._seq, sealed)
        self._seq += 1


async def make_export(run: JobRun) -> Mapping[str, Any]:
    """Write the file. Returns how many rows it has, and how many were withheld for want of consent."""
    export_id = UUID(run.payload["export_id"])
    async with run.context.database.session() as session:
        export = await repository.find_export(session, export_id)
        await repository.forget_pieces(session, export_id)
    if export is None or export.state != "queued":
        raise JobFailed("export_not_found", "The export is not recorded here, or was made before.")
    pieces, counts = _Pieces(run, export_id), _Counts()
    columns = (*COLUMNS, *OPTIONAL_COLUMNS) if export.optional else COLUMNS
    writer = WRITERS[FileKind(export.kind)](columns)
    sealer: Sealer = run.context.resources.sealer
    today = run.context.clock.today()
    consent = known_purpose(export.purpose, SCOPE).basis != "law"
    async with run.context.database.session() as session:
        stream = repository.stream_rows(session, export, consent=consent, today=today)
        async for rows in stream:
            await pieces.write(await asyncio.to_thread(_write, writer, rows, sealer, counts, export.optional))
            await run.progress(counts.rows, None, "writing")
    await pieces.write(await asyncio.to_thread(writer.end))
    await pieces.end()
    now = run.context.clock.now()
    figures = {"households": counts.households, "rows": counts.rows, "withheld": counts.withheld, "bytes": pieces.size}
    async with run.context.database.session() as session:
        await run.still_mine(session)
        ends = {"ready_at": now, "expires_at": now + KEPT_FOR, "sha256": pieces.sha256}
        await repository.make_ready(session, export_id, **figures, **ends)
        await audit.record(session, "worker", "household_export.ready", "household_export", export_id, figures)
    return figures


def _write(writer: Writer, rows: Sequence[Any], sealer: Sealer, counts: _Counts, optional: bool) -> bytes:
    told = []
    for row in rows:
        if not row.may_leave:
            counts.withheld += 1
            continue
        counts.households += row.household_id != counts.last
        counts.last = row.household_id
        cells = _cells(row, sealer)
        told.append([*cells, *optional_cells(row, sealer)] if optional else cells)
    counts.rows += len(told)
    return writer.write(told)


def _cells(row: Any, sealer: Sealer) -> list[str]:
    length = {"year": 4, "month": 7, "day": 10}[row.birth_date_precision]
    poor = row.poverty_level is not None
    return [
        row.household_ref,
        row.village_code,
        str(row.poverty_level) if poor else "",
        sealer.open(row.card_cipher, EQUITY_CARD) if row.card_cipher and poor else "",
        row.card_valid_from.isoformat() if row.card_valid_from else "",
        row.card_valid_until.isoformat() if row.card_valid_until else "",
        row.person_ref,
        row.name_km,
        row.name_en,
        row.sex,
        row.birth_date.isoformat()[:length],
        row.relationship,
        sealer.open(row.number_cipher, NATIONAL_ID) if row.number_cipher else "",
        sealer.open(row.phone_cipher, PHONE) if row.phone_cipher else "",
        row.disability,
        "true" if row.living_with_hiv else "false",
        "true" if row.pregnant else "false",
    ]


async def expire_exports(context: Context) -> None:
    """Delete files whose time is over."""
    async with context.database.session() as session:
        for export_id in await repository.due(session, context.clock.now()):
            await repository.forget_pieces(session, export_id)
            await repository.expire(session, export_id)


MAKE_EXPORT = JobKind(EXPORT_JOB, make_export)
EXPIRE_EXPORTS = Schedule("expire_exports", timedelta(minutes=10), expire_exports)
