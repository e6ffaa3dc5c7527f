"""The events of a hold, from its row."""

from __future__ import annotations

from services.grievance.holds.model import Hold
from shared.contracts.grievance import HoldPlaced, HoldReleased


def placed(hold: Hold) -> HoldPlaced:
    """`hold.placed`."""
    return HoldPlaced(
        version=hold.version,
        hold_id=hold.id,
        case_id=hold.case_id,
        payment_id=hold.payment_id,
        reason=hold.reason,
        owner=hold.owner,
        until=hold.until,
    )


def released(hold: Hold) -> HoldReleased:
    """`hold.released`. Raises ValueError for a hold that is still in force."""
    if hold.cause is None:
        raise ValueError("a hold in force has no cause of release")
    return HoldReleased(
        version=hold.version, hold_id=hold.id, case_id=hold.case_id, payment_id=hold.payment_id, cause=hold.cause
    )
