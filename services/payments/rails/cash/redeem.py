"""An agent hands out the money: the right code, the right amount, an identified person, once.

The guess is counted first, in a transaction of its own; then everything is checked again under the row's lock, and the
collection, the payment, the books, the event and what the agent is owed change together or not at all.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.days import local_day
from services.payments.instructions.model import Outcome
from services.payments.instructions.outcomes import apply_outcomes
from services.payments.ledger.model import MovementKind
from services.payments.metadata import Record
from services.payments.rails import repository as batches
from services.payments.rails.cash import agents_repository as agents
from services.payments.rails.cash import repository
from services.payments.rails.cash.book_float import book_float
from services.payments.rails.cash.errors import (
    AgentLimit,
    AgentLocked,
    AgentUnknown,
    CashAmountMismatch,
    CodeLocked,
    CollectionEnded,
    CollectionNotFound,
    IdentityNotConfirmed,
    PayingStopped,
    PaymentNotPayable,
    ProxyNotApproved,
    WindowClosed,
    WrongCode,
)
from services.payments.rails.cash.model import (
    ANY_NETWORK,
    MOST_TRIES,
    MOST_WRONG_A_DAY,
    CollectionState,
    Redemption,
    code_hash,
    proxy_hash,
    same,
    voucher_hash,
)
from services.payments.rails.stops import batch_stopped, stopped_among
from shared import audit
from shared.auth import Principal
from shared.crypto import KeyedHash
from shared.ids import reference, uuid7
from shared.service import Context


async def agent_of(session: AsyncSession, context: Context, principal: Principal) -> Record:
    """The agent that the caller is.

    Raises:
        AgentUnknown, AgentLocked.
    """
    agent = await agents.by_subject(session, principal.subject)
    if agent is None:
        raise AgentUnknown("Ask a finance officer to register you as an agent.")
    if agent.wrong_on == context.clock.today() and agent.wrong_codes >= MOST_WRONG_A_DAY:
        raise AgentLocked("Ask your network to look into it.", headers={"Retry-After": "3600"})
    return agent


async def redeem(session: AsyncSession, context: Context, principal: Principal, said: Redemption) -> Record:
    """Pay out one collection.

    Returns:
        The collection, collected; the same again when the agent repeats herself (fault 2).

    Raises:
        AgentUnknown, AgentLocked, CollectionNotFound, WrongCode, CodeLocked, CollectionEnded, WindowClosed,
        CashAmountMismatch, IdentityNotConfirmed, ProxyNotApproved, AgentLimit, PayingStopped, PaymentNotPayable.
    """
    agent, done = await _first_look(context, principal, said)
    if done is not None:
        return done
    row = await repository.by_reference(session, said.reference, lock=True)
    assert row is not None
    if row.state != CollectionState.OPEN:  # somebody else was quicker
        again = await repository.said_before(session, agent.code, said.agent_reference)
        if again is not None:
            return _again(context.resources.number_hash, again, said)
        raise CollectionEnded(f"It is {row.state}.", collection_state=row.state)
    return await _pay_out(session, context, principal, agent, row, said)


async def _first_look(context: Context, principal: Principal, said: Redemption) -> tuple[Record, Record | None]:
    """Who asks, for what, and with which code: in transactions of their own, before the request's begins.

    (One request never holds two connections: many guesses at once would wait for each other.)

    Returns:
        The agent, and the collection where this redemption was told before.
    """
    async with context.database.session() as session:
        agent = await agent_of(session, context, principal)
        before = await repository.said_before(session, agent.code, said.agent_reference)
        seen = None if before is not None else await repository.by_reference(session, said.reference)
    if before is not None:
        return agent, _again(context.resources.number_hash, before, said)
    if seen is None or not _may_pay(agent, principal, seen):
        await _count_wrong(context, agent.code)
        raise CollectionNotFound("Look at the reference again: it is on the payee's message.")
    await _guess(context, agent.code, seen, said)
    return agent, None


def _may_pay(agent: Record, principal: Principal, row: Record) -> bool:
    """Whether it is of the agent's network, and in her area."""
    return row.provider in (agent.provider, ANY_NETWORK) and principal.covers(row.village_code or None)


def _again(number_hash: KeyedHash, row: Record, said: Redemption) -> Record:
    told = (row.reference, row.amount, row.currency)
    if told != (said.reference, said.amount, said.currency) or not _right(number_hash, row, said.code):
        raise CollectionEnded("You used this agent_reference for another redemption: use a new one.")
    return row


