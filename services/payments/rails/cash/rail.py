"""Cash through agents as a rail. Its other side is our own desk: collections, which agents redeem over HTTP.

submit   opens a collection per instruction and queues its code by message; one transaction, so all or none
query    the batch's collections are there, or it is absent
fetch    tells reconciliation, per batch, that the codes are out (accepted); the ends are told when they happen
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from services.payments.rails.cash import repository
from services.payments.rails.cash.model import CODE_CONTEXT, NUMBER_CONTEXT, code_hash, new_code
from services.payments.rails.kind import RailKind
from services.payments.rails.names import CASH
from services.payments.rails.policy import RailPolicy
from services.payments.rails.port import Answer, BatchHeader, Document, Instruction, Rail, Submission
from services.payments.reconciliation.errors import StatementMalformed
from services.payments.reconciliation.model import DocumentHead, Line, Statement
from shared.crypto import FieldCipher, KeyedHash
from shared.db import Database
from shared.ids import reference, uuid7
from shared.telemetry import get_logger

if TYPE_CHECKING:
    from services.payments.settings import PaymentsSettings

MEDIA: Final = "cash_issued"
MOST_DRAWS: Final = 5
"""How often references are drawn for a batch: among millions in use, some of thousands meet now and then."""
log = get_logger(__name__)


class CashRail:
    """The agents' desk as a rail.

    Arguments:
        database: the service's own; a small pool of this rail's.
        cipher, number_hash: seal numbers and codes.
        least_window: how long a payment that goes out after its cycle's window can still be collected.
    """

    name = CASH

    def __init__(
        self, database: Database, cipher: FieldCipher, number_hash: KeyedHash, least_window: timedelta
    ) -> None:
        self._database = database
        self._least_window = least_window
        self._cipher = cipher
        self._hash = number_hash

    async def submit(self, batch: BatchHeader, instructions: Sequence[Instruction]) -> Submission:
        """Open the collections, once: sent again, those that are open stay as they are, code and all.

        Raises:
            ValueError: the instructions are not what the batch promises; nothing was opened.
        """
        if len(instructions) != batch.count or sum(i.amount for i in instructions) != batch.amount:
            raise ValueError(f"batch {batch.id} does not hold what its count and amount promise")
        for _ in range(MOST_DRAWS):
            values = await asyncio.to_thread(self._sealed, batch, instructions)
            try:
                async with self._database.session() as session:
                    await repository.issue(session, values)
            except IntegrityError:
                continue  # a reference of forty bits met another one: nothing was opened, and others are drawn
            except (DBAPIError, OSError, TimeoutError, PoolTimeout) as error:
                return Submission(Answer.UNKNOWN, reason=type(error).__name__)
            return Submission(Answer.ACCEPTED, reference=batch.message_id)
        return Submission(Answer.DEFERRED, reason="a collection reference was taken")

    async def query(self, batch: BatchHeader) -> Submission:
        """Whether the batch's collections are there."""
        try:
            async with self._database.session() as session:
                count = await repository.count_of_batch(session, batch.message_id)
        except (DBAPIError, OSError, TimeoutError, PoolTimeout) as error:
            return Submission(Answer.UNKNOWN, reason=type(error).__name__)
        if count == 0:
            return Submission(Answer.ABSENT, reason="no collection was opened")
        return Submission(Answer.ACCEPTED, reference=batch.message_id)

    async def fetch(self, open_batches: Sequence[BatchHeader]) -> AsyncIterator[Document]:
        """One document per open batch whose codes reconciliation has not heard of."""
        for batch in open_batches:
            try:
                async with self._database.session() as session:
                    rows = await repository.untold(session, batch.message_id)
            except (DBAPIError, OSError, TimeoutError, PoolTimeout) as error:
                log.warning("cash_desk_unreachable", error=type(error).__name__)
                return
            if rows:
                yield Document(CASH, MEDIA, batch.message_id, _document(batch.message_id, rows))

    async def acknowledge(self, documents: Sequence[Document]) -> None:
        """These are recorded."""
        if documents:
            async with self._database.session() as session:
                await repository.told(session, [document.reference for document in documents])

    def _sealed(self, batch: BatchHeader, instructions: Sequence[Instruction]) -> dict[str, Any]:
        codes = [new_code() for _ in instructions]
        return {
            "ends": [i.end_to_end_id for i in instructions],
            "references": [reference("CC", uuid7()) for _ in instructions],
            "providers": [i.provider for i in instructions],
            "amounts": [i.amount for i in instructions],
            "numbers": [self._cipher.encrypt(i.number, NUMBER_CONTEXT) for i in instructions],
            "hashes": [
                code_hash(self._hash, i.end_to_end_id, code) for i, code in zip(instructions, codes, strict=True)
            ],
            "messages": [uuid7() for _ in instructions],
            "codes": [self._cipher.encrypt(code, CODE_CONTEXT) for code in codes],
            "message_id": batch.message_id,
            "currency": batch.currency,
            "least": batch.execution_on + self._least_window,
            "now": batch.created_at,
        }


def _document(message_id: str, rows: Sequence[Any]) -> bytes:
    lines = [
        {"payment": row.end_to_end_id, "amount": str(row.amount), "currency": row.currency, "on": row.opened_at.date()}
        for row in rows
    ]
    return orjson.dumps({"batch": message_id, "issued": lines})


@dataclass
class IssuedReader:
    """Reads the desk's own documents: each line says that a code is out, which moves no money."""

    body: bytes
    digest: bytes

    def __post_init__(self) -> None:
        try:
            document = orjson.loads(self.body)
            self._batch, self._rows = str(document["batch"]), list(document["issued"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise StatementMalformed("this is no document of the cash desk") from None

    @property
    def head(self) -> DocumentHead:
        """What it is."""
        return DocumentHead("cash.issued", self.digest.hex() or self._batch, self._batch)

    def check(self) -> Sequence[Statement]:
        """Read when it was opened: it has no account statements."""
        return ()

    def lines(self) -> Iterator[Line]:
        """A line per code."""
        for number, row in enumerate(self._rows):
            yield Line(
                number=number,
                kind="accepted",
                end_to_end_id=str(row["payment"]),
                amount=Decimal(row["amount"]),
                currency=str(row["currency"]),
                on=date.fromisoformat(row["on"]),
            )


@asynccontextmanager
async def _open(settings: PaymentsSettings) -> AsyncIterator[Rail | None]:
    database = Database(settings, application_name="samaki-payments-cash")
    try:
        yield CashRail(
            database,
            FieldCipher(settings.encryption_key.get_secret_value()),
            KeyedHash(settings.hash_key.get_secret_value()),
            timedelta(days=settings.expiry_grace_days),
        )
    finally:
        await database.close()


KIND = RailKind(
    name=CASH,
    title="Cash through agents (collection codes)",
    one_provider=True,
    policy=lambda _settings: RailPolicy(batch_size=5_000),
    open=_open,
    readers={MEDIA: lambda document, digest: IssuedReader(document.body, digest)},
)
