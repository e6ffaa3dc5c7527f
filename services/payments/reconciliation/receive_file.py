"""A file handed in over HTTP: a small one is taken in at once, a large one kept encrypted and taken in by a job."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.rails.clients import clients_of
from services.payments.rails.detached import NotGenuine, check_signature, public_key
from services.payments.rails.detached import check as check_checksum
from services.payments.rails.poll_rails import take_in
from services.payments.rails.port import Document
from services.payments.reconciliation import repository
from services.payments.reconciliation.errors import StatementNotGenuine, StatementSeen, StatementTooLarge
from services.payments.reconciliation.ingest_document import MAX_BYTES, Ingested, ingest_document
from shared.audit import record
from shared.auth import Principal
from shared.jobs import JobFailed, JobRun, enqueue
from shared.service import Context

if TYPE_CHECKING:
    from services.payments.settings import PaymentsSettings

TAKE_IN: Final = "take_in_file"
AT_ONCE: Final = 4 * 1024 * 1024
"""Bytes up to which a file is taken in while its sender waits: some thousand lines, a second or two."""
PART: Final = 1024 * 1024
PART_CONTEXT: Final = "statement part"


@dataclass(frozen=True)
class Seal:
    """What the sender says about the bytes: `Content-Digest` (RFC 9530) and a detached Ed25519 signature, base64."""

    content_digest: str = ""
    signature: str = ""

    def check(self, digest: bytes, settings: PaymentsSettings) -> None:
        """Compare, where given; the signature is required where the bank's key is configured.

        Raises:
            StatementNotGenuine.
        """
        try:
            if self.content_digest:
                match = re.search(r"sha-256=:([A-Za-z0-9+/=]+):", self.content_digest)
                check_checksum(digest, base64.b64decode(match[1]).hex() if match else "", "", None)
            if settings.bank_verifying_key is not None:
                check_signature(digest, self.signature, public_key(settings.bank_verifying_key))
        except (NotGenuine, binascii.Error) as problem:
            raise StatementNotGenuine(str(problem)) from None


async def receive_file(
    session: AsyncSession,
    context: Context,
    principal: Principal,
    document: Document,
    body: AsyncIterator[bytes],
    seal: Seal,
) -> Ingested | UUID:
    """Take the file in, or keep it and queue the job that does.

    Arguments:
        document: without its body.
        body: the raw bytes.
        seal: what the sender says about them.

    Returns:
        What became of it, or the job's id.

    Raises:
        StatementNotGenuine, StatementTooLarge, StatementSeen, StatementMalformed, StatementUnknownKind,
        StatementConflict: nothing is kept.
    """
    head, size = bytearray(), 0
    async for part in body:
        head += part
        size += len(part)
        if size > AT_ONCE:
            return await _keep(session, context, principal, document, _joined(bytes(head), body), seal)
    seal.check(hashlib.sha256(head).digest(), context.settings)
    taken = await ingest_document(
        session,
        replace(document, body=bytes(head)),
        clients_of(context).rules,
        received_by=principal.subject,
        now=context.clock.now(),
    )
    if taken.seen or taken.file_id is None:
        raise StatementSeen("the same bytes were received before")
    await record(session, principal, "statement.receive", "statement_file", str(taken.file_id))
    return taken


async def _keep(
    session: AsyncSession,
    context: Context,
    principal: Principal,
    document: Document,
    body: AsyncIterator[bytes],
    seal: Seal,
) -> UUID:
    """Keep the parts, encrypted: a file names people. The hash is known at the end: the row is named then."""
    digest, plain, size, waiting = _digest_of(document), hashlib.sha256(), 0, bytearray()
    cipher = clients_of(context).cipher
    with tempfile.TemporaryFile() as spool:  # encrypted parts only, and gone with the process
        lengths: list[int] = []

        def put(part: bytes) -> None:
            sealed = cipher.encrypt(part.decode("latin-1"), PART_CONTEXT)
            spool.write(sealed)
            lengths.append(len(sealed))

        async for part in body:
            size += len(part)
            if size > MAX_BYTES:
                raise StatementTooLarge(f"at most {MAX_BYTES // 2**20} MiB")
            digest.update(part)
            plain.update(part)
            waiting += part
            while len(waiting) >= PART:
                put(bytes(waiting[:PART]))
                del waiting[:PART]
        if waiting:
            put(bytes(waiting))
        seal.check(plain.digest(), context.settings)
        file_id = await repository.store(
            session,
            document,
            sha256=digest.digest(),
            size=size,
            received_by=principal.subject,
            now=context.clock.now(),
        )
        if file_id is None:
            raise StatementSeen("the same bytes were received before")
        spool.seek(0)
        for number, length in enumerate(lengths):
            await repository.keep_part(session, file_id, number, spool.read(length))
    await record(session, principal, "statement.receive", "statement_file", str(file_id))
    return await enqueue(session, TAKE_IN, {"file_id": str(file_id)}, key=str(file_id))


def _digest_of(document: Document) -> hashlib._Hash:
    """Begins as `ingest_document.digest_of` does: one file has one hash, whichever way it came."""
    return hashlib.sha256(f"{document.source}|{document.kind}|{document.correlation_id}|".encode())


async def _joined(head: bytes, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for part in body:
        yield part


async def run_take_in(run: JobRun) -> dict[str, int]:
    """The job: put the parts together in a file of this process, and take it in piece by piece.

    Raises:
        JobFailed: `statement_unknown`, or the code with which the file was refused.
    """
    file_id = UUID(run.payload["file_id"])
    async with run.context.database.session() as session:
        row = await repository.file_by_id(session, file_id)
    if row is None:
        raise JobFailed("statement_unknown", "There is no such file.")
    if row.state == "done":
        return {"lines": row.lines, "matched": row.matched, "breaks": row.breaks}
    with tempfile.TemporaryDirectory(prefix="samaki-") as directory:
        path = Path(directory) / "statement"
        await _assemble(run, file_id, path)
        document = Document(row.source, row.media, row.name, b"", path=path)
        taken = await take_in(run.context, document, row.received_by)
    if taken is None:
        async with run.context.database.session() as session:
            row = await repository.file_by_id(session, file_id)
            if row is not None and row.refused:
                await repository.drop_parts(session, file_id)
        code = row.refused if row is not None and row.refused else "statement_busy"
        raise JobFailed(code, "The file was not taken in; nothing of it was applied.")
    return {"lines": taken.lines, "matched": taken.matched, "breaks": taken.breaks}


async def _assemble(run: JobRun, file_id: UUID, path: Path) -> None:
    cipher, number = clients_of(run.context).cipher, 0
    with path.open("wb") as out:
        while True:
            async with run.context.database.session() as session:
                sealed = await repository.part(session, file_id, number)
            if sealed is None:
                return
            out.write(cipher.decrypt(sealed, PART_CONTEXT).encode("latin-1"))
            number += 1
