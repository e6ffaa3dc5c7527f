"""Put a callback where it commits with what it tells of. Bodies name payees: encrypted until they are sent."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.edges.callbacks import repository
from shared.crypto import FieldCipher
from shared.ids import uuid7

BODY_CONTEXT: Final = "external_callback.body"


async def queue_callback(
    session: AsyncSession,
    cipher: FieldCipher,
    *,
    source: str,
    protocol: str,
    kind: str,
    order_id: UUID | None,
    url: str,
    body: bytes,
    now: datetime,
) -> UUID:
    """Queue it in this transaction. The address was checked when it was given, and is checked again before sending.

    Returns:
        Its id.
    """
    callback_id = uuid7()
    values = {
        "id": callback_id,
        "source": source,
        "protocol": protocol,
        "kind": kind,
        "order_id": order_id,
        "url": url,
        "body": cipher.encrypt(body.decode(), BODY_CONTEXT),
        "now": now,
    }
    await repository.add(session, values)
    return callback_id
