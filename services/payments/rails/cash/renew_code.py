"""A payee lost her code, or it was locked: a new one, to the number that was approved. Never to another number."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.metadata import Record
from services.payments.rails.cash import repository
from services.payments.rails.cash.errors import CollectionEnded, CollectionNotFound, TooManyCodes
from services.payments.rails.cash.model import CODE_CONTEXT, MOST_CODES, CollectionState, code_hash, new_code
from shared import audit
from shared.auth import Principal
from shared.ids import uuid7
from shared.service import Context


async def renew_code(
    session: AsyncSession, context: Context, principal: Principal, reference: str, reason: str
) -> Record:
    """Make the code before void and send a new one. A wrong number is put right at the account, and paid again.

    Raises:
        CollectionNotFound, CollectionEnded, TooManyCodes.
    """
    row = await repository.by_reference(session, reference, lock=True)
    if row is None or row.voucher_serial is not None or not principal.covers(row.village_code or None):
        raise CollectionNotFound("Look at the reference again, or ask an officer of that area.")
    if row.state != CollectionState.OPEN or context.clock.today() > row.window_until:
        raise CollectionEnded(f"It is {row.state}: issue the payment again.", collection_state=row.state)
    if row.codes >= MOST_CODES:
        raise TooManyCodes(f"{MOST_CODES} codes were sent for it.")
    resources, code = context.resources, new_code()
    changed = await repository.renew(
        session,
        row.attempt_id,
        code_hash(resources.number_hash, row.end_to_end_id, code),
        uuid7(),
        resources.cipher.encrypt(code, CODE_CONTEXT),
        context.clock.now(),
    )
    assert changed is not None
    detail = {"reason": reason, "codes": changed.codes}
    await audit.record(session, principal, "cash.renew_code", "payment", str(row.payment_id), detail)
    return changed
