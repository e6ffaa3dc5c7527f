"""Errors of cycles.

NotFound -> CycleUnknown          404 cycle_unknown
Conflict -> CycleAlreadyOpen      409 cycle_already_open
         -> CycleFrozen           409 cycle_frozen
         -> CycleNotComputed      409 cycle_not_computed
         -> ControlTotalsDiffer   409 control_totals_differ
         -> CycleUnpriced         409 cycle_unpriced
         -> RateUnconfirmed       409 rate_unconfirmed
         -> ComparisonNotSeen     409 comparison_not_seen
         -> EarlierCycleOpen      409 earlier_cycle_open
"""

from __future__ import annotations

from shared.errors import Conflict, NotFound


class CycleUnknown(NotFound):
    code, title = "cycle_unknown", "There is no such cycle"


class CycleAlreadyOpen(Conflict):
    code, title = "cycle_already_open", "This programme and period has a cycle already"


class CycleFrozen(Conflict):
    code, title = "cycle_frozen", "The cycle is closed: it cannot change"


class CycleNotComputed(Conflict):
    code, title = "cycle_not_computed", "The cycle has no finished computation"


class ControlTotalsDiffer(Conflict):
    code, title = "control_totals_differ", "The totals you expect are not those of the cycle"


class CycleUnpriced(Conflict):
    code, title = "cycle_unpriced", "Somebody qualifies for whom a rate is missing"


class RateUnconfirmed(Conflict):
    code, title = "rate_unconfirmed", "A rate in this cycle awaits confirmation"


class ComparisonNotSeen(Conflict):
    code, title = "comparison_not_seen", "The comparison with the cycle before was not looked at"


class EarlierCycleOpen(Conflict):
    code, title = "earlier_cycle_open", "An earlier cycle of this programme is being closed"
