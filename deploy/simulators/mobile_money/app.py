"""The operator's HTTP: the GSMA endpoints, and `/_control` to make it misbehave and to look into its books."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
from fastapi import FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from deploy.simulators.mobile_money.behaviour import Behaviour, Wallet, wallet
from deploy.simulators.mobile_money.callbacks import CallbackSender
from deploy.simulators.mobile_money.schemas import (
    RequestBatchTransaction,
    RequestReversal,
    RequestTransactionType,
    error_object,
)
from deploy.simulators.mobile_money.state import (
    Batch,
    Books,
    Duplicate,
    Full,
    NotReversible,
    Transaction,
    is_uuid,
    now,
    rejection,
)

Correlation = Annotated[str, Header(alias="X-CorrelationID", max_length=64)]
CallbackUrl = Annotated[str, Header(alias="X-Callback-URL", max_length=2048)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Offset = Annotated[int, Query(ge=0)]
CALLBACK_TIMEOUT_SECONDS = 10.0


class Refused(Exception):
    """An answer that is an errorObject."""

    def __init__(self, status: int, category: str, code: str, description: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.body = error_object(category, code, description)


class Operator:
    """The running operator: its books, its callbacks, and the tasks that decide batches."""

    def __init__(self, client: httpx.AsyncClient, secret: str) -> None:
        self.books = Books()
        self.callbacks = CallbackSender(client, secret, self.books)
        self.tasks: set[asyncio.Task[None]] = set()

    async def submit(
        self, correlation_id: str, callback_url: str, requests: list[RequestTransactionType], title: str, single: bool
    ) -> dict[str, Any]:
        """Take a submission in, as honestly as the present behaviour allows."""
        if not is_uuid(correlation_id):
            raise Refused(400, "validation", "mandatoryValueNotSupplied", "X-CorrelationID must be a UUID")
        behaviour = self.books.behaviour
        if behaviour.fail:
            behaviour.fail -= 1
            raise Refused(503, "serviceUnavailable", "genericError")
        try:
            batch, new = self.books.accept(correlation_id, callback_url, requests, title, single)
        except Full:
            raise Refused(503, "serviceUnavailable", "genericError", "full") from None
        except Duplicate:
            raise Refused(400, "businessRule", "duplicateRequest") from None
        if new and behaviour.decide:
            if behaviour.callback_first:
                await self.decide(batch)
            else:
                self.start(self.decide(batch))
        if behaviour.stall:
            behaviour.stall -= 1
            await asyncio.sleep(behaviour.stall_seconds)
        return self.books.request_state(batch)

    async def decide(self, batch: Batch) -> None:
        """Decide a batch and tell about it."""
        self.books.decide(batch)
        await self.callbacks.send(batch)

    def start(self, work: Any) -> None:
        """Run in the background until the operator stops."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def batch(self, batch_id: str) -> Batch:
        """The batch, or identifierError."""
        batch = self.books.by_id.get(batch_id)
        if batch is None:
            raise Refused(404, "identification", "identifierError")
        return batch


