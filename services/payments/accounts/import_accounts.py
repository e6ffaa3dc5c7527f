"""Receive a file of accounts: read it as it arrives, seal numbers and names, stage by COPY, queue the rest.

One physical line is one record; memory does not grow with the file. Numbers are encrypted before they touch the
database, so their form is checked here; everything that needs other rows is checked set-wise by the job.
"""

from __future__ import annotations

import asyncio
import csv
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.accounts import import_repository
from services.payments.accounts.model import Fault, find_faults, seal
from services.payments.resources import Resources
from shared import audit
from shared.auth import Principal
from shared.errors import FieldError, Invalid, PayloadTooLarge
from shared.ids import uuid7
from shared.jobs import enqueue

HEADER: Final = ("beneficiary_id", "rail", "provider", "account_number", "holder_name", "purpose")
LONG_HEADER: Final = (*HEADER, "holder_birth_date")
JOB: Final = "import_accounts"
BLOCK_LINES: Final = 2_000
MAX_LINE_BYTES: Final = 4_096


@dataclass
class Block:
    """Some lines, read and sealed."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    findings: list[tuple[Any, ...]] = field(default_factory=list)


async def import_accounts(
    session: AsyncSession, principal: Principal, resources: Resources, body: AsyncIterator[bytes], max_bytes: int
) -> tuple[UUID, UUID]:
    """Stage a CSV file and queue its validation.

    Returns:
        (job id, import id).

    Raises:
        Invalid: the heading is not the one expected, or there are no lines.
        PayloadTooLarge: more than `max_bytes`, or a line of more than MAX_LINE_BYTES.
    """
    import_id = uuid7()
    await import_repository.add_import(session, import_id, principal.subject, principal.areas)
    lines = _lines(body, max_bytes)
    width = _check_header(await anext(lines, b""))
    number = 1
    while batch := [line async for line in _take(lines, BLOCK_LINES)]:
        block = await asyncio.to_thread(_read_block, resources, import_id, number, batch, width)
        await import_repository.stage(session, block.rows, block.findings)
        number += len(batch)
    total = number - 1
    if total == 0:
        raise Invalid("The file has a heading and no lines.", errors=[FieldError("body", "no_lines", "Send lines.")])
    await import_repository.set_total(session, import_id, total)
    await audit.record(session, principal, "account.import", "account_import", str(import_id), {"lines": total})
    return await enqueue(session, JOB, {"import_id": str(import_id)}, key=str(import_id)), import_id


async def _lines(body: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[bytes]:
    """Physical lines without their ends, blank ones included so that line numbers hold."""
    rest, received = b"", 0
    async for chunk in body:
        received += len(chunk)
        if received > max_bytes:
            raise PayloadTooLarge(f"Send at most {max_bytes} bytes a file.")
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            yield line.rstrip(b"\r")
        if len(rest) > MAX_LINE_BYTES:
            raise PayloadTooLarge(f"A line has at most {MAX_LINE_BYTES} bytes.")
    if rest.strip():
        yield rest.rstrip(b"\r")


async def _take(lines: AsyncIterator[bytes], count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        line = await anext(lines, None)
        if line is None:
            return
        yield line


def _check_header(line: bytes) -> int:
    """How many columns the file has: six, or seven with the holder's date of birth."""
    names = tuple(name.strip() for name in line.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").split(","))
    if names not in (HEADER, LONG_HEADER):
        raise Invalid(
            f"The first line must be: {','.join(HEADER)} (and holder_birth_date, if you have it)",
            errors=[FieldError("body", "bad_header", "Name exactly these columns, in this order.")],
        )
    return len(names)


def _read_block(resources: Resources, import_id: UUID, after: int, lines: list[bytes], width: int) -> Block:
    """Runs in a thread: parsing and encryption of a block."""
    block = Block()
    for number, line in enumerate(lines, start=after + 1):
        faults, row = _read_line(resources, line, width)
        if row is not None:
            block.rows.append((import_id, number, *row))
        block.findings += [
            (import_id, number, fault.field, fault.code, fault.message, "error") for fault in _first_each(faults)
        ]
    return block


def _first_each(faults: list[Fault]) -> list[Fault]:
    return list({(fault.field, fault.code): fault for fault in faults}.values())


def _read_line(resources: Resources, line: bytes, width: int) -> tuple[list[Fault], tuple[Any, ...] | None]:
    if not line.strip():
        return [Fault("line", "blank_line", "The line is blank.")], None
    if len(line) > MAX_LINE_BYTES:
        return [Fault("line", "line_too_long", f"A line has at most {MAX_LINE_BYTES} bytes.")], None
    try:
        fields = next(csv.reader([line.decode("utf-8")], strict=True))
    except UnicodeDecodeError:
        return [Fault("line", "not_utf8", "The file must be UTF-8.")], None
    except csv.Error:
        return [Fault("line", "bad_csv", "The line is not valid CSV (quotes).")], None
    if len(fields) != width:
        return [Fault("line", "wrong_field_count", f"A line has {width} fields.")], None
    beneficiary, rail, provider, number, name, purpose, born = (value.strip() for value in [*fields, ""][:7])
    faults = [*find_faults(rail, provider, number, name, purpose), *_bad_birth(born)]
    try:
        beneficiary_id = UUID(beneficiary)
    except ValueError:
        return [Fault("beneficiary_id", "bad_id", "The beneficiary's id is a UUID."), *faults], None
    if faults:
        return faults, None
    sealed = seal(resources.cipher, resources.number_hash, rail, provider, number, name, born)
    return [], (
        beneficiary_id,
        rail,
        provider,
        sealed.number_encrypted,
        sealed.number_hash,
        sealed.holder_name_encrypted,
        sealed.holder_name_hash,
        purpose,
        sealed.holder_born_encrypted,
    )


def _bad_birth(born: str) -> list[Fault]:
    try:
        if born and str(date.fromisoformat(born)) == born:
            return []
    except ValueError:
        born = "?"
    return [Fault("holder_birth_date", "bad_date", "A date of birth is YYYY-MM-DD, or empty.")] if born else []
