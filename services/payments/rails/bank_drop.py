"""A bank behind a pair of directories, as on an SFTP host: files go to `out`, answers are found in `in`.

    out/<MsgId>.xml  .sha256  .sig      written under another name and renamed, the data last of the three; the bank
                                        takes them away or moves them to out/processed
    in/<name>        .sha256  .sig      read when complete and genuine; moved to in/done once recorded, to in/refused
                                        when the checksum or the signature is wrong
    in/*.tmp, *.part, dotfiles          never read: still being written

The directories outlive everything: a file is there or it is not, so `query` knows. Sending a batch again writes the
same bytes under the same name.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.payments.rails.detached import NotGenuine, check, sha256_of, sign
from services.payments.rails.names import BANK
from services.payments.rails.pain001 import Debtor, length, pieces
from services.payments.rails.port import Answer, BatchHeader, Document, Instruction, Media, Submission
from shared.telemetry import get_logger

CHECKSUM: Final = ".sha256"
SIGNATURE: Final = ".sig"
MEDIA: Final = {".xml": Media.ISO20022, ".sta": Media.MT940, ".mt940": Media.MT940, ".csv": Media.CSV}
MOST_FILES: Final = 500
"""Files handed over in one round; the rest come with the next."""
_SMALL: Final = 4_096

log = get_logger(__name__)


class BankDropRail:
    """The bank as a rail over directories.

    Arguments:
        directory: holds `out` and `in`, made when absent.
        debtor: the account that pays.
        signing: our key; None: files go unsigned.
        verifying: the bank's key; None: only checksums are compared.
    """

    name = BANK

    def __init__(
        self, directory: Path, debtor: Debtor, signing: Ed25519PrivateKey | None, verifying: Ed25519PublicKey | None
    ) -> None:
        self._out, self._in = directory / "out", directory / "in"
        for path in (self._out, self._in / "done", self._in / "refused"):
            path.mkdir(parents=True, exist_ok=True)
        self._debtor = debtor
        self._signing = signing
        self._verifying = verifying

    async def submit(self, batch: BatchHeader, instructions: Sequence[Instruction]) -> Submission:
        """Write the file, its checksum and its signature.

        Raises:
            ValueError: the instructions are not what the batch promises; nothing was written.
        """
        length(batch, instructions, self._debtor)
        if await asyncio.to_thread(self._there, batch):
            return Submission(Answer.ACCEPTED, reference=batch.message_id)
        try:
            await asyncio.to_thread(self._write, batch, instructions)
        except OSError as error:
            # The data file is renamed into place last: where it is not, nothing left.
            gone = await asyncio.to_thread(self._there, batch)
            return Submission(Answer.UNKNOWN if gone else Answer.DEFERRED, reason=type(error).__name__)
        return Submission(Answer.ACCEPTED, reference=batch.message_id)

    async def query(self, batch: BatchHeader) -> Submission:
        """Whether the file is there, or was taken: one that the bank took away is told by its pain.002 only."""
        if await asyncio.to_thread(self._there, batch):
            return Submission(Answer.ACCEPTED, reference=batch.message_id)
        return Submission(Answer.ABSENT, reason="no such file in out; the bank refuses a MsgId that it had")

    async def fetch(self, open_batches: Sequence[BatchHeader]) -> AsyncIterator[Document]:
        """The genuine files waiting, oldest first."""
        for path in await asyncio.to_thread(self._waiting):
            try:
                await asyncio.to_thread(self._check, path)
            except NotGenuine as problem:
                log.warning("bank_file_not_genuine", reason=str(problem))
                await asyncio.to_thread(self._move, path, "refused")
                continue
            except OSError as error:
                log.warning("bank_file_unreadable", error=type(error).__name__)
                continue
            yield Document(BANK, MEDIA[path.suffix.lower()], path.name, b"", path=path)

    async def acknowledge(self, documents: Sequence[Document]) -> None:
        """Move recorded files to `in/done`."""
        for document in documents:
            if document.path is not None:
                await asyncio.to_thread(self._move, document.path, "done")

    def _there(self, batch: BatchHeader) -> bool:
        name = f"{batch.message_id}.xml"
        return any((self._out / folder / name).exists() for folder in ("", "processed", "failed"))

    def _write(self, batch: BatchHeader, instructions: Sequence[Instruction]) -> None:
        target = self._out / f"{batch.message_id}.xml"
        made = target.with_name(f".{target.name}.tmp")
        with made.open("wb") as out:
            for piece in pieces(batch, instructions, self._debtor):
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())
        digest = sha256_of(made)
        self._put(target.name + CHECKSUM, f"{digest.hex()}  {target.name}\n")
        if self._signing is not None:
            self._put(target.name + SIGNATURE, sign(self._signing, digest) + "\n")
        made.rename(target)
        folder = os.open(self._out, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _put(self, name: str, text: str) -> None:
        made = self._out / f".{name}.tmp"
        made.write_text(text)
        made.rename(self._out / name)

    def _waiting(self) -> list[Path]:
        found = [
            path
            for path in self._in.iterdir()
            if path.suffix.lower() in MEDIA and not path.name.startswith(".") and path.is_file()
        ]
        complete = [path for path in found if path.with_name(path.name + CHECKSUM).exists()]
        return sorted(complete, key=lambda path: (path.stat().st_mtime_ns, path.name))[:MOST_FILES]

    def _check(self, path: Path) -> None:
        checksum = _small(path.with_name(path.name + CHECKSUM))
        signature = _small(path.with_name(path.name + SIGNATURE)) if self._verifying is not None else ""
        check(sha256_of(path), checksum, signature, self._verifying)

    def _move(self, path: Path, folder: str) -> None:
        """Out of the way, with what belongs to it; a file of this name that came before keeps its own."""
        target = self._in / folder / path.name
        for number in range(1, MOST_FILES * 100):
            if not target.exists():
                break
            target = target.with_name(f"{path.stem}-{number}{path.suffix}")
        for ending in ("", CHECKSUM, SIGNATURE):
            source = path.with_name(path.name + ending)
            if source.exists():
                source.rename(target.with_name(target.name + ending))


def _small(path: Path) -> str:
    try:
        with path.open("rb") as body:
            return body.read(_SMALL).decode("ascii", "replace")
    except FileNotFoundError:
        return ""
