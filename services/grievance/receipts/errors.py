"""What can go wrong with a receipt code.

NotFound 404           Conflict 409          TooManyRequests 429
└── ReceiptUnknown     └── NotAnswered       └── TooManyGuesses (limits.py)
"""

from __future__ import annotations

from shared.errors import Conflict, NotFound


class ReceiptUnknown(NotFound):
    """No case has this code. The same for a malformed code, so that answers teach a guesser nothing."""

    code, title = "receipt_unknown", "No case has this receipt code"


class NotAnswered(Conflict):
    """Only an answer can be rated."""

    code, title = "not_answered", "There is no answer yet"
