"""At-least-once delivery, once-only effects (law 4); poison is set aside and the rest goes on (fault 25)."""

from dataclasses import replace

from sqlalchemy import func, select

from shared.bus.port import Delivery
from shared.consumer import Consumer
from shared.ids import uuid7
from shared.tables import inbox_consumed, parked_event
from shared.tests.probe.service import dissolved, seen


async def rows(probe):
    async with probe.database.session() as session:
        return {row.household_id: row for row in await session.execute(select(seen))}


async def parked(probe):
    async with probe.database.session() as session:
        return (await session.execute(select(parked_event).order_by(parked_event.c.id))).all()


async def consumed(probe) -> int:
    async with probe.database.session() as session:
        return await session.scalar(select(func.sum(inbox_consumed.c.count))) or 0


async def test_a_redelivered_event_has_no_second_effect(probe):
    delivery = probe.delivery(dissolved(uuid7()))
    await probe.apply([delivery])
    await probe.apply([delivery, delivery])
    assert len(await rows(probe)) == 1
    assert await consumed(probe) == 1


async def test_an_older_version_does_not_overwrite_a_newer_one(probe):
    household = uuid7()
    await probe.deliver(dissolved(household, 3, "emigrated"))
    await probe.deliver(dissolved(household, 2, "split"))
    assert (await rows(probe))[household].cause == "emigrated"


async def test_the_newest_of_a_batch_wins_whatever_its_place(probe):
    household = uuid7()
    await probe.deliver(*(dissolved(household, version, cause) for version, cause in [(2, "split"), (1, "error")]))
    assert (await rows(probe))[household].version == 2


async def test_one_poison_event_is_parked_and_the_others_go_on(probe):
    good = [dissolved(uuid7()) for _ in range(20)]
    bad = dissolved(uuid7(), cause="merged")
    await probe.deliver(*good[:9], bad, *good[9:], allow_parked=True)
    assert set(await rows(probe)) == {event.household_id for event in good}
    assert [row.key for row in await parked(probe)] == [bad.key]
    assert await consumed(probe) == 21


async def test_what_follows_a_parked_event_on_its_key_waits_behind_it(probe):
    household = uuid7()
    await probe.deliver(dissolved(household, 1, "merged"), dissolved(household, 2), allow_parked=True)
    await probe.deliver(dissolved(household, 3), dissolved(uuid7()), allow_parked=True)
    assert household not in await rows(probe)
    assert [row.follows_parked for row in await parked(probe)] == [0, 1, 1]


async def test_the_reason_of_a_parked_event_tells_no_identity_number(probe):
    await probe.deliver(dissolved(uuid7(), cause="merged"), allow_parked=True)
    reason = (await parked(probe))[0].reason
    assert "ValueError" in reason
    assert "123456789" not in reason


async def test_a_message_that_is_no_event_is_parked(probe):
    broken = Delivery(None, "no ce_id header", "registry.households", 0, 7, b"k", b"\x00\xff", (("x", b"y"),))
    good = dissolved(uuid7())
    await probe.apply([broken, probe.delivery(good)])
    assert [row.offset for row in await parked(probe)] == [7]
    assert set(await rows(probe)) == {good.household_id}


async def test_a_payload_outside_its_contract_is_parked_without_its_values(probe):
    delivery = probe.delivery(dissolved(uuid7()))
    wrong = replace(delivery, event=replace(delivery.event, data=b'{"household_id": "Sok Dara"}'))
    await probe.apply([wrong])
    reason = (await parked(probe))[0].reason
    assert "household_id" in reason
    assert "Dara" not in reason


async def test_parked_events_are_handled_again_in_order(probe):
    household = uuid7()
    await probe.deliver(dissolved(household, 1, "merged"), dissolved(household, 2, "split"), allow_parked=True)
    handled, remaining = await Consumer(probe.context, None).replay_parked()
    assert (handled, remaining) == (0, 2)
    # The handler is mended: here, by changing what the event says.
    async with probe.database.session() as session:
        first = (await parked(probe))[0]
        mended = bytes(first.value).replace(b"merged", b"error")
        await session.execute(parked_event.update().where(parked_event.c.id == first.id).values(value=mended))
    handled, remaining = await Consumer(probe.context, None).replay_parked()
    assert (handled, remaining) == (2, 0)
    assert (await rows(probe))[household].cause == "split"


async def test_a_value_that_does_not_fit_its_column_is_poison_not_a_lost_connection(probe):
    """asyncpg raises the same kind of error for both; taking it for a lost connection would wait for ever."""
    good = dissolved(uuid7())
    await probe.deliver(dissolved(uuid7(), 99, "emigrated"), good, allow_parked=True)
    assert len(await parked(probe)) == 1
    assert set(await rows(probe)) == {good.household_id}
