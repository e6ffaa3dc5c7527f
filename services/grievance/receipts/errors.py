"""What can go wrong with a receipt code: one answer, whether it is malformed or belongs to no case."""

from __future__ import annotations

from shared.errors import NotFound


class ReceiptUnknown(NotFound):
    """No case has this code. The same for a malformed code, so that answers teach a guesser nothing."""

    code, title = "receipt_unknown", "No case has this receipt code"
