"""Take a batch of a civil-registration feed: parse, seal and stage each line, then queue the work."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

import orjson
from fastapi import Request
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.life_events import feed_repository
from services.registry.life_events.schemas import FeedAccepted, FeedEvent
from services.registry.sealing import FEED_LINE, Sealer
from shared import audit
from shared.auth import Principal
from shared.errors import FieldError, Invalid, PayloadTooLarge
from shared.ids import uuid7
from shared.jobs import enqueue
from shared.service import Context

FEED_JOB: Final = "apply_feed"
BLOCK: Final = 1_000
MAX_LINE: Final = 64 << 10


class BadFeed(Invalid):
    """The body is not a feed."""

    code, title = "bad_feed", "The feed cannot be read"


async def receive_feed(
    session: AsyncSession, context: Context, principal: Principal, feed: str, request: Request
) -> FeedAccepted:
    """Stage every line. A line that cannot be read is refused by itself; the others go on.

    Raises:
        BadFeed: it is neither NDJSON nor a JSON list, a line has no feed_id, or a line is too long.
        PayloadTooLarge: it is larger than this service takes.
    """
    request.state.body_was_streamed = True
    batch_id, now = uuid7(), context.clock.now()
    await feed_repository.add_batch(session, batch_id, feed, principal.subject, principal.areas, now)
    total = 0
    block: dict[str, tuple[Any, ...]] = {}
    async for document in _documents(request, context.settings.feed_max_bytes):
        total += 1
        row = _row(document, total, context.resources.sealer)
        block[row[0]] = row
        if len(block) == BLOCK:
            await _stage(session, feed, batch_id, block)
            block = {}
    await _stage(session, feed, batch_id, block)
    if not total:
        raise BadFeed("Send at least one line.")
    job_id = await enqueue(session, FEED_JOB, {"batch_id": str(batch_id)}, key=str(batch_id))
    await feed_repository.set_job(session, batch_id, job_id)
    await audit.record(session, principal, "life_event.receive_feed", "feed_batch", batch_id, {"lines": total})
    return FeedAccepted(batch_id=batch_id, job_id=job_id, lines=total)


async def _stage(session: AsyncSession, feed: str, batch_id: UUID, block: dict[str, tuple[Any, ...]]) -> None:
    if block:
        names = ("feed_ids", "lines", "hashes", "ciphers", "codes", "fields")
        columns = dict(zip(names, (list(column) for column in zip(*block.values(), strict=True)), strict=True))
        await feed_repository.stage_lines(session, feed, batch_id, columns)


async def _documents(request: Request, max_bytes: int) -> AsyncIterator[Any]:
    """The lines of NDJSON as they come; a JSON list is read whole."""
    rest, received, listed = b"", 0, None
    async for piece in request.stream():
        received += len(piece)
        if received > max_bytes:
            raise PayloadTooLarge(f"Send at most {max_bytes} bytes at once.")
        rest += piece
        if listed is None and rest.strip():
            listed = rest.lstrip()[:1] == b"["
        if not listed:
            *lines, rest = rest.split(b"\n")
            for line in lines:
                if line.strip():
                    yield _parse(line)
            if len(rest) > MAX_LINE:
                raise BadFeed(f"A line has at most {MAX_LINE} bytes.")
    if listed:
        documents = _parse(rest)
        if not isinstance(documents, list):
            raise BadFeed("Send NDJSON, or one JSON list.")
        for document in documents:
            yield document
    elif rest.strip():
        yield _parse(rest)


def _parse(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        raise BadFeed("Every line must be one JSON object; nothing of this batch was taken.") from None


def _row(document: Any, line: int, sealer: Sealer) -> tuple[Any, ...]:
    """(feed_id, line, hash, cipher, code, field) of a line: sealed, since it names people."""
    feed_id = document.get("feed_id") if isinstance(document, dict) else None
    if not isinstance(feed_id, str) or not 0 < len(feed_id) <= 100:
        raise BadFeed(
            f"Line {line} has no feed_id.", errors=[FieldError(f"[{line - 1}].feed_id", "required", "Give it.")]
        )
    content = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    code, field = "", ""
    try:
        FeedEvent.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        code, field = "invalid_line", ".".join(str(part) for part in first["loc"])[:100]
    sealed = None if code else sealer.encrypt(content.decode(), FEED_LINE)
    return (feed_id, line, sealer.digest(hashlib.sha256(content).hexdigest(), FEED_LINE), sealed, code, field)
