"""The place in the stream of changes: a transaction that wrote households, and a household. Pure.

Changes are ordered by the place that the transaction took at its first write of a household, and a reader is given only
what was written up to the last place before which every such transaction has ended. One that took its place earlier and
commits later is therefore never passed over (ADR 19).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import orjson

from services.registry.sync.errors import BadCursor

_MAX_PLACE: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """After this household's change in this transaction."""

    written_in: int
    household_id: UUID

    def encode(self) -> str:
        """As text for the tablet."""
        return base64.urlsafe_b64encode(orjson.dumps([self.written_in, str(self.household_id)])).decode()

    @classmethod
    def decode(cls, text: str | None) -> Cursor:
        """The cursor; None is the beginning.

        Raises:
            BadCursor: it is not one of ours.
        """
        if text is None:
            return START
        try:
            written_in, household_id = orjson.loads(base64.urlsafe_b64decode(text.encode()))
            if type(written_in) is not int or not 0 <= written_in <= _MAX_PLACE:
                raise BadCursor("Send the next_cursor of the answer before, or none to begin anew.")
            return cls(written_in, UUID(household_id))
        except (binascii.Error, ValueError, TypeError, AttributeError):
            raise BadCursor("Send the next_cursor of the answer before, or none to begin anew.") from None


START: Final = Cursor(0, UUID(int=0))
