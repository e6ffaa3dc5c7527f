"""Problems of those who ask us to pay.

Forbidden: source_unknown, source_mismatch, callback_not_allowed
Conflict:  source_exists, request_reused, batch_exists, order_state, order_on_list
NotFound:  source_not_found, order_not_found, callback_not_found
BadRequest: request_malformed          PayloadTooLarge: request_too_large
"""

from __future__ import annotations

from shared.errors import BadRequest, Conflict, Forbidden, NotFound, PayloadTooLarge


class SourceUnknown(Forbidden):
    """The token belongs to no source, or to one that was switched off."""

    code, title = "source_unknown", "Your institution is not registered to ask for payments"


class SourceMismatch(Forbidden):
    """The message names another institution than the token."""

    code, title = "source_mismatch", "The institution named is not the one your token belongs to"


class CallbackNotAllowed(Forbidden):
    """The address for answers is not on the source's list."""

    code, title = "callback_not_allowed", "This callback address is not registered for your institution"


class SourceNotFound(NotFound):
    """No such source."""

    code, title = "source_not_found", "There is no such source"


class SourceExists(Conflict):
    """The code, the subject or the sender id is taken."""

    code, title = "source_exists", "There is a source with this code, subject or sender id"


class RequestReused(Conflict):
    """The request id was used for something else (fault 2)."""

    code, title = "request_reused", "This request id was used for another request"


class BatchExists(Conflict):
    """The batch was handed over under another request id."""

    code, title = "batch_exists", "This batch was handed over before"


class RequestMalformed(BadRequest):
    """The message is not what its specification says."""

    code, title = "request_malformed", "The message is not what its specification says"


class RequestTooLarge(PayloadTooLarge):
    """More bytes or more instructions than one message may carry."""

    code, title = "request_too_large", "The message is too large"


class OrderNotFound(NotFound):
    """No such order."""

    code, title = "order_not_found", "There is no such order"


class OrderState(Conflict):
    """The order is not in the state for this."""

    code, title = "order_state", "The order is not in the state for this"


class OrderOnList(Conflict):
    """Its payment list is on its way: reject the list first."""

    code, title = "order_on_list", "The order has a payment list already"


class CallbackNotFound(NotFound):
    """No such callback."""

    code, title = "callback_not_found", "There is no such callback"
