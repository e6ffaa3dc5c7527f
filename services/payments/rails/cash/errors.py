"""Problems of cash collections.

Forbidden: agent_unknown                 TooManyRequests: agent_locked
NotFound:  collection_not_found, proxy_not_found, agent_not_found, statement_line_not_found
Conflict:  wrong_code, code_locked, collection_ended, window_closed, amount_mismatch, identity_not_confirmed,
           proxy_not_approved, agent_limit, payment_not_payable, paying_stopped, too_many_codes, agent_exists,
           settlement_exists, proxy_state, statement_seen
"""

from __future__ import annotations

from shared.errors import Conflict, Forbidden, NotFound, TooManyRequests


class AgentUnknown(Forbidden):
    """The token belongs to no agent, or to one that was switched off."""

    code, title = "agent_unknown", "You are not registered as an agent"


class AgentLocked(TooManyRequests):
    """Too many wrong codes today."""

    code, title = "agent_locked", "Too many wrong codes: you may go on tomorrow"


class AgentNotFound(NotFound):
    """No such agent."""

    code, title = "agent_not_found", "There is no such agent"


class AgentExists(Conflict):
    """The code or the subject is taken."""

    code, title = "agent_exists", "There is an agent with this code or subject"


class CollectionNotFound(NotFound):
    """No such collection with this network, in this area."""

    code, title = "collection_not_found", "There is nothing to collect under this reference here"


class WrongCode(Conflict):
    """The code is not the one that was sent."""

    code, title = "wrong_code", "The code is wrong"


class CodeLocked(Conflict):
    """Too many wrong codes for this collection."""

    code, title = "code_locked", "Too many wrong codes: the payee must ask for a new one"


class CollectionEnded(Conflict):
    """Collected, expired or cancelled."""

    code, title = "collection_ended", "This was collected, has expired or was cancelled"


class WindowClosed(Conflict):
    """The window to collect in is over."""

    code, title = "window_closed", "The time to collect this is over"


class CashAmountMismatch(Conflict):
    """The amount handed out would not be the amount owed."""

    code, title = "amount_mismatch", "The amount or the currency is not the one to be paid"


class IdentityNotConfirmed(Conflict):
    """The identity check did not succeed."""

    code, title = "identity_not_confirmed", "Pay only to whom you have identified"


class ProxyNotApproved(Conflict):
    """No approved proxy of this payee showed this identity number."""

    code, title = "proxy_not_approved", "This person was not approved to collect for the payee"


class AgentLimit(Conflict):
    """The agent would be owed more than agreed."""

    code, title = "agent_limit", "You have paid out as much as was agreed: ask for settlement first"


class PaymentNotPayable(Conflict):
    """The payment was ended elsewhere."""

    code, title = "payment_not_payable", "This payment may not be paid out any more"


class PayingStopped(Conflict):
    """An emergency stop is in force."""

    code, title = "paying_stopped", "Paying out is stopped for the moment"


class TooManyCodes(Conflict):
    """No more codes for this collection."""

    code, title = "too_many_codes", "Cancel the collection and issue the payment again"


class SettlementExists(Conflict):
    """The reference was used."""

    code, title = "settlement_exists", "A settlement with this reference is recorded"


class ProxyNotFound(NotFound):
    """No such proxy in the caller's area."""

    code, title = "proxy_not_found", "There is no such proxy in your area"


class ProxyState(Conflict):
    """The proxy is not in the state for this."""

    code, title = "proxy_state", "The proxy is not in the state for this"


class StatementSeen(Conflict):
    """The file was taken in before."""

    code, title = "statement_seen", "This statement was taken in before"


class StatementLineNotFound(NotFound):
    """No such open line."""

    code, title = "statement_line_not_found", "There is no such open line"
