"""HTTP, the same for every service: one transaction a request, committed before the answer; idempotency; problems.

`Router` replaces `APIRouter`. Each of its routes runs in one transaction, opened when the endpoint first needs it.
It is committed when the endpoint has produced its answer and before a byte of it is sent (law 3: FastAPI's `yield`
dependencies commit afterwards unless told otherwise, so a failing commit would still answer 201); any problem or
error answer rolls it back. A request with an `Idempotency-Key` stores its answer in the same transaction.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Coroutine
from itertools import islice
from typing import Annotated, Any, Final, TypeVar

import anyio
import asyncpg
import orjson
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.exceptions import HTTPException as StarletteHTTPException

from shared.clock import Clock
from shared.crypto import FieldCipher
from shared.db import is_retryable, is_transient, sqlstate
from shared.errors import (
    PROBLEM_JSON,
    BadRequest,
    Conflict,
    FieldError,
    IdempotencyKeyReused,
    Invalid,
    PayloadTooLarge,
    Problem,
    Unavailable,
)
from shared.service import Context
from shared.tables import idempotency_key
from shared.telemetry import get_logger
from shared.text import CODE, MESSAGE, unstorable_in

log = get_logger(__name__)
MAX_ATTEMPTS: Final = 4
MAX_KEY_LENGTH: Final = 200
MAX_STORED_BODY: Final = 1 << 20
"""Answers are small documents; a larger one to a request with an Idempotency-Key is a defect of the endpoint."""

MAX_KEYED_BODY: Final = 8 << 20
"""An Idempotency-Key remembers the hash of the whole body, so the body must be held whole: at most so many bytes."""

MAX_FIELD_ERRORS: Final = 100
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class TransactionalRoute(APIRoute):
    """A route whose endpoint runs in one transaction that is committed before the answer is sent.

    An endpoint that reads its body as a stream sets `request.state.body_was_streamed`: it is not run again after a
    deadlock, since its input is gone.
    """

    def get_route_handler(self) -> Handler:
        """FastAPI's handler, wrapped."""
        endpoint = super().get_route_handler()
        is_read_whole = self.body_field is not None and not hasattr(self.endpoint, _ITEM_BY_ITEM)

        async def handle(request: Request) -> Response:
            key = request.headers.get("idempotency-key") if request.method in {"POST", "PUT", "PATCH"} else None
            if key is not None and not 0 < len(key) <= MAX_KEY_LENGTH:
                raise BadRequest(f"An Idempotency-Key has 1 to {MAX_KEY_LENGTH} characters.")
            if key is not None and not _has_small_body(request):
                raise KeyNeedsSmallBody("Leave the key out: large files are idempotent row by row.")
            await _refuse_unstorable(request, is_read_whole)
            return await _run(request, endpoint, key)

        return handle


_ITEM_BY_ITEM: Final = "texts_are_judged_item_by_item"
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def judges_texts_itself(endpoint: Endpoint) -> Endpoint:
    """Decorator: one item of the body with a text that cannot be kept must not stop the others (`shared.text`)."""
    setattr(endpoint, _ITEM_BY_ITEM, True)
    return endpoint


async def _refuse_unstorable(request: Request, is_read_whole: bool) -> None:
    """Refuse texts that only the database would refuse. A body that the endpoint reads as a stream is its own to judge.

    Raises:
        Invalid: a text of the body, the path or the query cannot be kept; every field is named.
    """
    wrong = [
        name for name, value in (*request.path_params.items(), *request.query_params.items()) if "\x00" in str(value)
    ]
    if is_read_whole:
        wrong += [_field(("body", *place)) for place in islice(unstorable_in(await request.body()), MAX_FIELD_ERRORS)]
    if wrong:
        details = [FieldError(field, CODE, MESSAGE) for field in wrong[:MAX_FIELD_ERRORS]]
        raise Invalid("Correct the fields named in errors.", errors=details)


class KeyNeedsSmallBody(PayloadTooLarge):
    """The body is too large, or of unknown length, to be hashed before it is read."""

    code = "idempotency_key_needs_small_body"
    title = "An Idempotency-Key goes with small bodies only"


