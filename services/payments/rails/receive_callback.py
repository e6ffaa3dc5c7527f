"""An operator's callback: genuine, fresh, and kept once, whenever it comes (faults.md 13).

It is answered when it is safely kept, and applied with the others a moment later (`apply_callbacks.py`): a payday's
callbacks come by the thousand, and set by set they cost a fraction of one by one.

It may come before the answer to our own request: the attempts were marked `sent` before the call, so it finds them. It
may come twice: the second changes nothing. It may contradict what is known: a break.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.rails import callback_repository, repository
from services.payments.rails.clients import Clients
from services.payments.rails.errors import CallbackNotGenuine
from services.payments.rails.health_repository import poll_soon
from services.payments.rails.mobile_money import SOURCE, correlation
from services.payments.rails.poll_rails import POLL
from services.payments.rails.port import Document, Media
from services.payments.rails.signature import genuine
from services.payments.reconciliation.gsma import BATCH, CALLBACKS, TRANSACTION, GsmaReader, kind_of
from services.payments.reconciliation.ingest_document import ingest_document
from shared.jobs import enqueue

APPLY: Final = "apply_callbacks"
BODY_CONTEXT: Final = "operator callback"
TOGETHER: Final = timedelta(milliseconds=300)
"""The first callback of many waits so long for the others."""


async def receive_callback(
    session: AsyncSession,
    body: bytes,
    *,
    sent_at: str,
    correlation_id: str,
    signature: str,
    secret: str,
    clients: Clients,
    now: datetime,
) -> None:
    """Verify, then keep; what concerns a batch as a whole is taken in at once.

    Raises:
        CallbackNotGenuine: the signature is missing, wrong, or too old.
        StatementMalformed, StatementUnknownKind: signed, but not what the API specifies.
    """
    if not genuine(secret, sent_at, correlation_id, body, signature, now):
        raise CallbackNotGenuine("sign X-Date, X-CorrelationID and the body, and send at once")
    kind = kind_of(body)
    if kind == TRANSACTION:
        GsmaReader(body, TRANSACTION, "", correlation_id).check()
        GsmaReader(b"[%b]" % body, CALLBACKS, "", correlation_id)  # it can be read in a row with others
        digest = hashlib.sha256(f"{correlation_id}|".encode() + body).digest()
        sealed = clients.cipher.encrypt(body.decode(), BODY_CONTEXT)
        if await callback_repository.keep(session, digest, sealed, now):
            await enqueue(session, APPLY, {}, key=APPLY, run_at=now + TOGETHER)
    elif kind == BATCH:
        batch_id = correlation(correlation_id)
        if batch_id is not None and await repository.note_news(session, batch_id):
            await poll_soon(session, SOURCE)
            await enqueue(session, POLL, {"rail": SOURCE}, key=SOURCE)
    else:
        document = Document(SOURCE, Media.GSMA, correlation_id, body, correlation_id=correlation_id)
        await ingest_document(session, document, clients.rules, received_by="operator", now=now)
