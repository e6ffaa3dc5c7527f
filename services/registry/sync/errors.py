"""What can go wrong with a whole batch. A bad operation is not an error: it is answered in its place.

Problem
└── BadCursor 400 bad_cursor
"""

from __future__ import annotations

from shared.errors import BadRequest


class BadCursor(BadRequest):
    """Not a cursor of ours."""

    code, title = "bad_cursor", "The cursor cannot be read"
