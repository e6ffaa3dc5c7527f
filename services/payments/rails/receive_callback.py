"""An operator's callback: genuine, fresh, and taken in once, whenever it comes (faults.md 13).

It may come before the answer to our own request: the attempts were marked `sent` before the call, so it finds them. It
may come twice: the second changes nothing. It may contradict what is known: a break.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.rails import repository
from services.payments.rails.errors import CallbackNotGenuine
from services.payments.rails.health_repository import poll_soon
from services.payments.rails.mobile_money import SOURCE, correlation
from services.payments.rails.poll_rails import POLL
from services.payments.rails.port import Document, Media
from services.payments.rails.signature import genuine
from services.payments.reconciliation.gsma import is_batch_news
from services.payments.reconciliation.ingest_document import ingest_document
from services.payments.reconciliation.rules import Rules
from shared.jobs import enqueue


async def receive_callback(
    session: AsyncSession,
    body: bytes,
    *,
    sent_at: str,
    correlation_id: str,
    signature: str,
    secret: str,
    rules: Rules,
    now: datetime,
) -> None:
    """Verify, then take in.

    Raises:
        CallbackNotGenuine: the signature is missing, wrong, or too old.
        StatementMalformed, StatementUnknownKind: signed, but not what the API specifies.
    """
    if not genuine(secret, sent_at, correlation_id, body, signature, now):
        raise CallbackNotGenuine("sign X-Date, X-CorrelationID and the body, and send at once")
    if is_batch_news(body):
        batch_id = correlation(correlation_id)
        if batch_id is not None and await repository.note_news(session, batch_id):
            await poll_soon(session, SOURCE)
            await enqueue(session, POLL, {"rail": SOURCE}, key=SOURCE)
        return
    document = Document(SOURCE, Media.GSMA, correlation_id, body, correlation_id=correlation_id)
    await ingest_document(session, document, rules, received_by="operator", now=now)
