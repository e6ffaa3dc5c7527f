"""A message is acted upon once: by source, protocol, action and request id (fault 2).

The first answer is kept with the hash of the message and given again; another message under the same id is refused.
The record commits with what the message did, and a second one at the same time waits for the first.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.edges.errors import RequestReused
from shared.crypto import FieldCipher
from shared.errors import Unavailable

_CONTEXT: Final = "external_request"
_CLAIM = text(
    """
    INSERT INTO external_request (source_code, protocol, action, request_id, request_hash)
    VALUES (:source, :protocol, :action, :request, :hash)
    ON CONFLICT DO NOTHING RETURNING request_id
    """
)
_FIND = text(
    """
    SELECT request_hash, status, body_encrypted FROM external_request
    WHERE source_code = :source AND protocol = :protocol AND action = :action AND request_id = :request
    """
)
_ANSWER = text(
    """
    UPDATE external_request SET status = :status, body_encrypted = :body
    WHERE source_code = :source AND protocol = :protocol AND action = :action AND request_id = :request
    """
)


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What makes a message the same message."""

    source: str
    protocol: str
    action: str
    request: str

    def values(self) -> dict[str, str]:
        """As bound parameters."""
        return {"source": self.source, "protocol": self.protocol, "action": self.action, "request": self.request}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer on the wire."""

    status: int
    body: bytes


def digest(message: object) -> bytes:
    """The hash of a message's meaning: key order and spacing do not matter."""
    text_ = json.dumps(message, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text_.encode()).digest()


async def claim(session: AsyncSession, key: RequestKey, message_hash: bytes, cipher: FieldCipher) -> Answer | None:
    """Claim the message for this transaction.

    Returns:
        The first answer, when it was acted upon before; None: act now, then `keep` the answer.

    Raises:
        RequestReused: the id was used for another message.
        Unavailable: the first one did not commit; try again.
    """
    if (await session.execute(_CLAIM, key.values() | {"hash": message_hash})).first() is not None:
        return None
    row = (await session.execute(_FIND, key.values())).one_or_none()
    if row is None or row.status is None:
        raise Unavailable("The first request with this id did not succeed: try again.", headers={"Retry-After": "1"})
    if bytes(row.request_hash) != message_hash:
        raise RequestReused("Use a new request id for a new request.")
    return Answer(row.status, cipher.decrypt(bytes(row.body_encrypted), _CONTEXT).encode())


async def keep(session: AsyncSession, key: RequestKey, answer: Answer, cipher: FieldCipher) -> Answer:
    """Keep the answer with what was done; returns it."""
    values = {"status": answer.status, "body": cipher.encrypt(answer.body.decode(), _CONTEXT)}
    await session.execute(_ANSWER, key.values() | values)
    return answer
