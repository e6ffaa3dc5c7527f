"""Who is asking: the token's subject decides, whatever the message says."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.edges.errors import CallbackNotAllowed, SourceMismatch, SourceUnknown
from services.payments.edges.sources import repository
from services.payments.edges.sources.model import Source
from shared.auth import Principal


async def source_of_caller(session: AsyncSession, principal: Principal) -> Source:
    """The source that the caller speaks for.

    Raises:
        SourceUnknown: none, or it was switched off.
    """
    row = await repository.by_subject(session, principal.subject)
    if row is None:
        raise SourceUnknown("Ask the administrator to register your institution with this token's subject.")
    return repository.source_of(row)


def ensure_named(source: Source, *claimed: str | None) -> None:
    """Every institution id in the message is the caller's own.

    Raises:
        SourceMismatch: one is not.
    """
    if any(name not in (None, "", source.code) for name in claimed):
        raise SourceMismatch("Send your own institution id.")


def ensure_callback(source: Source, url: str) -> str:
    """The address, if it may be called.

    Raises:
        CallbackNotAllowed: its origin is not registered.
    """
    if not source.may_be_answered_at(url):
        raise CallbackNotAllowed("Ask the administrator to register the origin of this address.")
    return url
