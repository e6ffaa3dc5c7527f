"""Errors that own their status, their stable code and what the person should do next (RFC 9457).

    Problem
    ├── BadRequest 400           ├── Conflict 409            ├── TooManyRequests 429
    ├── Unauthorized 401         ├── PreconditionFailed 412  └── Unavailable 503
    ├── Forbidden 403            ├── PayloadTooLarge 413
    ├── NotFound 404             ├── Invalid 422
    └── ...                      └── PreconditionRequired 428

A service subclasses these in its own `errors.py`, with its own `code`. Business code raises them; only
`shared.http` turns them into answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from pydantic import BaseModel

PROBLEM_JSON = "application/problem+json"
DOCS = "https://samaki.example/problems/"


@dataclass(frozen=True)
class FieldError:
    """One thing wrong with the input.

    Attributes:
        field: where, e.g. `members[2].birth_date` or `amount`.
        code: stable and machine-readable, e.g. `date_in_future`.
        message: for the person, saying what is expected. Never repeats personal data.
    """

    field: str
    code: str
    message: str


class Problem(Exception):
    """An answer that is not a success. Extra keyword arguments become members of the body."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong on our side"
    headers: dict[str, str]

    def __init__(
        self,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.errors = tuple(errors)
        self.headers = headers or {}
        self.extra = extra

    def body(self, instance: str = "") -> dict[str, Any]:
        """The problem-details object."""
        document: dict[str, Any] = {
            "type": DOCS + self.code,
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **self.extra,
        }
        if instance:
            document["instance"] = instance
        if self.errors:
            document["errors"] = [asdict(error) for error in self.errors]
        return document


class BadRequest(Problem):
    status, code, title = 400, "bad_request", "The request cannot be read"


class Unauthorized(Problem):
    status, code, title = 401, "unauthorized", "A valid token is needed"


class Forbidden(Problem):
    status, code, title = 403, "forbidden", "Your role does not allow this"


class OutsideArea(Forbidden):
    code, title = "outside_area", "This place is outside your area"


class NotFound(Problem):
    status, code, title = 404, "not_found", "There is no such thing here"


class Conflict(Problem):
    status, code, title = 409, "conflict", "This does not fit the present state"


class IdempotencyKeyReused(Conflict):
    code, title = "idempotency_key_reused", "This Idempotency-Key was used for another request"


class PreconditionFailed(Problem):
    status, code, title = 412, "version_changed", "Somebody changed it since you read it"


class PayloadTooLarge(Problem):
    status, code, title = 413, "payload_too_large", "The request body is too large"


class Invalid(Problem):
    status, code, title = 422, "invalid", "Some of the input is not valid"


class PreconditionRequired(Problem):
    status, code, title = 428, "if_match_required", "Say which version you are changing"


class TooManyRequests(Problem):
    status, code, title = 429, "too_many_requests", "Too many requests"


class Unavailable(Problem):
    status, code, title = 503, "unavailable", "Not available for the moment: try again"


class ProblemBody(BaseModel):
    """Schema of a problem in the API documentation."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str | None = None
    errors: list[dict[str, str]] | None = None


def responses(*problems: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses=` for the problems an endpoint can answer with."""
    documented: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        entry = documented.setdefault(problem.status, {"model": ProblemBody, "description": ""})
        entry["description"] = "; ".join(filter(None, [entry["description"], f"`{problem.code}`: {problem.title}"]))
    return documented
