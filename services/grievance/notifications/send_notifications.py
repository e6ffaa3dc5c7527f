"""Schedule: hand messages to the sender; what it does not take is tried again, later and later, then given up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row

from services.grievance.cases.work import contact_context
from services.grievance.notifications import repository
from services.grievance.notifications.model import MessageState, Told
from services.grievance.notifications.senders import Message, Undeliverable
from services.grievance.resources import Desk
from shared.crypto import CryptoError
from shared.service import Context
from shared.telemetry import get_logger

EVERY: Final = timedelta(seconds=10)
BATCH: Final = 100
MAX_BATCHES: Final = 50
"""In one run; the rest waits for the next one."""
MAX_ATTEMPTS: Final = 8
FIRST_PAUSE: Final = timedelta(minutes=1)
LEASE: Final = timedelta(minutes=5)
"""A worker that dies with a batch in hand: its messages are sent again after this, under the same ids."""
TIMEOUT_SECONDS: Final = 10
log = get_logger(__name__)


async def send_notifications(context: Context) -> None:
    """Send what is due. A message is marked after the sender took it: sent at least once, under one id."""
    desk: Desk = context.resources
    for _ in range(MAX_BATCHES):
        now = context.clock.now()
        async with context.database.session() as session:
            due = await repository.claim(session, now, LEASE, BATCH)
        if not due:
            return
        results = await asyncio.gather(*(_send(desk, row, now) for row in due))
        async with context.database.session() as session:
            for state in (MessageState.SENT, MessageState.FAILED):
                ended = [row.id for row, result in zip(due, results, strict=True) if result is state]
                await repository.finish(session, ended, state, context.clock.now())
            await repository.retry(session, _later(due, results, now))


def _later(due: Sequence[Row[Any]], results: Sequence[MessageState], now: datetime) -> list[tuple[UUID, datetime]]:
    return [
        (row.id, now + FIRST_PAUSE * 2 ** (row.attempts - 1))
        for row, result in zip(due, results, strict=True)
        if result is MessageState.QUEUED
    ]


async def _send(desk: Desk, row: Row[Any], now: datetime) -> MessageState:
    """Send one message; its new state. Nothing of it is logged but its id."""
    try:
        address = desk.cipher.decrypt(row.contact_encrypted, contact_context(row.case_id))
        levels = {level.code: level for level in desk.categories.levels}
        level = levels[row.level].name_en if row.language == "en" else levels[row.level].name_km
        text = desk.messages.render(
            Told(row.step),
            row.language,
            reference=row.reference,
            due_on=row.due_on,
            outcome=row.outcome,
            level=level,
        )
        message = Message(row.id, row.contact_kind, address, text, now)
        await asyncio.wait_for(desk.sender.send(message), TIMEOUT_SECONDS)
    except (Undeliverable, CryptoError, KeyError) as error:
        log.warning("message_undeliverable", message=str(row.id), error=type(error).__name__)
        return MessageState.FAILED
    except Exception as error:  # noqa: BLE001 a plugged-in sender may raise anything: it is tried again, then given up
        given_up = row.attempts >= MAX_ATTEMPTS
        log.warning("message_not_sent", message=str(row.id), error=type(error).__name__, given_up=given_up)
        return MessageState.FAILED if given_up else MessageState.QUEUED
    return MessageState.SENT
