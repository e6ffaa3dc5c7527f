"""What every use-case is given besides the database: keys, categories, the working calendar, the outside world."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import Depends
from pydantic import SecretStr

from services.grievance.attachments.cipher import ChunkCipher
from services.grievance.attachments.scanner import Scanner, load_scanner
from services.grievance.cases.categories import Categories, load_calendar, load_categories
from services.grievance.cases.deadlines import WorkingCalendar
from services.grievance.cases.errors import SealingNotConfigured
from services.grievance.notifications.senders import HttpSender, Sender, load_sender
from services.grievance.notifications.templates import Messages, load_messages
from services.grievance.settings import GrievanceSettings
from shared.crypto import FieldCipher, KeyedHash
from shared.http import ContextDep
from shared.telemetry import get_logger

log = get_logger(__name__)


@dataclass(frozen=True)
class Desk:
    """The desk that cases are handled at.

    Attributes:
        cipher: encrypts what people wrote in cases that are not sealed.
        sealed_cipher: the same for sealed cases, under another key; None: none may be taken.
        receipts: hashes receipt codes.
        longest_hold: how far in the future a hold may end.
    """

    cipher: FieldCipher
    sealed_cipher: FieldCipher | None
    chunks: ChunkCipher
    sealed_chunks: ChunkCipher | None
    receipts: KeyedHash
    categories: Categories
    calendar: WorkingCalendar
    longest_hold: timedelta
    messages: Messages
    sender: Sender
    scanner: Scanner
    attachment_max_bytes: int
    failures_per_client: int
    failures_per_prefix: int

    def cipher_for(self, sealed: bool) -> FieldCipher:
        """The cipher for words of such a case.

        Raises:
            SealingNotConfigured: it is sealed, and there is no key for sealed cases.
        """
        if not sealed:
            return self.cipher
        if self.sealed_cipher is None:
            raise SealingNotConfigured("Take it on paper, and tell the operator to set SAMAKI_SEALED_KEY.")
        return self.sealed_cipher

    def chunks_for(self, sealed: bool) -> ChunkCipher:
        """The cipher for attachments of such a case. Raises SealingNotConfigured like `cipher_for`."""
        if not sealed:
            return self.chunks
        if self.sealed_chunks is None:
            raise SealingNotConfigured("Keep it on paper, and tell the operator to set SAMAKI_SEALED_KEY.")
        return self.sealed_chunks


@asynccontextmanager
async def open_desk(settings: GrievanceSettings) -> AsyncIterator[Desk]:
    """Build the desk from settings.

    Raises:
        CryptoError: a key is not base64 of 32 bytes.
        ConfigurationError: a configuration file is wrong, or the sealed key is not a key of its own.
    """
    sealed_key = _sealed_key(settings)
    if sealed_key is None:
        log.warning("sealed_complaints_refused", reason="SAMAKI_SEALED_KEY is not set")
    sender = _sender(settings)
    desk = Desk(
        cipher=FieldCipher(settings.encryption_key.get_secret_value()),
        sealed_cipher=FieldCipher(sealed_key) if sealed_key else None,
        chunks=ChunkCipher(settings.encryption_key.get_secret_value()),
        sealed_chunks=ChunkCipher(sealed_key) if sealed_key else None,
        receipts=KeyedHash(settings.hash_key.get_secret_value()),
        categories=load_categories(settings.categories_file),
        calendar=load_calendar(settings.holidays_file),
        longest_hold=timedelta(days=settings.hold_longest_days),
        messages=load_messages(settings.messages_file),
        sender=sender,
        scanner=load_scanner(settings.attachment_scanner),
        attachment_max_bytes=settings.attachment_max_bytes,
        failures_per_client=settings.receipt_failures_per_client,
        failures_per_prefix=settings.receipt_failures_per_prefix,
    )
    try:
        yield desk
    finally:
        if isinstance(sender, HttpSender):
            await sender.close()


def _sender(settings: GrievanceSettings) -> Sender:
    token = settings.notification_token.get_secret_value() if settings.notification_token else None
    return load_sender(settings.notification_sender, settings.notification_dir, settings.notification_url, token)


def _sealed_key(settings: GrievanceSettings) -> str | None:
    if settings.sealed_key is None:
        return None
    key: SecretStr = settings.sealed_key
    if key.get_secret_value() in {settings.encryption_key.get_secret_value(), settings.hash_key.get_secret_value()}:
        raise ValueError("SAMAKI_SEALED_KEY must be a key of its own")
    return key.get_secret_value()


async def _desk(context: ContextDep) -> Desk:
    desk: Desk = context.resources
    return desk


DeskDep = Annotated[Desk, Depends(_desk)]
