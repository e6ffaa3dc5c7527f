"""Errors of who is left behind.

NotFound -> NotCountedYet   404 not_counted_yet
"""

from __future__ import annotations

from shared.errors import NotFound


class NotCountedYet(NotFound):
    code, title = "not_counted_yet", "These figures were not counted yet"
