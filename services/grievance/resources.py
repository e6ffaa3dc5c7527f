"""What every use-case of grievance is given besides the database: keys, categories, the working calendar."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import Depends

from services.grievance.cases.categories import Categories, load_calendar, load_categories
from services.grievance.cases.deadlines import WorkingCalendar
from services.grievance.settings import GrievanceSettings
from shared.crypto import FieldCipher, KeyedHash
from shared.http import ContextDep


@dataclass(frozen=True)
class Desk:
    """The desk that cases are handled at.

    Attributes:
        cipher: encrypts descriptions and notes.
        receipts: hashes receipt codes.
        longest_hold: how far in the future a hold may end.
    """

    cipher: FieldCipher
    receipts: KeyedHash
    categories: Categories
    calendar: WorkingCalendar
    longest_hold: timedelta


@asynccontextmanager
async def open_desk(settings: GrievanceSettings) -> AsyncIterator[Desk]:
    """Build the desk from settings.

    Raises:
        CryptoError: a key is not base64 of 32 bytes.
        ConfigurationError: the categories or holidays file is wrong.
    """
    yield Desk(
        cipher=FieldCipher(settings.encryption_key.get_secret_value()),
        receipts=KeyedHash(settings.hash_key.get_secret_value()),
        categories=load_categories(settings.categories_file),
        calendar=load_calendar(settings.holidays_file),
        longest_hold=timedelta(days=settings.hold_longest_days),
    )


def _desk(context: ContextDep) -> Desk:
    desk: Desk = context.resources
    return desk


DeskDep = Annotated[Desk, Depends(_desk)]
