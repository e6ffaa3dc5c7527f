"""Problems of printed papers."""

from __future__ import annotations

from shared.errors import Conflict, NotFound, Unavailable


class NotPaid(Conflict):
    """A proof was asked for of money that has not arrived."""

    code, title = "not_paid", "This payment has not been made"


class BeneficiaryNotFound(NotFound):
    """Nothing was ever enrolled or paid for this beneficiary, or not in the caller's area."""

    code, title = "beneficiary_not_found", "There is no such beneficiary in your area"


class PaperUnavailable(Unavailable):
    """The font that holds Khmer is not installed."""

    code, title = "paper_unavailable", "Papers cannot be printed here"
