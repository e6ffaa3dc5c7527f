"""A bank that takes pain.001 files over HTTP and leaves its answers in a mailbox (ISO 20022).

Tried against the third-party `mock-bank`, whose doors are `POST /payments` and `GET /_mock/mailbox`.

What a submission means: a 2xx says the file was received (its transactions are decided in pain.002). A 422 whose reason
is DUPL (or another code of a duplicate), or a 409, says that the bank *has had this MsgId before*: for us that is an
acceptance. Any other refusal refuses the file, where it goes out for the first time; of one that is repeated it says
nothing about the first (its execution day may be over by now): that stays unknown until a document tells.

Unknown outcomes: a bank offers no question "have you got this file?". It offers (a) the pain.002 in the mailbox, which
names the file it answers, and (b) the promise, common to banks, to refuse a second file with the same MsgId. So
`query` answers `absent` and leaves (a) to reconciliation, which has already confirmed the batch if a pain.002 came; the
dispatcher then sends the *same bytes* under the *same MsgId*, and DUPL, or the acceptance, settles the question.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import orjson

from services.payments.rails.bank_drop import BankDropRail
from services.payments.rails.detached import private_key, public_key
from services.payments.rails.http import TooMuch, classify, open_http, read_capped
from services.payments.rails.kind import RailKind
from services.payments.rails.names import BANK
from services.payments.rails.pain001 import Debtor, length, pieces
from services.payments.rails.policy import RailPolicy
from services.payments.rails.port import Answer, BatchHeader, Document, Instruction, Media, Rail, Submission
from services.payments.reconciliation.csv_statement import CsvReader
from services.payments.reconciliation.iso20022 import StatementReader
from services.payments.reconciliation.model import DUPLICATE_MESSAGE
from services.payments.reconciliation.mt940 import Mt940Reader
from shared.telemetry import get_logger

if TYPE_CHECKING:
    from services.payments.settings import PaymentsSettings

SOURCE = BANK
MAX_ANSWER = 16 * 1024 * 1024
MAX_MAILBOX = 256 * 1024 * 1024
KINDS = ("pain.002", "camt.054", "pacs.004", "camt.053")
"""Asked for one kind at a time, so that one answer stays small."""

log = get_logger(__name__)


class BankRail:
    """The bank as a rail.

    Arguments:
        client: with the bank's base address and a time-out on every call.
        debtor: the account that pays.
    """

    name = SOURCE

    def __init__(self, client: httpx.AsyncClient, debtor: Debtor) -> None:
        self._client = client
        self._debtor = debtor
        self._recovered = False

    async def submit(self, batch: BatchHeader, instructions: Sequence[Instruction]) -> Submission:
        """Send the file: measured first (which checks count and sum), then streamed; never whole in memory.

        Raises:
            ValueError: the instructions are not what the batch promises; nothing was sent.
        """
        size = length(batch, instructions, self._debtor)
        try:
            response = await self._client.post(
                "/payments",
                content=_stream(pieces(batch, instructions, self._debtor)),
                headers={"Content-Type": "application/xml; charset=utf-8", "Content-Length": str(size)},
            )
        except httpx.HTTPError as error:
            return classify(error)
        if response.status_code == httpx.codes.CONFLICT:
            return Submission(Answer.ACCEPTED, reason="the bank has this MsgId already")
        unprocessable = response.status_code == httpx.codes.UNPROCESSABLE_ENTITY
        answer = _refusal(response) if unprocessable else classify(response, reference=batch.message_id)
        if answer.answer is Answer.REJECTED and batch.repeated:
            return replace(answer, answer=Answer.UNKNOWN, reason="refused when repeated; the first is not known of")
        return answer

    async def query(self, batch: BatchHeader) -> Submission:
        """No trace known here; see the module's docstring for why the same MsgId may go again."""
        return Submission(Answer.ABSENT, reason="a bank is asked by sending the same MsgId again")

    async def fetch(self, open_batches: Sequence[BatchHeader]) -> AsyncIterator[Document]:
        """What the mailbox holds, without taking it: pain.002 first, then bookings, returns and statements.

        A process's first look, and the next one after an acknowledgement whose end is not known, goes over what was
        taken before, too: nothing is lost between taking and putting back (see `acknowledge`), and what was recorded is
        recognised by its hash.
        """
        path, params = ("/_mock/mailbox", {"leave": ""}) if self._recovered else ("/_mock/messages", {})
        complete = True
        for kind in KINDS:
            entries = await self._list(path, {**params, "type": kind})
            complete = complete and entries is not None
            for entry in entries or []:
                yield Document(SOURCE, Media.ISO20022, str(entry["id"]), str(entry["body"]).encode())
        self._recovered = self._recovered or complete

    async def acknowledge(self, documents: Sequence[Document]) -> None:
        """Take the recorded messages out of the mailbox; put back any that came in between.

        The mailbox hands over all it has. So it is emptied only while everything in it is recorded, and what slipped
        in between that look and the taking is marked unread at once.
        """
        recorded = {document.reference for document in documents}
        waiting = await self._list("/_mock/mailbox", {"leave": ""})
        if not waiting or not {str(entry["id"]) for entry in waiting} <= recorded:
            return
        # Until it is known how this ended (a lost answer may have emptied the mailbox, too), all of it is looked over.
        self._recovered = False
        taken = await self._list("/_mock/mailbox", {})
        if taken is None:
            return
        try:
            for entry in taken:
                if str(entry["id"]) not in recorded:
                    answer = await self._client.post(f"/_mock/mailbox/{int(entry['id'])}/unread")
                    answer.raise_for_status()
        except httpx.HTTPError as error:
            log.warning("bank_mailbox_unreachable", error=type(error).__name__)
            return
        self._recovered = True

    async def _list(self, path: str, params: dict[str, str]) -> list[dict[str, Any]] | None:
        """Messages; None when the bank could not be asked."""
        try:
            async with self._client.stream("GET", path, params=params) as response:
                response.raise_for_status()
                entries = orjson.loads(await read_capped(response, MAX_MAILBOX))
        except (httpx.HTTPError, TooMuch, orjson.JSONDecodeError) as error:
            log.warning("bank_mailbox_unreachable", error=type(error).__name__)
            return None
        return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


