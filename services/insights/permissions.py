"""Who may see figures, by role. Figures are limited to the caller's area by the queries.

Commune officers are not among them yet: figures of a single commune need suppression of small cells first.
"""

from __future__ import annotations

from typing import Annotated

from shared.auth import Principal, requires

FiguresRead = Annotated[
    Principal,
    requires(
        "registry_officer",
        "programme_officer",
        "payment_officer",
        "payment_approver",
        "finance_officer",
        "grievance_officer",
        "auditor",
    ),
]
"""May see counts and sums of her area."""
