"""What can be wrong with what a rail hands us.

StatementMalformed 422     StatementUnknownKind 422     StatementTooLarge 413
StatementSeen 409          StatementConflict 409      StatementNotGenuine 401      StatementSenderUnknown 403
BreakNotFound 404          BreakState 409          BreakAction 422          SamePersonResolves 403
"""

from __future__ import annotations

from shared.errors import Conflict, Forbidden, Invalid, NotFound, PayloadTooLarge, Unauthorized


class StatementMalformed(Invalid):
    code, title = "statement_malformed", "The file cannot be read; nothing of it was applied"


class StatementUnknownKind(Invalid):
    code, title = "statement_unknown_kind", "This is not a message that reconciliation reads"


class StatementTooLarge(PayloadTooLarge):
    code, title = "statement_too_large", "The file is larger than accepted; ask the bank to split it"


class StatementSeen(Conflict):
    code, title = "statement_already_received", "This very file was received before; nothing was changed"


class StatementConflict(Conflict):
    code, title = "statement_id_reused", "Another file with this message id was received before"


class StatementSenderUnknown(Forbidden):
    code, title = "statement_sender_unknown", "You are not one who may hand in a bank's files"


class BreakNotFound(NotFound):
    code, title = "break_not_found", "There is no such break"


class BreakState(Conflict):
    code, title = "break_state", "The break is not in the state for this; read it again"


class BreakAction(Invalid):
    code, title = "break_action", "This does not resolve a break of this kind; see `actions` of the break"


class SamePersonResolves(Forbidden):
    code, title = "same_person", "Another person than the one who proposed it must decide"


class StatementNotGenuine(Unauthorized):
    code, title = "statement_not_genuine", "The file's digest or signature is missing or wrong; nothing was taken in"
