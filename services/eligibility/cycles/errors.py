"""Errors of cycles.

NotFound -> CycleUnknown          404 cycle_unknown
Conflict -> CycleAlreadyOpen      409 cycle_already_open
         -> CycleFrozen           409 cycle_frozen
         -> CycleNotComputed      409 cycle_not_computed
         -> ControlTotalsDiffer   409 control_totals_differ
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
