"""What every G2P Connect message goes through: who sent it, is it signed, is it new, act, keep the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import orjson
from fastapi import Request, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.edges.callbacks.queue_callback import queue_callback
from services.payments.edges.errors import RequestMalformed
from services.payments.edges.g2p_connect import route, words
from services.payments.edges.g2p_connect.schemas import Header
from services.payments.edges.g2p_connect.signature import SignatureRefused, verify
from services.payments.edges.reading import read_as, read_json
from services.payments.edges.requests import Answer, RequestKey, claim, digest, keep
from services.payments.edges.sources.authorise import source_of_caller
from services.payments.edges.sources.model import Source
from shared.auth import Principal
from shared.service import Context

M = TypeVar("M", bound=BaseModel)


class Call:
    """One signed message being answered."""

    def __init__(
        self, session: AsyncSession, context: Context, principal: Principal, source: Source, header: Header, body: Any
    ) -> None:
        self.session, self.context, self.principal, self.source = session, context, principal, source
        self.header, self.body, self.now = header, body, context.clock.now()

    @classmethod
    async def open(
        cls, request: Request, session: AsyncSession, context: Context, principal: Principal, action: str, sync: bool
    ) -> Call:
        """Authenticate the message: the token's source, its signature, its header.

        Raises:
            SourceUnknown, SignatureMissing, SignatureInvalid, SenderInvalid, SenderUriInvalid,
            EncryptionNotOffered, VersionNotSupported, RequestMalformed.
        """
        document = await read_json(request)
        if not isinstance(document, dict):
            raise RequestMalformed("Send an object with signature, header and message.")
        source = await source_of_caller(session, principal)
        raw = document.get("header")
        if isinstance(raw, dict) and isinstance(raw.get("message_id"), str):
            request.state.g2p_message_id = raw["message_id"][:99]
        signature = document.get("signature")
        if not isinstance(signature, str) or not signature.strip():
            raise route.SignatureMissing("Sign header and message with a key that is registered for you.")
        try:
            verify(source, signature, raw, document.get("message"), context.clock.now())
        except SignatureRefused as refused:
            raise route.SignatureInvalid(str(refused)) from None
        header = read_as(Header, raw)
        _check(source, header, action, sync)
        return cls(session, context, principal, source, header, document)

    def message(self, model: type[M], items: str | None = None) -> M:
        """The message's content; its count must be the header's.

        Raises:
            RequestMalformed.
        """
        content = read_as(model, self.body.get("message"))
        if items is not None and len(getattr(content, items)) != self.header.total_count:
            raise RequestMalformed("header.total_count is not the number of requests in the message.")
        return content

    async def once(self, action: str, act: Callable[[], Awaitable[Answer]]) -> Response:
        """Act on the message, or give the first answer again (fault 2).

        Raises:
            RequestReused: the message id was used for another message.
        """
        key = RequestKey(self.source.code, words.PROTOCOL, action, self.header.message_id)
        cipher = self.context.resources.cipher
        seen = digest({"header": self.body.get("header"), "message": self.body.get("message")})
        first = await claim(self.session, key, seen, cipher)
        if first is None:
            first = await keep(self.session, key, await act(), cipher)
        return Response(first.body, first.status, media_type="application/json")

    def acknowledged(self, correlation_id: str) -> Answer:
        """ACK: the answer follows by callback."""
        return Answer(202, orjson.dumps(words.ack("ACK", correlation_id, self.now)))

    async def tell(self, action: str, message: dict[str, Any], total: int) -> None:
        """Queue the signed callback of this message."""
        await queue_callback(
            self.session,
            self.context.resources.cipher,
            source=self.source.code,
            protocol=words.PROTOCOL,
            kind=action,
            order_id=None,
            url=self.header.sender_uri,
            body=self.signed(action, message, total),
            now=self.now,
        )

    def signed(self, action: str, message: dict[str, Any], total: int) -> bytes:
        """A signed message of ours about this one."""
        return words.envelope(self.context, self.source, action, message, total=total, completed=total, now=self.now)


def _check(source: Source, header: Header, action: str, sync: bool) -> None:
    if header.sender_id != source.sender_id:
        raise route.SenderInvalid("Use the sender_id registered for your institution.")
    if header.version not in ("", words.VERSION):
        raise route.VersionNotSupported()
    if header.is_msg_encrypted:
        raise route.EncryptionNotOffered()
    if action and header.action != action:
        raise RequestMalformed(f"header.action is {action} here.")
    if not sync and not source.may_be_answered_at(header.sender_uri):
        raise route.SenderUriInvalid("Ask the administrator to register the origin of this address.")
