"""Answers in G2P Connect's words: an error is its acknowledgement, its error list and our problem details in one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError

from services.payments.edges.errors import RequestMalformed
from services.payments.edges.g2p_connect.words import ack
from shared.errors import PROBLEM_JSON, FieldError, Problem, Unauthorized
from shared.http import TransactionalRoute

_CODES: Final = {
    401: "err.request.unauthorized",
    403: "err.request.forbidden",
    404: "err.request.not_found",
    429: "err.request.too_many_requests",
    503: "err.service.unavailable",
}


class SignatureMissing(Unauthorized):
    """Unsigned messages are never accepted."""

    code, title = "signature_missing", "The message is not signed"
    wire = "err.signature.missing"


class SignatureInvalid(Unauthorized):
    """The signature is not the sender's over this message, now."""

    code, title = "signature_invalid", "The signature cannot be accepted"
    wire = "err.signature.invalid"


class SenderInvalid(RequestMalformed):
    """The header names another sender than the token."""

    code, title = "sender_invalid", "sender_id is not the one registered for your token"
    wire = "err.sender_id.invalid"


class SenderUriInvalid(RequestMalformed):
    """There is nowhere that the answer may go."""

    code, title = "sender_uri_invalid", "sender_uri is missing, or not registered for your institution"
    wire = "err.sender_uri.invalid"


class EncryptionNotOffered(RequestMalformed):
    """Messages are encrypted in transit (TLS), not in themselves."""

    code, title = "encryption_not_offered", "Encrypted messages are not read here: send it over TLS, signed"
    wire = "err.encryption.invalid"


class VersionNotSupported(RequestMalformed):
    """Another version of the protocol."""

    code, title = "version_not_supported", "Version 1.0.0 is spoken here"
    wire = "err.version.not_supported"


class G2PRoute(TransactionalRoute):
    """A transactional route that answers problems as G2P Connect does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The transactional handler, its problems put into G2P Connect's words."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except RequestValidationError as error:
                errors = [FieldError(str(item["loc"][-1]), item["type"], item["msg"]) for item in error.errors()[:20]]
                return _refuse(request, RequestMalformed("Correct the fields named in errors.", errors=errors))
            except Problem as problem:
                return _refuse(request, problem)

        return handle


def _refuse(request: Request, problem: Problem) -> Response:
    code = getattr(problem, "wire", None) or _CODES.get(problem.status, "err.request.bad")
    error = {"code": code, "message": problem.title}
    body = problem.body(request.url.path)
    body.setdefault("errors", [error | {"field": ""}])
    correlation = str(getattr(request.state, "g2p_message_id", "")) or "unknown"
    body |= ack("ERR", correlation, datetime.now(UTC), error)
    return Response(orjson.dumps(body, default=str), problem.status, problem.headers, PROBLEM_JSON)