def _has_small_body(request: Request) -> bool:
    length = request.headers.get("content-length")
    if length is None:
        return "transfer-encoding" not in request.headers
    return length.isdecimal() and int(length) <= MAX_KEYED_BODY


async def _run(request: Request, endpoint: Handler, key: str | None) -> Response:
    context: Context = request.app.state.context
    for attempt in range(1, MAX_ATTEMPTS + 1):
        session = context.database.open_session()
        request.state.session = session
        try:
            answer = await (_answer_once(request, endpoint, session, key) if key else endpoint(request))
            if answer.status_code < 400:
                await session.commit()
            else:
                await session.rollback()
            return answer
        except DBAPIError as error:
            await _rollback(session)
            streamed = getattr(request.state, "body_was_streamed", False)
            if is_retryable(error) and attempt < MAX_ATTEMPTS and not streamed:
                await anyio.sleep(random.uniform(0.005, 0.05) * attempt)  # noqa: S311 spread, not secrecy
                continue
            raise _as_problem(error) from error
        except (ConnectionError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            # While connecting, the driver's errors come as they are: the database is away or starting up.
            if not is_transient(error):
                raise
            raise _database_away() from error
        except PoolTimeout as error:
            raise Unavailable("Too many requests at once: try again.", headers={"Retry-After": "1"}) from error
        finally:
            await _close(session)
    raise AssertionError("unreachable: the last attempt returns or raises")


async def _rollback(session: AsyncSession) -> None:
    try:
        await session.rollback()
    except (DBAPIError, OSError):
        log.warning("rollback_failed_connection_lost")


async def _close(session: AsyncSession) -> None:
    with anyio.CancelScope(shield=True):
        try:
            await session.close()
        except (DBAPIError, OSError):
            log.warning("close_failed_connection_lost")


def _database_away() -> Problem:
    return Unavailable(
        "The database did not take this now: nothing was changed. Try again.", headers={"Retry-After": "1"}
    )


def _as_problem(error: DBAPIError) -> Problem:
    state = sqlstate(error) or ""
    if is_transient(error) or is_retryable(error):
        return _database_away()
    if state == "57014":
        return Unavailable("This took too long and was stopped: nothing was changed.", headers={"Retry-After": "5"})
    if isinstance(error, IntegrityError) and state == "23505":
        constraint = getattr(getattr(error.orig, "__cause__", None), "constraint_name", None)
        return Conflict("Something like this exists already.", constraint=constraint)
    raise error


# --- idempotency ---------------------------------------------------------------------------------------------------


async def _answer_once(request: Request, endpoint: Handler, session: AsyncSession, key: str) -> Response:
    """The endpoint's answer the first time, the stored one afterwards (fault 2)."""
    principal = await request.app.state.verifier.verify(_bearer_of(request))
    fingerprint = hashlib.sha256(
        b"\x00".join([request.method.encode(), str(request.url.path).encode(), request.url.query.encode()])
        + b"\x00"
        + await request.body()
    ).digest()
    claim = (
        pg_insert(idempotency_key)
        .values(subject=principal.subject, key=key, request_hash=fingerprint)
        .on_conflict_do_nothing()
        .returning(idempotency_key.c.key)
    )
    # A second request with the key waits here until the first one's transaction ends.
    if (await session.execute(claim)).first() is None:
        return await _first_answer(session, _sealer(request), principal.subject, key, fingerprint)
    answer = await endpoint(request)
    if answer.status_code < 400:
        body = bytes(getattr(answer, "body", b""))
        if len(body) > MAX_STORED_BODY:
            raise Invalid("This endpoint's answers are too large for an Idempotency-Key: send the request without.")
        headers = {
            name: value
            for name, value in answer.headers.items()
            if name in {"content-type", "etag", "location", "retry-after"}
        }
        await session.execute(
            update(idempotency_key)
            .where(idempotency_key.c.subject == principal.subject, idempotency_key.c.key == key)
            .values(status=answer.status_code, headers=headers, body=_sealer(request).seal(body))
        )
    return answer


class _Sealer:
    """Stored answers may hold what is shown once (a receipt code): encrypted where the service has a key."""

    def __init__(self, key: str | None) -> None:
        self._cipher = FieldCipher(key) if key else None

    def seal(self, body: bytes) -> bytes:
        return self._cipher.encrypt(body.decode(), "idempotency_key") if self._cipher else body

    def open(self, stored: bytes) -> bytes:
        return self._cipher.decrypt(stored, "idempotency_key").encode() if self._cipher else stored


def _sealer(request: Request) -> _Sealer:
    key = request.app.state.context.settings.encryption_key
    return _Sealer(key.get_secret_value() if key else None)


async def _first_answer(session: AsyncSession, sealer: _Sealer, subject: str, key: str, fingerprint: bytes) -> Response:
    stored = (
        await session.execute(
            select(idempotency_key).where(idempotency_key.c.subject == subject, idempotency_key.c.key == key)
        )
    ).one_or_none()
    if stored is None or stored.status is None:
        # The first one rolled back between our claim and our look.
        raise Unavailable("The first request with this key did not succeed: try again.", headers={"Retry-After": "1"})
    if bytes(stored.request_hash) != fingerprint:
        raise IdempotencyKeyReused("Use a new Idempotency-Key for a new request.")
    return Response(
        sealer.open(bytes(stored.body)),
        stored.status,
        {**stored.headers, "Idempotent-Replayed": "true"},
        stored.headers.get("content-type"),
    )


def _bearer_of(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


async def prune_idempotency_keys(context: Context, older_than: Any) -> None:
    """Forget answers to keys older than this instant."""
    async with context.database.session() as session:
        await session.execute(delete(idempotency_key).where(idempotency_key.c.created_at < older_than))


# --- what endpoints are given --------------------------------------------------------------------------------------


async def _session(request: Request) -> AsyncSession:
    session: AsyncSession = request.state.session
    return session


async def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


async def _clock(request: Request) -> Clock:
    context: Context = request.app.state.context
    return context.clock


SessionDep = Annotated[AsyncSession, Depends(_session)]
"""The request's transaction. The endpoint does not commit: the route does."""
ContextDep = Annotated[Context, Depends(_context)]
ClockDep = Annotated[Clock, Depends(_clock)]


class Router(APIRouter):
    """An APIRouter whose routes are transactional. Paths are full: `/registry/v1/households`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("route_class", TransactionalRoute)
        super().__init__(*args, **kwargs)


# --- errors --------------------------------------------------------------------------------------------------------


def problem_response(problem: Problem, instance: str = "") -> Response:
    """The answer for a problem."""
    body = orjson.dumps(problem.body(instance), default=str)
    return Response(body, problem.status, problem.headers, PROBLEM_JSON)


def _field(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location[1:] if location and location[0] in {"body", "query", "path", "header", "cookie"} else location:
        path += f"[{part}]" if isinstance(part, int) else (f".{part}" if path else str(part))
    return path or str(location[0] if location else "")


class _HttpProblem(Problem):
    """A problem of the framework's own: unknown path, method not allowed."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None) -> None:
        super().__init__(detail, headers=headers)
        self.status = status  # type: ignore[misc]
        self.code = {404: "not_found", 405: "method_not_allowed"}.get(status, f"http_{status}")  # type: ignore[misc]
        self.title = detail  # type: ignore[misc]


def add_error_handlers(app: FastAPI) -> None:
    """Every error of this app is answered as problem details."""

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return problem_response(error, request.url.path)

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        malformed = any(item["type"] == "json_invalid" for item in error.errors())
        kind = BadRequest if malformed else Invalid
        # pydantic's message may repeat the input: only its constraint is shown, never the value.
        details = [FieldError(_field(item["loc"]), item["type"], item["msg"]) for item in error.errors()]
        return problem_response(
            kind("Correct the fields named in errors.", errors=details[:MAX_FIELD_ERRORS]), request.url.path
        )

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, StarletteHTTPException)
        return problem_response(
            _HttpProblem(error.status_code, str(error.detail), dict(error.headers or {})), request.url.path
        )

    async def on_error(request: Request, error: Exception) -> Response:
        log.error("unhandled_error", path=request.url.path, exc_info=error)
        return problem_response(Problem("Nothing was changed. Tell the operator the request id."), request.url.path)

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(StarletteHTTPException, on_http)
    app.add_exception_handler(Exception, on_error)
