"""Take in one document of a rail: record it once, match every line, apply what matches, keep the rest as breaks.

One transaction, set-wise. Nothing of a document that cannot be read is applied; one bad line never holds up the others
(faults.md 3, 4, 13).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.instructions.model import Outcome
from services.payments.instructions.outcomes import apply_outcomes
from services.payments.rails import repository as batches
from services.payments.rails.port import Document, Media
from services.payments.reconciliation import repository
from services.payments.reconciliation.errors import StatementConflict, StatementTooLarge
from services.payments.reconciliation.gsma import GsmaReader
from services.payments.reconciliation.iso20022 import StatementReader
from services.payments.reconciliation.model import (
    DocumentHead,
    Line,
    Scheme,
    confirms_batch,
    reason_text,
    rejects_batch,
)
from shared.crypto import KeyedHash

MAX_BYTES = 128 * 1024 * 1024
CHUNK = 10_000
"""Lines copied, and outcomes applied, at a time."""
_FIRST = (UUID(int=0), -1)


class Reader(Protocol):
    """What reads a document."""

    @property
    def head(self) -> DocumentHead: ...

    def lines(self) -> Iterator[Line]: ...


@dataclass(frozen=True)
class Ingested:
    """What became of a document. `seen`: it had been taken in before, and nothing was done."""

    seen: bool
    file_id: UUID | None = None
    lines: int = 0
    matched: int = 0
    breaks: int = 0


@dataclass(frozen=True)
class Rules:
    """What matching needs to know: how numbers are hashed, and whether an IBAN in a line must be the payee's."""

    number_hash: KeyedHash
    strict_iban: bool = False

    def agrees(self, line: Line, known: repository.KnownPayee | None) -> bool | None:
        """Whether the payee that a line names is the one instructed; None where that cannot be told.

        A bank may name by IBAN an account that we named by number: not comparable, unless all payees have IBANs.
        """
        if known is None or not line.payee_number or (line.payee_scheme is Scheme.IBAN and not self.strict_iban):
            return None
        return self.number_hash.digest(line.payee_number, f"{known.rail}:{known.provider}") == known.number_hash


async def ingest_document(
    session: AsyncSession, document: Document, rules: Rules, *, received_by: str, now: datetime
) -> Ingested:
    """Take the document in, in the session's transaction.

    Raises:
        StatementTooLarge, StatementMalformed, StatementUnknownKind: nothing may be kept of it: roll back.
        StatementConflict: another document has its message id: roll back.
    """
    if len(document.body) > MAX_BYTES:
        raise StatementTooLarge(f"at most {MAX_BYTES // 2**20} MiB")
    digest = digest_of(document)
    file_id = await repository.claim(
        session, source=document.source, sha256=digest, size=len(document.body), received_by=received_by, now=now
    )
    if file_id is None:
        return Ingested(seen=True)
    reader = reader_of(document, digest)
    await _stage_all(session, reader, rules)
    if not await repository.name_file(session, file_id, document.source, reader.head):
        raise StatementConflict(f"{reader.head.kind} {reader.head.message_id}")
    await repository.match_staged(session, file_id, now)
    await _apply_group(session, file_id, reader.head, now)
    await _apply_lines(session, file_id, reader.head, now)
    await batches.complete(session, await repository.touched_batches(session, file_id), now)
    counts = await repository.count(session, file_id)
    return Ingested(False, file_id, counts.lines, counts.matched, counts.breaks)


def digest_of(document: Document) -> bytes:
    """The hash that a document is recorded under. An operator's page is known by what it is about as well."""
    about = f"{document.source}|{document.kind}|{document.correlation_id}|"
    return hashlib.sha256(about.encode() + document.body).digest()


def reader_of(document: Document, digest: bytes) -> Reader:
    """What reads this document."""
    if document.media is Media.ISO20022:
        return StatementReader(document.body)
    # An operator's body has no id of its own: its hash is.
    return GsmaReader(document.body, document.kind, digest.hex(), document.correlation_id)


async def _stage_all(session: AsyncSession, reader: Reader, rules: Rules) -> None:
    """Parse off the event loop, a chunk at a time; compare payees; copy each chunk in."""
    await repository.open_stage(session)
    lines = reader.lines()
    take: Callable[[], list[Line]] = lambda: list(islice(lines, CHUNK))  # noqa: E731
    while chunk := await asyncio.to_thread(take):
        references = [line.end_to_end_id for line in chunk if line.payee_number and line.end_to_end_id]
        known = await repository.known_payees(session, references) if references else {}
        await repository.stage(session, ((line, rules.agrees(line, known.get(line.end_to_end_id))) for line in chunk))


async def _apply_group(session: AsyncSession, file_id: UUID, head: DocumentHead, now: datetime) -> None:
    """What the document says of the batch it answers."""
    if confirms_batch(head):
        await batches.confirm(session, head.original_message_id, now)
    if not rejects_batch(head):
        return
    batch_id = await batches.reject(session, head.original_message_id, head.group_reason, now)
    if batch_id is None:
        return
    members = await batches.attempt_ids(session, batch_id)
    for start in range(0, len(members), CHUNK):
        offered = [
            Outcome(
                attempt_id=attempt_id,
                kind="failed",
                on=now.date(),
                source=head.kind,
                source_reference=head.message_id,
                reason_code=head.group_reason,
                reason=reason_text(head.group_reason),
            )
            for attempt_id in members[start : start + CHUNK]
        ]
        applied = await apply_outcomes(session, offered)
        if applied.contradictions:
            refused = [contradiction.attempt_id for contradiction in applied.contradictions]
            await repository.contradict_group(session, file_id, refused, now)


async def _apply_lines(session: AsyncSession, file_id: UUID, head: DocumentHead, now: datetime) -> None:
    after = _FIRST
    while rows := await repository.matched(session, file_id, after, CHUNK):
        outcomes = [
            Outcome(
                attempt_id=row.attempt_id,
                kind=row.kind,
                on=row.on_date,
                source=head.kind,
                source_reference=f"{head.message_id}#{row.number}",
                reason_code=row.reason_code,
                reason=reason_text(row.reason_code) if row.kind in ("failed", "returned") else "",
            )
            for row in rows
        ]
        applied = await apply_outcomes(session, outcomes)
        if applied.contradictions:
            numbers = [int(c.offered.source_reference.rpartition("#")[2]) for c in applied.contradictions]
            await repository.contradict_lines(session, file_id, numbers, now)
        after = (rows[-1].attempt_id, rows[-1].number)
