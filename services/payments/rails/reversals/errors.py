"""What can be wrong with a reversal.

ReversalNotFound 404     ReversalInState 409     NotReversible 409     RailCannotReverse 409     SamePersonReverses 403
"""

from __future__ import annotations

from shared.errors import Conflict, Forbidden, NotFound


class ReversalNotFound(NotFound):
    code, title = "reversal_not_found", "There is no such reversal in your area"


class ReversalInState(Conflict):
    code, title = "reversal_state", "The reversal is not in the state for this; read it again"


class NotReversible(Conflict):
    code, title = "payment_not_reversible", "Only a settled payment that its rail has named can be taken back"


class RailCannotReverse(Conflict):
    code, title = "rail_cannot_reverse", "This rail takes nothing back; ask the provider by hand"


class SamePersonReverses(Forbidden):
    code, title = "same_person", "Another person than the one who asked for it must decide"