async def _stream(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def _refusal(response: httpx.Response) -> Submission:
    try:
        answer = response.json()
    except ValueError:
        answer = {}
    code = str(answer.get("reason") or "FF01")[:35] if isinstance(answer, dict) else "FF01"
    if code in DUPLICATE_MESSAGE:
        return Submission(Answer.ACCEPTED, reason_code=code, reason="the bank has this MsgId already")
    return Submission(Answer.REJECTED, reason_code=code, reason="the bank refused the file")


@asynccontextmanager
async def _open(settings: PaymentsSettings) -> AsyncIterator[Rail | None]:
    debtor = Debtor(settings.bank_debtor_name, settings.bank_debtor_account, settings.bank_debtor_bic)
    if settings.bank_drop_directory is not None:
        signing, verifying = settings.bank_signing_key, settings.bank_verifying_key
        yield BankDropRail(
            settings.bank_drop_directory,
            debtor,
            private_key(signing.get_secret_value()) if signing is not None else None,
            public_key(verifying) if verifying is not None else None,
        )
        return
    async with open_http(settings.bank_url, settings.rail_timeout_seconds) as client:
        yield BankRail(client, debtor)


KIND = RailKind(
    name=BANK,
    title="Bank (ISO 20022 credit transfers)",
    one_provider=False,
    policy=lambda settings: RailPolicy(batch_size=settings.bank_batch_size),
    open=_open,
    readers={
        Media.ISO20022: lambda document, _: StatementReader(document.open),
        Media.MT940: lambda document, digest: Mt940Reader(document.open, digest.hex()),
        Media.CSV: lambda document, digest: CsvReader(document.open, digest.hex()),
    },
)