def create_app(secret: str, behaviour: Behaviour | None = None) -> FastAPI:
    """The operator.

    Arguments:
        secret: signs callbacks.
        behaviour: how it starts; `PUT /_control/behaviour` changes it.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with httpx.AsyncClient(timeout=CALLBACK_TIMEOUT_SECONDS, trust_env=False) as client:
            app.state.operator = operator = Operator(client, secret)
            operator.books.behaviour = behaviour or Behaviour()
            yield
            for task in list(operator.tasks):
                task.cancel()
            await asyncio.gather(*operator.tasks, return_exceptions=True)

    app = FastAPI(title="A mobile money operator (GSMA Mobile Money API 1.2)", lifespan=lifespan)
    _add_errors(app)
    _add_submissions(app)
    _add_queries(app)
    _add_accounts(app)
    _add_batches(app)
    _add_control(app)
    return app


def _operator(request: Request) -> Operator:
    operator: Operator = request.app.state.operator
    return operator


def _add_errors(app: FastAPI) -> None:
    @app.middleware("http")
    async def maintain(request: Request, call_next: Any) -> Any:
        if _operator(request).books.behaviour.maintenance and not request.url.path.startswith("/_control"):
            body = error_object("serviceUnavailable", "genericError", "maintenance")
            return JSONResponse(body, 503, {"X-Date": now()})
        answer = await call_next(request)
        answer.headers["X-Date"] = now()
        return answer

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> JSONResponse:
        return JSONResponse(error.body, error.status)

    @app.exception_handler(StarletteHTTPException)
    async def unknown(request: Request, error: StarletteHTTPException) -> JSONResponse:
        return JSONResponse(error_object("identification", "identifierError", "no such resource"), error.status_code)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        return JSONResponse(error_object("validation", "formatError", where[:256]), 400)


def _add_submissions(app: FastAPI) -> None:
    @app.post("/batchtransactions", status_code=202)
    async def batch_transactions(
        request: Request, body: RequestBatchTransaction, correlation: Correlation = "", callback: CallbackUrl = ""
    ) -> dict[str, Any]:
        return await _operator(request).submit(correlation, callback, [*body.transactions], body.batchTitle, False)

    @app.post("/transactions/type/disbursement", status_code=202)
    async def disbursement(
        request: Request, body: RequestTransactionType, correlation: Correlation = "", callback: CallbackUrl = ""
    ) -> dict[str, Any]:
        return await _operator(request).submit(correlation, callback, [body], "", True)

    @app.post("/transactions/type/{other}", status_code=202)
    async def other_type(request: Request, other: str) -> None:
        raise Refused(400, "businessRule", "transactionTypeError", "only disbursement is offered")

    @app.post("/transactions/{reference}/reversals", status_code=202)
    async def reversal(
        request: Request,
        reference: str,
        body: RequestReversal,
        correlation: Correlation = "",
        callback: CallbackUrl = "",
    ) -> dict[str, Any]:
        operator = _operator(request)
        books = operator.books
        if not is_uuid(correlation):
            raise Refused(400, "validation", "mandatoryValueNotSupplied", "X-CorrelationID must be a UUID")
        if reference not in books.transactions:
            raise Refused(404, "identification", "identifierError")
        try:
            made, new = books.reverse(reference, correlation, callback, body.requestingOrganisationTransactionReference)
        except NotReversible:
            raise Refused(400, "businessRule", "incorrectState") from None
        except Duplicate:
            raise Refused(400, "businessRule", "duplicateRequest") from None
        if new:
            operator.start(operator.callbacks.tell(made))
        if books.behaviour.stall:
            books.behaviour.stall -= 1
            await asyncio.sleep(books.behaviour.stall_seconds)
        return made.request_state_object() | ({"status": "pending"} if new else {})


def _add_queries(app: FastAPI) -> None:
    @app.get("/heartbeat")
    async def heartbeat() -> dict[str, str]:
        return {"serviceStatus": "available"}

    @app.get("/responses/{correlation_id}")
    async def response(request: Request, correlation_id: str) -> dict[str, str]:
        books = _operator(request).books
        if reversal := books.reversals.get(correlation_id):
            return {"link": f"/transactions/{reversal.reference}"}
        batch = books.by_correlation.get(correlation_id)
        if batch is None:
            raise Refused(404, "identification", "identifierError")
        kind = "transactions" if batch.single else "batchtransactions"
        return {"link": f"/{kind}/{batch.transactions[0].reference if batch.single else batch.id}"}

    @app.get("/requeststates/{state_id}")
    async def request_state(request: Request, state_id: str) -> dict[str, Any]:
        books = _operator(request).books
        batch = books.by_state.get(state_id)
        for reversal in books.reversals.values():
            if reversal.request_state == state_id:
                return reversal.request_state_object()
        if batch is None:
            raise Refused(404, "identification", "identifierError")
        return books.request_state(batch)

    @app.get("/transactions/{reference}")
    async def transaction(request: Request, reference: str) -> dict[str, Any]:
        books = _operator(request).books
        for reversal in books.reversals.values():
            if reversal.reference == reference:
                return reversal.view()
        found = books.transactions.get(reference)
        if found is None:
            raise Refused(404, "identification", "identifierError")
        return found.view()


def _add_accounts(app: FastAPI) -> None:
    @app.get("/accounts/msisdn/{number}/status")
    async def status(request: Request, number: str) -> dict[str, str]:
        fate = wallet(number)
        if fate is Wallet.UNKNOWN:
            raise Refused(404, "identification", "identifierError")
        return {"accountStatus": "unavailable" if fate is Wallet.CLOSED else "available"}

    @app.get("/accounts/msisdn/{number}/accountname")
    async def account_name(request: Request, number: str) -> dict[str, Any]:
        if wallet(number) is Wallet.UNKNOWN:
            raise Refused(404, "identification", "identifierError")
        name = _operator(request).books.behaviour.holder_name
        if not name:
            raise Refused(401, "authorisation", "requestingPartyAuthorisationError", "names are not offered")
        return {"name": {"fullName": name}}


def _add_batches(app: FastAPI) -> None:
    @app.get("/batchtransactions/{batch_id}")
    async def batch(request: Request, batch_id: str) -> dict[str, Any]:
        return _operator(request).batch(batch_id).view()

    @app.get("/batchtransactions/{batch_id}/completions")
    async def completions(
        request: Request, response: Response, batch_id: str, limit: Limit = 50, offset: Offset = 0
    ) -> list[dict[str, Any]]:
        operator = _operator(request)
        page = _page(operator, response, operator.batch(batch_id).completed, limit, offset)
        return [operator.books.completion(transaction) for transaction in page]

    @app.get("/batchtransactions/{batch_id}/rejections")
    async def rejections(
        request: Request, response: Response, batch_id: str, limit: Limit = 50, offset: Offset = 0
    ) -> list[dict[str, Any]]:
        operator = _operator(request)
        page = _page(operator, response, operator.batch(batch_id).rejected, limit, offset)
        return [rejection(transaction) for transaction in page]


def _page(
    operator: Operator, response: Response, rows: list[Transaction], limit: int, offset: int
) -> list[Transaction]:
    """A page of a list, and the headers that tell how much there is."""
    page = rows[offset : offset + min(limit, operator.books.behaviour.page_limit or limit)]
    response.headers["X-Records-Available-Count"] = str(len(rows))
    response.headers["X-Records-Returned-Count"] = str(len(page))
    return page


def _add_control(app: FastAPI) -> None:
    @app.put("/_control/behaviour")
    async def behave(request: Request, body: Behaviour) -> Behaviour:
        _operator(request).books.behaviour = body
        return body

    @app.post("/_control/decide", status_code=202)
    async def decide(request: Request) -> dict[str, int]:
        operator = _operator(request)
        waiting = [batch for batch in operator.books.by_id.values() if batch.open]
        for batch in waiting:
            operator.start(operator.decide(batch))
        return {"batches": len(waiting)}

    @app.post("/_control/reset", status_code=204)
    async def reset(request: Request) -> None:
        _operator(request).books.reset()

    @app.get("/_control/payments")
    async def payments(request: Request) -> dict[str, int]:
        return dict(_operator(request).books.payments)

    @app.get("/_control/state")
    async def state(request: Request) -> dict[str, Any]:
        books = _operator(request).books
        return {
            "batches": len(books.by_id),
            "transactions": len(books.transactions),
            "paid": sum(books.payments.values()),
            "paid_twice": sum(1 for times in books.payments.values() if times > 1),
            "submissions": sum(books.submissions.values()),
            "resubmissions": sum(times - 1 for times in books.submissions.values()),
            "callbacks": dict(books.callbacks),
            "behaviour": books.behaviour.model_dump(),
        }
