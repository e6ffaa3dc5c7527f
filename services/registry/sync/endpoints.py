"""`POST /registry/v1/sync`: a tablet sends what was done on it and learns what was done elsewhere."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from services.registry.permissions import HouseholdWrite
from services.registry.sync import repository
from services.registry.sync.apply_batch import Batch, apply_batch
from services.registry.sync.cursor import Cursor
from services.registry.sync.errors import BadCursor
from services.registry.sync.schemas import SyncAnswer, SyncRequest
from services.registry.sync.views import change_views
from shared import audit
from shared.errors import responses
from shared.http import ContextDep, Router, SessionDep, judges_texts_itself

router = Router(prefix="/registry/v1", tags=["sync"])


@router.post("/sync", responses=responses(BadCursor))
@judges_texts_itself
async def sync(body: SyncRequest, session: SessionDep, context: ContextDep, principal: HouseholdWrite) -> SyncAnswer:
    """Apply a batch of operations, each exactly once; then tell what changed in your area since the cursor.

    What this batch itself changed is told the next time: a change is told once its transaction, and every older one,
    has ended.
    """
    cursor = Cursor.decode(body.cursor)
    results = await apply_batch(Batch(session, context, principal, body.device), body.operations)
    rows = await repository.changed_since(session, principal, cursor, body.limit + 1)
    shown = rows[: body.limit]
    changes = await change_views(session, context.resources.sealer, principal, shown)
    if shown:
        cursor = Cursor(int(shown[-1].written_in), UUID(str(shown[-1].id)))
    counts = Counter(str(result.status) for result in results)
    await audit.record(session, principal, "sync", "device", body.device, {**counts, "changes": len(changes)})
    return SyncAnswer(results=results, changes=changes, next_cursor=cursor.encode(), more=len(rows) > body.limit)
