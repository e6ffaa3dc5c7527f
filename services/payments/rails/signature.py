"""Signature of an operator's callback, agreed out of band: HMAC-SHA256 with a shared secret.

    X-Date:      the moment of sending, RFC 3339 UTC (the GSMA header, there "to ensure the request is not stale")
    X-Signature: hex(HMAC-SHA256(secret, X-Date + "\\n" + X-CorrelationID + "\\n" + body))

A callback older (or newer) than `TOLERANCE` is refused; within it a replay carries the same signature and is recognised
as seen. So a recorded callback is worth nothing to a thief (faults.md 13).
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta

TOLERANCE = timedelta(minutes=5)


def sign(secret: str, sent_at: str, correlation_id: str, body: bytes) -> str:
    """The hex signature of a callback."""
    message = f"{sent_at}\n{correlation_id}\n".encode() + body
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def genuine(secret: str, sent_at: str, correlation_id: str, body: bytes, signature: str, now: datetime) -> bool:
    """Whether the signature is the secret holder's, over this body, sent just now."""
    expected = sign(secret, sent_at, correlation_id, body).encode()
    if not hmac.compare_digest(expected, signature.strip().lower().encode()):
        return False
    try:
        moment = datetime.fromisoformat(sent_at)
    except ValueError:
        return False
    return moment.tzinfo is not None and abs(now - moment) <= TOLERANCE
