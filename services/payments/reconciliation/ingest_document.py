"""Take in one document of a rail: record it once, match every line, apply what matches, keep the rest as breaks.

Nothing of a document that cannot be read to its end is applied; one bad line never holds up the others (faults.md 3,
4, 13). Two ways, the same steps:

    ingest_document     in the caller's transaction: a callback, a refusal, a small file
    ingest_in_pieces    10,000 lines a transaction, each with the position it reached: a file of any size in flat
                        memory, a large one in several lanes at once; whoever finds a half-taken one goes on where
                        it stands
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar
from uuid import UUID
from zlib import crc32

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.days import local_day
from services.payments.instructions.model import Outcome
from services.payments.instructions.outcomes import apply_outcomes, apply_staged_outcomes
from services.payments.rails import repository as batches
from services.payments.rails.port import Document
from services.payments.reconciliation import breaks_repository, lines_repository, repository
from services.payments.reconciliation.check_sequence import check_sequence
from services.payments.reconciliation.errors import StatementConflict, StatementTooLarge
from services.payments.reconciliation.model import (
    DocumentHead,
    Line,
    Reader,
    Statement,
    confirms_batch,
    reason_text,
    rejects_batch,
)
from services.payments.reconciliation.rules import Rules
from shared.db import Database

_T = TypeVar("_T")
MAX_BYTES: Final = 512 * 1024 * 1024
CHUNK: Final = 10_000
"""Lines matched and outcomes applied at a time: one transaction of `ingest_in_pieces`."""
LANES: Final = 2
"""Transactions at once over one large document: while some are in the database, lines of another are read."""
LARGE: Final = 4 * 1024 * 1024
"""Bytes from which a document has lanes."""


@dataclass(frozen=True)
class Ingested:
    """What became of a document.

    `seen`: it had been taken in before, and nothing was done. `busy`: another worker is at it; ask again.
    """

    seen: bool
    file_id: UUID | None = None
    lines: int = 0
    matched: int = 0
    breaks: int = 0
    busy: bool = False


@dataclass(frozen=True)
class _Opened:
    """A document read to its end once: nothing applied yet."""

    document: Document
    digest: bytes
    size: int
    reader: Reader
    statements: Sequence[Statement]


async def ingest_document(
    session: AsyncSession, document: Document, rules: Rules, *, received_by: str, now: datetime
) -> Ingested:
    """Take the document in, in the session's transaction.

    Raises:
        StatementTooLarge, StatementMalformed, StatementUnknownKind: nothing may be kept of it: roll back.
        StatementConflict: another document has its message id: roll back.
    """
    digest, size = measure(document)
    if await repository.seen(session, digest) == "done":
        return Ingested(seen=True)
    async with _reading(document, digest) as reading:
        opened = await _open(reading, document, digest, size)
        claimed = await _claim(session, opened, rules, received_by, now)
        if claimed is None:
            return Ingested(seen=True)
        reading.begin(claimed.positions)
        while piece := await reading.next():
            await _apply_piece(session, claimed, opened, piece, rules, now)
    return await _finish(session, claimed.id, now)


async def ingest_in_pieces(
    database: Database, document: Document, rules: Rules, *, received_by: str, now: datetime
) -> Ingested:
    """Take the document in, a transaction for every `CHUNK` lines of a lane.

    A large document has `LANES` lanes, each with a position and a transaction of its own: while one is at work in the
    database, another's lines are read and copied. Lines of one reference are of one lane, and keep their order.

    Raises:
        StatementTooLarge, StatementMalformed, StatementUnknownKind, StatementConflict: nothing of it was applied.
    """
    digest, size = await asyncio.to_thread(measure, document)
    async with database.session() as session:
        if await repository.seen(session, digest) == "done":
            return Ingested(seen=True)
    async with _reading(document, digest) as reading:
        opened = await _open(reading, document, digest, size)
        async with database.session() as session:
            claimed = await _claim(session, opened, rules, received_by, now)
        if claimed is None:
            return Ingested(seen=True)
        reading.begin(claimed.positions)
        try:
            reached = await _apply_lanes(database, reading, claimed, opened, rules, now)
        except _TakenElsewhere:
            return Ingested(seen=False, file_id=claimed.id, busy=True)
    async with database.session() as session:
        for lane, position in enumerate(reached):
            if not await repository.at_position(session, claimed, lane, position):
                return Ingested(seen=False, file_id=claimed.id, busy=True)
        return await _finish(session, claimed.id, now)


class _TakenElsewhere(Exception):
    """Another worker is at this document."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some lines of one lane, in order."""

    lane: int
    lines: list[Line]

    @property
    def until(self) -> int:
        """The position after it."""
        return self.lines[-1].number + 1


