"""Take an employer's file of workers: parse, seal and stage its lines, then queue the work.

Newcomers are staged as a household file stages them, each as a household of her own: the same checks, the same loading.
"""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

import anyio
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.employers import worker_file_repository as repository
from services.registry.employers.errors import BadWorkers, EmployerClosed
from services.registry.households.rules import problem
from services.registry.imports import repository as imports
from services.registry.imports.errors import EmptyFile, WrongHeader
from services.registry.imports.parse_columns import ColumnParser, Staged
from services.registry.imports.parse_rows import plain_digits
from services.registry.imports.read_lines import Measured, read_lines
from services.registry.imports.receive_import import forget_batch, formats
from services.registry.imports.rules import COLUMNS
from services.registry.imports.table import Table
from services.registry.sealing import NATIONAL_ID, Sealer
from shared import audit
from shared.auth import Principal
from shared.ids import uuid7
from shared.jobs import enqueue
from shared.service import Context

WORKER_FILE_JOB: Final = "apply_worker_file"
FACTS: Final = ("village_code", "name_km", "name_en", "sex", "birth_date")
WORKER_COLUMNS: Final = ("national_id", "consent_means", *FACTS)
MEANS: Final = frozenset({"signed", "thumbprint", "electronic"})
_KIND: Final = ("household_kind",)


async def receive_worker_file(
    session: AsyncSession,
    context: Context,
    principal: Principal,
    employer: Row[Any],
    insured_from: date,
    chunks: AsyncIterator[bytes],
) -> tuple[UUID, UUID]:
    """Stage the file and queue its job. Returns the ids of both.

    Raises:
        EmployerClosed, BadWorkers: nobody can be insured so.
        BodyCutShort, NotUtf8, WrongHeader, LineTooLong, EmptyFile, FileTooLarge: nothing is kept.
    """
    if employer.closed_on is not None:
        raise EmployerClosed("Register the workers with the employer they have now.")
    if insured_from > context.clock.today():
        raise BadWorkers("Correct the day.", errors=[problem("insured_from", "date_in_future")])
    file_id = uuid7()
    body = Measured(chunks, context.settings.worker_file_max_bytes)
    try:
        rows = await _stage(context, file_id, body)
    except BaseException:  # also a client that hangs up
        with anyio.CancelScope(shield=True):
            await forget_batch(context, file_id)
            async with context.database.session() as other:
                await repository.forget_rows(other, file_id)
        raise
    job_id = await enqueue(session, WORKER_FILE_JOB, {"file_id": str(file_id)}, key=str(file_id))
    await repository.add_file(
        session,
        id=file_id,
        employer_id=employer.id,
        job_id=job_id,
        insured_from=insured_from,
        submitted_by=principal.subject,
        rows=rows,
        received_at=context.clock.now(),
    )
    detail = {"rows": rows, "sha256": body.sha256, "employer_id": str(employer.id)}
    await audit.record(session, principal, "employer.receive_workers", "worker_file", file_id, detail)
    return file_id, job_id


async def _stage(context: Context, file_id: UUID, body: Measured) -> int:
    sealer = context.resources.sealer
    taken = formats(context.settings)
    parser = ColumnParser(file_id, sealer, taken, context.clock.today())
    reader = _Reader(file_id, sealer, taken.national_id)
    rows = 0
    async for lines in read_lines(body):
        texts, first = lines.texts, lines.first_line
        if reader.columns is None:
            reader.columns = _columns(texts[0])
            texts, first = texts[1:], first + 1
        workers, people, rejections = reader.read(texts, first)
        block: Staged = parser.parse(Table(first, lambda people=people: people, optional=_KIND))  # type: ignore[misc]
        block.rejections += rejections
        async with context.database.session() as session:
            await repository.stage_workers(session, file_id, workers)
            await imports.stage(session, block)
        rows += len(workers)
    if not rows:
        raise EmptyFile("Send a header line and at least one line.")
    return rows


def _columns(header: str) -> list[str]:
    given = [name.strip().strip('"').lower() for name in header.split(",")]
    missing = [] if "national_id" in given else ["national_id"]
    unknown = sum(name not in WORKER_COLUMNS for name in given)
    repeated = sorted({name for name in given if given.count(name) > 1 and name in WORKER_COLUMNS})
    if missing or unknown or repeated:
        raise WrongHeader(missing, unknown, repeated)
    return given


class _Reader:
    """Lines -> workers by their hashed numbers, and the cells of those who may have to be entered."""

    def __init__(self, file_id: UUID, sealer: Sealer, form: Any) -> None:
        self._file_id = file_id
        self._sealer = sealer
        self._form = form
        self.columns: list[str] | None = None

    def read(
        self, texts: Sequence[str], first: int
    ) -> tuple[list[tuple[int, bytes | None, str | None]], list[list[str] | None], list[tuple[Any, ...]]]:
        """Workers, rows of a household file (None: there is nobody to enter), and what is wrong with the lines."""
        assert self.columns is not None
        workers: list[tuple[int, bytes | None, str | None]] = []
        people: list[list[str] | None] = []
        rejections: list[tuple[Any, ...]] = []
        for line, text in enumerate(texts, first):
            people.append(None)
            if not text or text.isspace():
                continue
            cells, code = self._cells(text)
            errors = [("line", code)] if code else []
            digest, means = None, cells.get("consent_means", "").lower()
            number = plain_digits(cells.get("national_id", "")).replace(" ", "").removeprefix("'")
            if not code and not self._form.fullmatch(number):
                errors.append(("national_id", "invalid_national_id" if number else "required"))
            elif not code:
                digest = self._sealer.digest(number, NATIONAL_ID)
                people[-1] = _household(cells, number, digest)
            if means and means not in MEANS:
                errors.append(("consent_means", "invalid_consent_means"))
            workers.append((line, digest, means if means in MEANS else None))
            rejections += [(self._file_id, line, field, reason, None) for field, reason in errors]
        return workers, people, rejections

    def _cells(self, text: str) -> tuple[dict[str, str], str]:
        assert self.columns is not None
        try:
            cells = next(csv.reader([text], strict=True))
        except csv.Error:
            return {}, "unclosed_quote"
        if len(cells) != len(self.columns):
            return {}, "column_count"
        return {name: cell.strip() for name, cell in zip(self.columns, cells, strict=True)}, ""


def _household(cells: Mapping[str, str], number: str, digest: bytes) -> list[str] | None:
    """A household file's row of a person alone; None: the line says nothing but her number."""
    if not any(cells.get(name) for name in FACTS):
        return None
    told = {name: cells.get(name, "") for name in FACTS}
    told |= {"household_ref": f"W{digest.hex()[:16]}", "person_ref": "1", "relationship": "head"}
    told |= {"national_id": number}
    return [told.get(name, "") for name in COLUMNS] + ["individual"]
