"""Logs, traces and metrics, the same in every process.

Logs are JSON lines with identifiers masked, whoever logs them. Traces follow W3C trace context through HTTP, the
outbox, Kafka and back. Metrics are prometheus-client's default registry, served at `/metrics`.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final, Literal

import structlog
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_SECRET_KEYS: Final = re.compile(
    r"name|national|identity|identifier|phone|msisdn|account_number|iban|card|token|authorization|password|secret|birth",
    re.IGNORECASE,
)
_SAFE_KEYS: Final = frozenset({"logger_name", "service_name", "event_name", "filename", "job_name", "name_count"})
_LONG_NUMBER: Final = re.compile(r"(?<![\w-])\+?\d(?:[ .-]?\d){7,}(?![\w-])")
"""Eight digits or more standing alone: identity, phone and account numbers. Ids (hex with dashes) pass."""
_TIMESTAMP_KEYS: Final = frozenset({"timestamp", "trace_id", "span_id", "traceparent", "event_id", "port", "offset"})


def mask(text: str) -> str:
    """Replace every long number in a text by its last two digits."""
    return _LONG_NUMBER.sub(lambda match: "***" + match.group()[-2:], text)


def _mask_value(key: str, value: Any) -> Any:
    if key in _TIMESTAMP_KEYS or value is None or isinstance(value, bool):
        return value
    if key not in _SAFE_KEYS and _SECRET_KEYS.search(key) and isinstance(value, str | int | bytes):
        return "***"
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {name: _mask_value(str(name), item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_mask_value(key, item) for item in value]
    if isinstance(value, int) and abs(value) >= 10**8 and key not in {"amount", "duration_ns", "bytes"}:
        return "***"
    return value


def mask_identifiers(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: no identity number, phone, account or name leaves by a log line (fault 26)."""
    for key in list(event):
        event[key] = _mask_value(key, event[key])
    return event


def _add_trace(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = format(context.trace_id, "032x")
        event["span_id"] = format(context.span_id, "016x")
    return event


def configure(service: str, role: str, *, level: str = "info", log_format: Literal["json", "console"] = "json") -> None:
    """Set up logging and tracing for this process. Library loggers go through the same masking."""
    renderer: Any = (
        structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    common: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
    ]
    structlog.configure(
        processors=[*common, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=common,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                mask_identifiers,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("aiokafka", "httpx", "httpcore", "asyncio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(service=service, role=role)
    trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.name": f"samaki-{service}"})))


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger for a module."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def current_traceparent() -> str | None:
    """W3C traceparent of the present span, to be carried on; None outside a trace."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def span(name: str, traceparents: set[str] | None = None, kind: SpanKind = SpanKind.INTERNAL) -> Iterator[None]:
    """A span that continues one trace, or is linked to all of several (a batch of events has many parents)."""
    parents = [
        trace.get_current_span(_PROPAGATOR.extract({"traceparent": parent})).get_span_context()
        for parent in list(traceparents or ())[:128]
    ]
    valid = [parent for parent in parents if parent.is_valid]
    context = None
    if len(valid) == 1:
        context = trace.set_span_in_context(trace.NonRecordingSpan(valid[0]))
    links = [Link(parent) for parent in valid] if len(valid) > 1 else None
    with trace.get_tracer("samaki").start_as_current_span(name, context=context, kind=kind, links=links):
        yield