async def _apply_lanes(
    database: Database,
    reading: _Reading,
    claimed: repository.Claimed,
    opened: _Opened,
    rules: Rules,
    now: datetime,
) -> list[int]:
    """All lanes at once; the position that each has reached.

    At most one piece of each waits: where one lane is held up, no more is read.
    """
    queues: list[asyncio.Queue[_Piece | None]] = [asyncio.Queue(1) for _ in claimed.positions]

    async def hand_out() -> None:
        while piece := await reading.next():
            await queues[piece.lane].put(piece)
        for queue in queues:
            await queue.put(None)

    async def take(lane: int, position: int) -> int:
        while piece := await queues[lane].get():
            async with database.session() as session:
                if not await repository.at_position(session, claimed, lane, position):
                    raise _TakenElsewhere
                await _apply_piece(session, claimed, opened, piece, rules, now)
            position = piece.until
        return position

    try:
        async with asyncio.TaskGroup() as group:
            lanes = [group.create_task(take(lane, position)) for lane, position in enumerate(claimed.positions)]
            group.create_task(hand_out())
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [lane.result() for lane in lanes]


def digest_of(document: Document) -> bytes:
    """The hash that a document is recorded under; see `measure`."""
    return measure(document)[0]


def measure(document: Document) -> tuple[bytes, int]:
    """The hash that a document is recorded under, and its size in bytes.

    An operator's page is known by what it is about as well: two equal pages of two batches are two documents.

    Raises:
        StatementTooLarge.
    """
    digest = hashlib.sha256(f"{document.source}|{document.kind}|{document.correlation_id}|".encode())
    size = 0
    with document.open() as body:
        while part := body.read(1 << 20):
            size += len(part)
            if size > MAX_BYTES:
                raise StatementTooLarge(f"at most {MAX_BYTES // 2**20} MiB")
            digest.update(part)
    return digest.digest(), size


def reader_of(document: Document, digest: bytes) -> Reader:
    """What reads this document."""
    # Rails bring their readers, and their modules build on this package: looked up when used, not when imported.
    from services.payments.rails.catalogue import READERS

    return READERS[document.media](document, digest)


class _Reading:
    """One document's reader, all of it on one thread of its own: an XML parser must not wander between threads."""

    def __init__(self, reader: Reader, executor: ThreadPoolExecutor) -> None:
        self.reader = reader
        self._executor = executor
        self._pieces: Iterator[_Piece] = iter(())

    def run(self, work: Callable[[], _T]) -> asyncio.Future[_T]:
        """Work on the reader's thread, after what was asked for before."""
        return asyncio.get_running_loop().run_in_executor(self._executor, work)

    def begin(self, positions: Sequence[int]) -> None:
        """Read lines from here on: a position for each lane."""
        self._pieces = _cut(self.reader.lines(), positions)

    def next(self) -> asyncio.Future[_Piece | None]:
        """The next lines of some lane; None at the end."""
        return self.run(lambda: next(self._pieces, None))

    def forget(self) -> None:
        """Let go of the parser, on its own thread."""
        self._pieces = iter(())


def _cut(lines: Iterator[Line], positions: Sequence[int]) -> Iterator[_Piece]:
    """Lines by lane, `CHUNK` at a time; those before a lane's position are applied already."""
    waiting: list[list[Line]] = [[] for _ in positions]
    for line in lines:
        lane = crc32((line.end_to_end_id or str(line.number)).encode()) % len(positions)
        if line.number < positions[lane]:
            continue
        waiting[lane].append(line)
        if len(waiting[lane]) == CHUNK:
            yield _Piece(lane, waiting[lane])
            waiting[lane] = []
    for lane, rest in enumerate(waiting):
        if rest:
            yield _Piece(lane, rest)


