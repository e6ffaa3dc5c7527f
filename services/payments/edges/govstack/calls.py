"""What every GovStack message goes through: who asks, is it new, act, keep the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.edges.callbacks.queue_callback import queue_callback
from services.payments.edges.govstack.words import PROTOCOL
from services.payments.edges.requests import Answer, RequestKey, claim, digest, keep
from services.payments.edges.sources.authorise import ensure_callback, ensure_named, source_of_caller
from services.payments.edges.sources.model import Source
from shared.auth import Principal
from shared.service import Context


class Call:
    """One message being answered.

    Attributes:
        source: whose it is.
        callback_url: where its result goes; empty: nowhere.
    """

    def __init__(
        self, request: Request, session: AsyncSession, context: Context, principal: Principal, source: Source
    ) -> None:
        self.session, self.context, self.principal, self.source = session, context, principal, source
        self.callback_url = request.headers.get("x-callback-url", "").strip()
        if self.callback_url:
            ensure_callback(source, self.callback_url)
        self._request = request

    @classmethod
    async def open(
        cls, request: Request, session: AsyncSession, context: Context, principal: Principal, *claimed: str
    ) -> Call:
        """Authorise the caller by her token, and everything the message claims about who she is.

        Raises:
            SourceUnknown, SourceMismatch, CallbackNotAllowed.
        """
        source = await source_of_caller(session, principal)
        named = [request.headers.get(name) for name in ("x-registering-institution-id", "platform-tenantid")]
        ensure_named(source, *claimed, *named)
        return cls(request, session, context, principal, source)

    async def once(self, action: str, request_id: str, message: Any, act: Callable[[], Awaitable[Answer]]) -> Response:
        """Act on the message, or give the first answer again (fault 2).

        Raises:
            RequestReused: the id was used for another message.
        """
        key = RequestKey(self.source.code, PROTOCOL, action, request_id)
        cipher = self.context.resources.cipher
        body_hash = digest({"message": message, "callback": self.callback_url})
        first = await claim(self.session, key, body_hash, cipher)
        if first is None:
            first = await keep(self.session, key, await act(), cipher)
        return Response(first.body, first.status, media_type="application/json")

    async def tell(self, kind: str, body: bytes) -> None:
        """Queue a callback, where the message asked for one."""
        if self.callback_url:
            await queue_callback(
                self.session,
                self.context.resources.cipher,
                source=self.source.code,
                protocol=PROTOCOL,
                kind=kind,
                order_id=None,
                url=self.callback_url,
                body=body,
                now=self.context.clock.now(),
            )
