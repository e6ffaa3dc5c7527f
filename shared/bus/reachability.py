"""What both carriers do when the other side is away: say so once, not at every attempt."""

from __future__ import annotations

from shared.telemetry import get_logger

_log = get_logger(__name__)


class Reachability:
    """Logs that a peer went away, and that it is back: one line per change, not per attempt."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._lost = False

    def lost(self, error: BaseException | str) -> None:
        """An attempt failed."""
        if not self._lost:
            self._lost = True
            _log.warning("bus unreachable, retrying", peer=self._peer, error=str(error) or type(error).__name__)

    def back(self) -> None:
        """An attempt succeeded."""
        if self._lost:
            self._lost = False
            _log.info("bus reachable again", peer=self._peer)
