"""Who looks for malware in attachments: a port to plug a scanner into (clamd, ICAP ...); none is shipped."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from services.grievance.notifications.senders import load_factory


class Scan(StrEnum):
    """What a scanner found."""

    CLEAN = "clean"
    INFECTED = "infected"
    NOT_SCANNED = "not_scanned"


class Scanner(Protocol):
    """Looks at a file before it is stored. Whatever it raises refuses the upload for now: nothing is stored unseen."""

    async def scan(self, content: bytes, media_type: str) -> Scan:
        """The verdict."""
        ...


class NoScanner:
    """Says truthfully that nobody looked."""

    async def scan(self, content: bytes, media_type: str) -> Scan:
        """Always `not_scanned`."""
        return Scan.NOT_SCANNED


def load_scanner(name: str) -> Scanner:
    """The configured scanner. Raises ConfigurationError: there is no such module or factory."""
    if name == "none":
        return NoScanner()
    scanner: Scanner = load_factory(name, "SAMAKI_ATTACHMENT_SCANNER")()
    return scanner
