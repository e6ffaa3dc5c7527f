"""What can be wrong with what a rail hands us.

StatementMalformed 422     StatementUnknownKind 422     StatementTooLarge 413
StatementSeen 409          StatementConflict 409
"""

from __future__ import annotations

from shared.errors import Conflict, Invalid, PayloadTooLarge


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
