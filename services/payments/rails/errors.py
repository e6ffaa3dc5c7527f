"""What can go wrong at the rails' doors.

CallbackNotGenuine 401     CallbackTooLarge 413     RailNotFound 404
"""

from __future__ import annotations

from shared.errors import NotFound, PayloadTooLarge, Unauthorized


class CallbackNotGenuine(Unauthorized):
    code, title = "callback_not_genuine", "The callback is not signed by the operator, or is too old"


class CallbackTooLarge(PayloadTooLarge):
    code, title = "callback_too_large", "A callback is at most one mebibyte"


class RailNotFound(NotFound):
    code, title = "rail_not_found", "There is no such rail; GET /payments/v1/rails lists them"
