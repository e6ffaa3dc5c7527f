"""Use-case: take in a file of reports (CSV or NDJSON), store its lines, and judge them in a job by thousands."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.conditions import file_repository, repository
from services.eligibility.conditions.errors import FileUnreadable
from services.eligibility.conditions.record_events import Outcome, read_rules, record_events
from services.eligibility.conditions.report import Report, Reporter
from shared import audit, jobs
from shared.auth import Principal
from shared.clock import Clock
from shared.errors import PayloadTooLarge
from shared.ids import uuid7

KIND = "record_condition_file"
CHUNK = 5_000
"""Lines a transaction."""
MAX_BYTES = 64 << 20
MAX_LINE = 4_000
MAX_LINES = 500_000
COLUMNS = ("kind", "person_id", "occurred_on", "until", "value", "babies", "facility_code", "place_code", "employer_id")
_NUMBERS = ("value", "babies")


async def receive_file(
    session: AsyncSession, principal: Principal, body: AsyncIterator[bytes], media_type: str, now: datetime
) -> tuple[UUID, UUID, int]:
    """Store a file's lines and queue their judgement.

    Args:
        body: the file, in parts: NDJSON (a report a line) or CSV with a header of `COLUMNS`, UTF-8, at most 64 MiB.
        media_type: `application/x-ndjson` or `text/csv`.

    Returns:
        The file's id, the job's id, and the number of lines.

    Raises:
        FileUnreadable: not UTF-8, a line too long, a header that is not known, or no line.
        PayloadTooLarge: too many bytes or lines.
    """
    file_id, total, digest = uuid7(), 0, hashlib.sha256()
    header: list[str] | None = None
    batch: list[tuple[UUID, int, str]] = []
    number = 0
    async for line in _lines(body, digest):
        number += 1
        if not line.strip():
            continue
        if media_type == "text/csv" and header is None:
            header = _header(line)
            continue
        batch.append((file_id, number, orjson.dumps(_parsed(line, header)).decode()))
        total += 1
        if total > MAX_LINES:
            raise PayloadTooLarge(f"A file has at most {MAX_LINES} lines: send several.")
        if len(batch) == CHUNK:
            await file_repository.add_lines(session, batch)
            batch.clear()
    if total == 0:
        raise FileUnreadable("The file holds no report.")
    await file_repository.add_lines(session, batch)
    await file_repository.add_file(session, file_id, principal, total, digest.hexdigest(), now)
    job_id = await jobs.enqueue(session, KIND, {"file_id": str(file_id)}, key=str(file_id))
    detail = {"lines": total, "sha256": digest.hexdigest()}
    await audit.record(session, principal, "condition_file.receive", "condition_file", file_id, detail)
    return file_id, job_id, total


async def _lines(body: AsyncIterator[bytes], digest: Any) -> AsyncIterator[str]:
    size, rest = 0, b""
    async for part in body:
        digest.update(part)
        size += len(part)
        if size > MAX_BYTES:
            raise PayloadTooLarge(f"A file has at most {MAX_BYTES >> 20} MiB.")
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            yield _text(line)
        if len(rest) > MAX_LINE:
            raise FileUnreadable(f"A line has at most {MAX_LINE} bytes.")
    if rest:
        yield _text(rest)


def _text(line: bytes) -> str:
    if len(line) > MAX_LINE:
        raise FileUnreadable(f"A line has at most {MAX_LINE} bytes.")
    try:
        return line.decode("utf-8-sig").rstrip("\r").replace("\x00", "")
    except UnicodeDecodeError as error:
        raise FileUnreadable("Write the file in UTF-8.") from error


def _header(line: str) -> list[str]:
    names = [name.strip() for name in next(csv.reader([line]))]
    unknown = sorted(set(names) - set(COLUMNS))
    if unknown or len(set(names)) != len(names):
        raise FileUnreadable(f"The columns are: {', '.join(COLUMNS)}.")
    return names


def _parsed(line: str, header: list[str] | None) -> dict[str, Any]:
    """A line as a document; what cannot be read is kept as such, and refused with its line number later."""
    if header is None:
        try:
            document = orjson.loads(line)
        except orjson.JSONDecodeError:
            return {"unreadable": "json_invalid"}
        return document if isinstance(document, dict) else {"unreadable": "not_an_object"}
    cells = next(csv.reader([line]), [])
    if len(cells) != len(header):
        return {"unreadable": "wrong_number_of_columns"}
    row: dict[str, Any] = {name: cell.strip() for name, cell in zip(header, cells, strict=True) if cell.strip()}
    for name in _NUMBERS:
        if name in row and row[name].isdecimal() and len(row[name]) < 9:
            row[name] = int(row[name])
    return row


async def run_file(run: jobs.JobRun) -> dict[str, Any]:
    """The job: judge line after line, a chunk a transaction; what is judged stays judged after a crash."""
    file_id = UUID(run.payload["file_id"])
    while True:
        async with run.context.database.session() as session:
            await run.still_mine(session)
            file = await file_repository.find_file(session, file_id)
            assert file is not None, "files are never deleted"
            lines = await file_repository.open_lines(session, file_id, CHUNK)
            if not lines:
                counts = await file_repository.count_outcomes(session, file_id)
                return {"lines": file.total, **counts}
            principal = Principal(file.recorded_by, frozenset(file.roles), tuple(file.areas))
            await _judge(session, principal, lines, run.context.clock)
        await run.progress(lines[-1].line, file.total, "lines judged")


async def _judge(session: AsyncSession, principal: Principal, lines: Sequence[Any], clock: Clock) -> None:
    rules = await read_rules(session)
    reporter = Reporter(principal, await repository.employers_of(session, principal.subject))
    readable: list[tuple[Any, Report]] = []
    results: list[dict[str, Any]] = []
    for line in lines:
        try:
            if "unreadable" in line.report:
                results.append(_refused(line, "", line.report["unreadable"], "This line cannot be read."))
                continue
            readable.append((line, Report.model_validate(line.report)))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            results.append(_refused(line, where, str(first["type"]), str(first["msg"])))
    outcomes = await record_events(session, rules, reporter, [report for _, report in readable], clock, "file")
    results.extend(_results(readable, outcomes))
    await file_repository.set_outcomes(session, results)


def _results(readable: Sequence[tuple[Any, Report]], outcomes: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    for (line, _), outcome in zip(readable, outcomes, strict=True):
        if outcome.refusal is not None:
            yield _refused(line, outcome.refusal.field, outcome.refusal.code, outcome.refusal.message)
        else:
            yield _result(line, outcome=outcome.outcome, event_id=outcome.event_id)


def _refused(line: Any, field: str, code: str, message: str) -> dict[str, Any]:
    return _result(line, outcome="refused", field=field, code=code, message=message)


def _result(line: Any, **values: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("event_id", "field", "code", "message"))
    return {"file_id": line.file_id, "line": line.line, **empty, **values}