def _right(number_hash: KeyedHash, row: Record, code: str) -> bool:
    """Whether a code is the collection's: a message's, or the secret of the voucher that it is."""
    stored = bytes(row.code_hash)
    return same(stored, code_hash(number_hash, row.end_to_end_id, code)) or same(
        stored, voucher_hash(number_hash, row.reference, code)
    )


async def _guess(context: Context, agent_code: str, seen: Record, said: Redemption) -> None:
    """Count the guess, then compare it."""
    if seen.state != CollectionState.OPEN:
        raise CollectionEnded(f"It is {seen.state}.", collection_state=seen.state)
    async with context.database.session() as session:
        counted = await repository.count_try(session, said.reference, MOST_TRIES)
        ended = counted is None and not await repository.is_open(session, said.reference)
    if ended:
        return  # somebody was quicker: told under the lock
    if counted is None:
        raise CodeLocked("The payee asks an officer for a new code.")
    if not _right(context.resources.number_hash, seen, said.code):
        await _count_wrong(context, agent_code)
        raise WrongCode("Ask the payee to read the code again.", tries_left=MOST_TRIES - counted.tries)


async def _count_wrong(context: Context, agent_code: str) -> None:
    async with context.database.session() as session:
        await agents.count_wrong(session, agent_code, context.clock.today())


async def _pay_out(
    session: AsyncSession, context: Context, principal: Principal, agent: Record, row: Record, said: Redemption
) -> Record:
    now = context.clock.now()
    await _check(session, context, row, said)
    proxy_id = await _proxy(session, context, row, said) if said.by_proxy else None
    locked = await agents.by_code(session, agent.code, lock=True)
    assert locked is not None
    if locked.currency != row.currency or locked.paid - locked.settled + row.amount > locked.credit_limit:
        raise AgentLimit("Ask for settlement, then pay out.")
    collected = await repository.collect(
        session,
        {
            "reference": row.reference,
            "agent": agent.code,
            "agent_reference": said.agent_reference,
            "receipt": reference("RC", uuid7()),
            "collected_by": "proxy" if said.by_proxy else "payee",
            "identity_check": said.identity_method,
            "proxy_id": proxy_id,
            "now": now,
        },
    )
    assert collected is not None
    outcome = Outcome(row.attempt_id, "settled", local_day(now), "agent", f"{agent.code}/{collected.receipt}")
    applied = await apply_outcomes(session, [outcome])
    if applied.applied != 1:
        raise PaymentNotPayable("Do not pay it out: the payment was ended elsewhere.")
    await agents.add_paid(session, agent.code, row.amount)
    await book_float(session, MovementKind.FLOAT_IN, row.attempt_id, agent.code, row.fund_code, row, local_day(now))
    if row.batch_id is not None:
        await batches.complete(session, [row.batch_id], now)
    detail = {"agent": agent.code, "receipt": collected.receipt, "collected_by": collected.collected_by}
    await audit.record(session, principal, "cash.redeem", "payment", str(row.payment_id), detail)
    return collected


async def _check(session: AsyncSession, context: Context, row: Record, said: Redemption) -> None:
    if context.clock.today() > row.window_until:
        raise WindowClosed("The money goes back to the fund; it can be issued again.")
    if row.payee_died:  # whoever comes with the code, or for her: a mandate ends with the one who gave it
        raise PaymentNotPayable("The payee's death is on record: the money goes back to the fund with the window.")
    if row.voucher_serial is not None and row.voucher_state != "activated":
        raise PaymentNotPayable("This voucher is not activated.")
    if (said.amount, said.currency) != (row.amount, row.currency):
        raise CashAmountMismatch("Pay exactly what is owed.", amount=str(row.amount), currency=row.currency)
    if not said.identity_matches:
        raise IdentityNotConfirmed("Identify the person first.")
    if await _stopped(session, row):
        raise PayingStopped("Do not pay it out; try again when the stop is lifted.")


async def _stopped(session: AsyncSession, row: Record) -> bool:
    if row.batch_id is not None:
        batch = await batches.lock(session, row.batch_id)
        if batch is not None and await batch_stopped(session, batch):
            return True
    return bool(await stopped_among(session, [row.attempt_id]))


async def _proxy(session: AsyncSession, context: Context, row: Record, said: Redemption) -> UUID:
    offered = proxy_hash(context.resources.number_hash, said.proxy_id_number)
    for proxy in await agents.approved_proxies(session, row.beneficiary_id, context.clock.today()):
        if said.proxy_id_number and same(bytes(proxy.id_number_hash), offered):
            approved: UUID = proxy.id
            return approved
    raise ProxyNotApproved("The payee names a proxy at the commune first; an approver confirms it.")