@asynccontextmanager
async def _reading(document: Document, digest: bytes) -> AsyncIterator[_Reading]:
    executor = ThreadPoolExecutor(1, "reader")
    reading = _Reading(reader_of(document, digest), executor)
    try:
        yield reading
    finally:
        executor.submit(reading.forget)
        executor.shutdown(wait=False)


async def _open(reading: _Reading, document: Document, digest: bytes, size: int) -> _Opened:
    statements = await reading.run(reading.reader.check)
    return _Opened(document, digest, size, reading.reader, statements)


async def _claim(
    session: AsyncSession, opened: _Opened, rules: Rules, received_by: str, now: datetime
) -> repository.Claimed | None:
    """Record the document and what it says as a whole, unless that was done before."""
    document, head = opened.document, opened.reader.head
    claimed = await repository.claim(
        session,
        document,
        sha256=opened.digest,
        size=opened.size,
        lanes=LANES if opened.size >= LARGE else 1,
        received_by=received_by,
        now=now,
    )
    if claimed is None or claimed.named:
        return claimed
    if not await repository.name_file(session, claimed.id, document.source, head):
        raise StatementConflict(f"{head.kind} {head.message_id}")
    await _apply_group(session, claimed.id, head, now)
    await check_sequence(session, claimed.id, document.source, opened.statements, rules, now)
    return claimed


async def _apply_piece(
    session: AsyncSession, claimed: repository.Claimed, opened: _Opened, piece: _Piece, rules: Rules, now: datetime
) -> None:
    """Copy lines to the database, match and apply them, and record how far their lane is, in one transaction."""
    await _stage(session, piece.lines, rules)
    rail, head = opened.document.source, opened.reader.head
    matched, broken = await lines_repository.match(session, claimed.id, rail, head)
    applied = await apply_staged_outcomes(session)
    contradicted = [int(c.offered.source_reference.rpartition("#")[2]) for c in applied.contradictions]
    if contradicted:
        await lines_repository.contradict_lines(session, claimed.id, contradicted)
    broken += contradicted
    await breaks_repository.break_lines(session, claimed.id, broken, now)
    counts = repository.Counts(len(piece.lines), matched - len(contradicted), len(broken))
    await repository.advance(session, claimed.id, piece.lane, piece.until, counts)


async def _stage(session: AsyncSession, lines: Sequence[Line], rules: Rules) -> None:
    """Copy lines to the database, each with whether its payee is the one instructed."""
    references = [line.end_to_end_id for line in lines if line.payee_number and line.end_to_end_id]
    if not references:
        await lines_repository.stage(session, ((line, None) for line in lines))
        return
    known = await lines_repository.known_payees(session, references)
    await lines_repository.stage(session, ((line, rules.agrees(line, known.get(line.end_to_end_id))) for line in lines))


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
        offered = [_refused(attempt_id, head, now) for attempt_id in members[start : start + CHUNK]]
        applied = await apply_outcomes(session, offered)
        if applied.contradictions:
            refused = [contradiction.attempt_id for contradiction in applied.contradictions]
            await breaks_repository.break_group(session, file_id, refused, now)


def _refused(attempt_id: UUID, head: DocumentHead, now: datetime) -> Outcome:
    return Outcome(
        attempt_id=attempt_id,
        kind="failed",
        on=local_day(now),
        source=head.kind,
        source_reference=head.message_id,
        reason_code=head.group_reason,
        reason=reason_text(head.group_reason),
    )


async def _finish(session: AsyncSession, file_id: UUID, now: datetime) -> Ingested:
    await batches.complete(session, await lines_repository.touched_batches(session, file_id), now)
    counts = await repository.done(session, file_id)
    await repository.drop_parts(session, file_id)
    return Ingested(False, file_id, counts.lines, counts.matched, counts.breaks)
