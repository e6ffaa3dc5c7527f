"""Answers in GovStack's words: a refusal carries its ResponseCode and, in the same body, our problem details.

A bad bulk payment, registration or update is 400. A bad prepayment validation is 200 with ResponseCode "01", and a
voucher that cannot be redeemed is 200 with status 0: their specification says so. By then the transaction is over, so
nothing of what was refused is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError

from services.payments.edges.errors import RequestMalformed
from services.payments.edges.govstack.words import FAILED, VOUCHER_ERROR
from shared.errors import FieldError, Problem
from shared.http import TransactionalRoute

_UPPER: Final = ("ResponseCode", "ResponseDescription", "RequestID")
_LOWER: Final = ("responseCode", "responseDescription", "requestID")
_KEPT: Final = frozenset({401, 403, 429, 503})
"""Statuses that say who may ask, and when: the same on every endpoint."""


class GovStackRoute(TransactionalRoute):
    """A transactional route that answers problems as GovStack does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The transactional handler, its problems put into GovStack's words."""
        handler = super().get_route_handler()
        path = self.path

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except RequestValidationError as error:
                errors = [FieldError(str(item["loc"][-1]), item["type"], item["msg"]) for item in error.errors()[:20]]
                return refuse(request, RequestMalformed("Correct the fields named in errors.", errors=errors), path)
            except Problem as problem:
                return refuse(request, problem, path)

        return handle


def names_of(request: Request) -> tuple[str, str, str]:
    """How an endpoint's answers are spelt: the YAML of the mapper and of cancelling begin with a small letter."""
    small = "identityAccountMapper" in request.url.path or request.query_params.get("command") == "cancel"
    return _LOWER if small else _UPPER


def answer(request: Request, code: str, description: str, request_id: str) -> bytes:
    """An answer's body."""
    names = names_of(request)
    return orjson.dumps(dict(zip(names, (code, description[:200], request_id[:12]), strict=True)))


def refuse(request: Request, problem: Problem, path: str) -> Response:
    """A refusal, with the request id echoed where it could be read."""
    request_id = str(getattr(request.state, "govstack_request_id", ""))
    body = problem.body(request.url.path)
    status = problem.status
    if path.endswith("/voucher_redemption"):
        body |= {"status": 0, "message": problem.code[:20]}
        status = status if status in _KEPT or status == 400 else 200
    elif "{serial}" in path:
        body |= {"status": VOUCHER_ERROR, "message": problem.title, "value": orjson.Fragment("0.0")}
        body["serialNumber"] = str(request.path_params.get("serial", ""))[:20]
        status = status if status in _KEPT else 400
    else:
        words = (FAILED, _words(problem)[:200], request_id[:12])
        # (The mapper's YAML spells its answers with small letters, its refusals with capitals.)
        body |= dict(zip(_UPPER, words, strict=True)) | dict(zip(names_of(request), words, strict=True))
        if path.endswith("/prepayment-validation") and status in (400, 409, 413, 422):
            status = 200
    return Response(orjson.dumps(body, default=str), status, problem.headers, "application/json")


def _words(problem: Problem) -> str:
    """What is wrong, in 200 characters: the first fields by name."""
    fields = ", ".join(error.field for error in problem.errors[:5])
    return f"{problem.title}: {fields}" if fields else f"{problem.title}. {problem.detail}"
