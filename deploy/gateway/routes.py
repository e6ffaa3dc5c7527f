"""What repeats for each service: its routes, its cluster, and how the gateway words its own refusals.

Every function returns a plain tree in Envoy's v3 JSON form; `render.py` puts it into the template.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Tree = dict[str, Any]

TYPE = "type.googleapis.com/envoy."
NO_TOKEN: Tree = {
    "envoy.filters.http.jwt_authn": {
        "@type": TYPE + "extensions.filters.http.jwt_authn.v3.PerRouteConfig",
        "disabled": True,
    }
}
LARGE_BODY: Tree = {
    "samaki.size.default": {"@type": TYPE + "config.route.v3.FilterConfig", "config": {}, "disabled": True}
}
SMALL_BODY: Tree = {
    "samaki.size.signed": {"@type": TYPE + "config.route.v3.FilterConfig", "config": {}, "disabled": False}
}
UPLOADS: Mapping[str, tuple[str, ...]] = {
    "registry": ("household-imports", "life-event-feeds/[^/]+", "sync"),
    "eligibility": ("condition-files", "fhir"),
    "payments": (
        "accounts:import",
        "rails/[^/]+/inbox",
        "sanctions/list",
        "cash/agent-statements",
        "govstack/.+",
        "g2p-connect/.+",
    ),
    "grievance": ("cases/[^/]+/attachments",),
}
"""Routes (regular expressions below `/<service>/v1/`) that take a whole file or batch: the larger body limit, and more
time. The services hold each to a limit of its own."""

SIGNED: Mapping[str, tuple[str, ...]] = {"payments": ("rails/[^/]+/callbacks",)}
"""Routes (regular expressions below `/<service>/v1/`) whose callers sign each message and hold no token of ours: PUT
and POST of an operator's callbacks. The service verifies signature, freshness and repetition; the gateway limits by
address and size, and never sends one twice."""

SAFE_METHODS = "GET|HEAD|OPTIONS"

PROBLEM_TYPES = "https://samaki.example/problems/"
PROBLEMS: Mapping[int, tuple[str, str, str]] = {
    400: ("bad_request", "The request cannot be read", "Check the request line and headers."),
    401: ("unauthorized", "A valid token is needed", "Send 'Authorization: Bearer <token>' with a current token."),
    404: ("not_found", "There is no such thing here", "No route has this path: see /docs."),
    408: ("request_timeout", "The request took too long to arrive", "Send it again."),
    413: ("payload_too_large", "The request body is too large", "Send a smaller body, or split the file."),
    429: ("too_many_requests", "Too many requests", "Wait as long as Retry-After says, then go on more slowly."),
    431: ("headers_too_large", "The request headers are too large", "Send fewer or shorter headers."),
    502: ("bad_gateway", "The service gave no usable answer", "Try again; use the same Idempotency-Key for a write."),
    503: ("unavailable", "Not available for the moment: try again", "The service is not reachable just now."),
    504: (
        "gateway_timeout",
        "The service did not answer in time",
        "The outcome is unknown: ask for its state, or repeat with the same Idempotency-Key.",
    ),
}
"""Problem details (RFC 9457) of the gateway itself, by status; codes shared with shared/errors.py where both exist."""


def service_routes(name: str, *, timeout_s: float, upload_timeout_s: float) -> list[Tree]:
    """Routes of one service: open pages, signed callbacks, file uploads, then the API. Only the probes are rewritten.

    Only requests that may safely run twice are retried: safe methods, and writes that carry an Idempotency-Key.
    """
    open_pages = [
        {
            "name": f"{name}.{kind}",
            "match": {"path": f"/{name}/{page}"},
            "route": {"cluster": name, "prefix_rewrite": upstream, "timeout": "5s", "retry_policy": _retries()},
            "typed_per_filter_config": NO_TOKEN,
        }
        for kind, page, upstream in (
            ("health", "health", "/health"),
            ("ready", "ready", "/ready"),
            ("openapi", "openapi.json", f"/{name}/openapi.json"),
        )
    ]
    uploads = [
        {
            "name": f"{name}.upload",
            "match": {"safe_regex": {"regex": f"/{name}/v1/{path}"}, "headers": [_method("POST|PUT")]},
            "route": {"cluster": name, "timeout": f"{upload_timeout_s}s"},
            "typed_per_filter_config": LARGE_BODY,
        }
        for path in UPLOADS.get(name, ())
    ]
    signed = [
        {
            "name": f"{name}.signed",
            "match": {"safe_regex": {"regex": f"/{name}/v1/{path}"}, "headers": [_method("POST|PUT")]},
            "route": {"cluster": name, "timeout": f"{timeout_s}s"},
            # A token sent along would be believed by nobody and might be another's: it stays at the edge.
            "request_headers_to_remove": ["authorization"],
            "typed_per_filter_config": NO_TOKEN | SMALL_BODY,
        }
        for path in SIGNED.get(name, ())
    ]
    api = {"safe_regex": {"regex": rf"/{name}/v[0-9]+/.+"}}
    repeatable = {"cluster": name, "timeout": f"{timeout_s}s", "retry_policy": _retries()}
    download = {"safe_regex": {"regex": rf"/{name}/v[0-9]+/.+[./](csv|xlsx|ndjson|parquet|content)"}}
    calls: list[Tree] = [
        {
            # A long answer that streams: not retried, since the client has begun to read it.
            "name": f"{name}.download",
            "match": {**download, "headers": [_method("GET")]},
            "route": {"cluster": name, "timeout": f"{upload_timeout_s}s"},
        },
        {"name": f"{name}.read", "match": {**api, "headers": [_method(SAFE_METHODS)]}, "route": repeatable},
        {
            "name": f"{name}.idempotent",
            "match": {**api, "headers": [{"name": "idempotency-key", "present_match": True}]},
            "route": repeatable,
        },
        {"name": f"{name}.write", "match": api, "route": {"cluster": name, "timeout": f"{timeout_s}s"}},
    ]
    return [*open_pages, *signed, *uploads, *calls]


def own_routes(docs_dir: Path | None, docs_pages: Mapping[str, tuple[str, str]]) -> list[Tree]:
    """What the gateway answers itself: its health and the page of API docs.

    Args:
        docs_dir: where the files are when Envoy starts; None leaves the docs out.
        docs_pages: request path -> (file name in `docs_dir`, content type).
    """
    routes: list[Tree] = [
        {
            "name": "gateway.health",
            "match": {"path": "/health"},
            "direct_response": {"status": 200, "body": {"inline_string": '{"status":"ok"}'}},
            "response_headers_to_add": [_header("content-type", "application/json")],
            "typed_per_filter_config": NO_TOKEN,
        }
    ]
    if docs_dir is None:
        return routes
    routes.append(
        {
            "name": "gateway.docs",
            "match": {"path": "/docs/"},
            "redirect": {"path_redirect": "/docs"},
            "typed_per_filter_config": NO_TOKEN,
        }
    )
    policy = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
    routes.extend(
        {
            "name": "gateway.docs",
            "match": {"path": path},
            "direct_response": {"status": 200, "body": {"filename": str(docs_dir / file_name)}},
            "response_headers_to_add": [
                _header("content-type", content_type),
                _header("content-security-policy", policy),
                _header("x-content-type-options", "nosniff"),
                _header("cache-control", "public, max-age=3600"),
            ],
            "typed_per_filter_config": NO_TOKEN,
        }
        for path, (file_name, content_type) in docs_pages.items()
    )
    return routes


def cluster(name: str, host: str, port: int, *, tls: bool = False) -> Tree:
    """One upstream. Retries may take a fifth of what is in flight, so that they never become the outage."""
    tree: Tree = {
        "name": name,
        "type": "STRICT_DNS",
        "connect_timeout": "2s",
        "dns_lookup_family": "V4_PREFERRED",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": host, "port_value": port}}}}]}
            ],
        },
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": 512,
                    "max_pending_requests": 512,
                    "max_requests": 2048,
                    "retry_budget": {"budget_percent": {"value": 20}, "min_retry_concurrency": 3},
                }
            ]
        },
        # The servers behind close idle connections: the gateway does it first, so that no write meets a closed one.
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": TYPE + "extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": "3s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }
    if tls:
        tree["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": TYPE + "extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "sni": host,
                "common_tls_context": {
                    "validation_context": {
                        "trusted_ca": {"filename": "/etc/ssl/certs/ca-certificates.crt"},
                        "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": host}}],
                    }
                },
            },
        }
    return tree


def local_replies() -> Tree:
    """Every refusal of the gateway as problem details; its own 2xx answers (docs, health) stay as they are."""
    mappers = [_mapper(status, status) for status in PROBLEMS]
    # Envoy says 403 to a token made for another audience; for the caller it is the same as any token that is not good.
    mappers.append(_mapper(403, 401))
    for mapper in mappers:
        if mapper["status_code"] == 401:
            mapper["headers_to_add"] = [_header("www-authenticate", "Bearer")]
    mappers.append(
        {
            "filter": _status_filter("GE", 400, "problem_other"),
            "body_format_override": _problem(
                None, "gateway_error", "The gateway could not serve this", "See the status."
            ),
        }
    )
    return {"mappers": mappers}


def access_log(path: str) -> list[Tree]:
    """JSON lines without tokens or query strings; what families complain about is logged by route name only.

    Args:
        path: file to append to; empty: standard output.
    """
    common = {
        "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
        "method": "%REQ(:METHOD)%",
        "route": "%ROUTE_NAME%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "duration_ms": "%DURATION%",
        "upstream_ms": "%RESPONSE_DURATION%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "bytes_in": "%BYTES_RECEIVED%",
        "bytes_out": "%BYTES_SENT%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "traceparent": "%REQ(TRACEPARENT)%",
    }
    full = {**common, "path": "%PATH(NQ)%", "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}
    sealed = {"header": {"name": ":path", "string_match": {"prefix": "/grievance/"}}}
    opened = {"header": {**sealed["header"], "invert_match": True}}
    return [_log(path, full, {"header_filter": opened}), _log(path, common, {"header_filter": sealed})]


def cors(origins: Iterable[str]) -> Tree:
    """Cross-origin policy: the named origins only (none by default), bearer tokens only, no cookies."""
    return {
        "@type": TYPE + "extensions.filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": [{"exact": origin} for origin in origins],
        "allow_methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
        "allow_headers": "authorization, content-type, idempotency-key, if-match, if-none-match, traceparent",
        "expose_headers": "etag, location, retry-after, x-request-id, idempotent-replayed",
        "max_age": "600",
        "allow_credentials": False,
        "forward_not_matching_preflights": False,
    }


def bucket(per_minute: int, burst: int) -> Tree:
    """A token bucket: about `per_minute` on average, `burst` at once; intervals are whole seconds."""
    if per_minute >= 60:
        return {"max_tokens": burst, "tokens_per_fill": per_minute // 60, "fill_interval": "1s"}
    return {"max_tokens": burst, "tokens_per_fill": 1, "fill_interval": f"{-(-60 // per_minute)}s"}


def _retries() -> Tree:
    return {
        "retry_on": "connect-failure,refused-stream,reset,retriable-status-codes",
        "retriable_status_codes": [502, 503],
        "num_retries": 2,
        "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
    }


def _method(pattern: str) -> Tree:
    return {"name": ":method", "string_match": {"safe_regex": {"regex": pattern}}}


def _header(key: str, value: str) -> Tree:
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _status_filter(op: str, status: int, key: str) -> Tree:
    return {
        "status_code_filter": {
            "comparison": {"op": op, "value": {"default_value": status, "runtime_key": f"samaki.{key}"}}
        }
    }


def _mapper(seen: int, answered: int) -> Tree:
    return {
        "filter": _status_filter("EQ", seen, f"problem_{seen}"),
        "status_code": answered,
        "body_format_override": _problem(answered, *PROBLEMS[answered]),
    }


def _problem(status: int | None, code: str, title: str, detail: str) -> Tree:
    return {
        "json_format": {
            "type": PROBLEM_TYPES + code,
            "title": title,
            "status": status or "%RESPONSE_CODE%",
            "code": code,
            "detail": detail,
            "request_id": "%REQ(X-REQUEST-ID)%",
        },
        "content_type": "application/problem+json",
    }


def _log(path: str, fields: Tree, when: Tree) -> Tree:
    sink = "file" if path else "stdout"
    config: Tree = {"log_format": {"json_format": fields}}
    if path:
        kind = "extensions.access_loggers.file.v3.FileAccessLog"
        config["path"] = path
    else:
        kind = "extensions.access_loggers.stream.v3.StdoutAccessLog"
    return {"name": f"envoy.access_loggers.{sink}", "filter": when, "typed_config": {"@type": TYPE + kind, **config}}
