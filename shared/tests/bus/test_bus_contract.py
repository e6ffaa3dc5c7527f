"""What every bus promises. The suite runs on Apache Kafka and on the log in PostgreSQL alike."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest

from shared.bus import Delivery, Subscriber

from .conftest import TOPIC, TRACEPARENT, BusUnderTest, event, number_of, take


def by_key(deliveries: list[Delivery]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for delivery in deliveries:
        assert delivery.event is not None
        found[delivery.event.key].append(number_of(delivery))
    return found


async def test_events_of_one_key_arrive_in_the_order_they_were_published(bus: BusUnderTest) -> None:
    publisher = await bus.publisher()
    for start in range(0, 600, 200):
        await publisher.publish([event(f"key-{n % 7}", n) for n in range(start, start + 200)])
    received = by_key(await take(await bus.subscriber(), 600))
    assert received == {f"key-{k}": list(range(k, 600, 7)) for k in range(7)}


async def test_publish_returns_only_when_all_events_can_be_read(bus: BusUnderTest) -> None:
    publisher = await bus.publisher()
    subscriber = await bus.subscriber()
    for round_ in range(5):
        sent = [event(f"k{n}", n) for n in range(50)]
        await publisher.publish(sent)
        received = await take(subscriber, 50, deadline_s=10)
        assert {d.event.id for d in received if d.event} == {e.id for e in sent}, round_


async def test_publishing_nothing_is_allowed(bus: BusUnderTest) -> None:
    await (await bus.publisher()).publish([])


async def test_twenty_thousand_events_in_one_call_arrive_once_each(bus: BusUnderTest) -> None:
    publisher = await bus.publisher()
    await publisher.publish([event(f"key-{n % 997}", n) for n in range(20_000)])
    received = await take(await bus.subscriber(), 20_000)
    assert sorted(number_of(delivery) for delivery in received) == list(range(20_000))


async def test_the_event_and_its_trace_survive_the_way(bus: BusUnderTest) -> None:
    publisher = await bus.publisher()
    sent = [event("ភូមិ", 1, traceparent=TRACEPARENT), event("k", 2)]
    await publisher.publish(sent)
    received = {d.event.id: d for d in await take(await bus.subscriber(), 2) if d.event}
    for original in sent:
        delivery = received[original.id]
        assert delivery.event == original
        key, value, headers = original.to_kafka()
        assert (delivery.raw_key, delivery.raw_value, list(delivery.raw_headers)) == (key, value, headers)
        assert delivery.topic == TOPIC


async def test_what_was_not_committed_is_delivered_again_to_a_successor(bus: BusUnderTest) -> None:
    publisher = await bus.publisher()
    await publisher.publish([event(f"k{n}", n) for n in range(40)])
    first = await bus.subscriber()
    assert len(await take(first, 40, commit=False)) == 40
    await first.stop()
    assert len(await take(await bus.subscriber(), 40)) == 40


async def test_a_successor_goes_on_after_what_was_committed(bus: BusUnderTest) -> None:
    publisher = await bus.publisher()
    first = await bus.subscriber()
    await publisher.publish([event(f"k{n}", n) for n in range(40)])
    await take(first, 40)
    await first.stop()
    await publisher.publish([event(f"k{n}", 100 + n) for n in range(10)])
    received = await take(await bus.subscriber(), 10)
    assert sorted(number_of(delivery) for delivery in received) == list(range(100, 110))


async def test_rewind_delivers_again_what_was_polled_since_the_last_commit(bus: BusUnderTest) -> None:
    publisher = await bus.publisher()
    subscriber = await bus.subscriber()
    await publisher.publish([event("k", n) for n in range(5)])
    await take(subscriber, 5)
    await publisher.publish([event("k", n) for n in range(5, 10)])
    assert [number_of(d) for d in await take(subscriber, 5, commit=False)] == [5, 6, 7, 8, 9]
    await subscriber.rewind()
    assert [number_of(d) for d in await take(subscriber, 5)] == [5, 6, 7, 8, 9]


async def test_a_topic_can_be_read_again_from_its_beginning(bus: BusUnderTest) -> None:
    publisher = await bus.publisher()
    subscriber = await bus.subscriber()
    await publisher.publish([event(f"k{n}", n) for n in range(30)])
    await take(subscriber, 30)
    await subscriber.seek_to_beginning([TOPIC])
    assert await subscriber.lag() == 30
    assert sorted(number_of(d) for d in await take(subscriber, 30)) == list(range(30))
    assert await subscriber.lag() == 0


async def test_lag_counts_what_is_not_committed(bus: BusUnderTest) -> None:
    publisher = await bus.publisher()
    subscriber = await bus.subscriber()
    await publisher.publish([event(f"k{n}", n) for n in range(25)])
    polled = await take(subscriber, 25, commit=False)
    assert await subscriber.lag() == 25
    await subscriber.commit(polled)
    assert await subscriber.lag() == 0


async def test_groups_receive_everything_each(bus: BusUnderTest) -> None:
    publisher = await bus.publisher()
    await publisher.publish([event(f"k{n}", n) for n in range(20)])
    for group in ("eligibility", "insights"):
        assert len(await take(await bus.subscriber(group), 20)) == 20


async def test_an_empty_poll_returns_within_its_timeout(bus: BusUnderTest) -> None:
    subscriber = await bus.subscriber()
    assert await asyncio.wait_for(subscriber.poll(100, 0.2), 5) == []


async def test_a_poll_never_returns_more_than_asked(bus: BusUnderTest) -> None:
    publisher = await bus.publisher()
    await publisher.publish([event(f"k{n}", n) for n in range(100)])
    subscriber = await bus.subscriber()
    sizes = []
    while sum(sizes) < 100:
        deliveries = await subscriber.poll(7, 2.0)
        await subscriber.commit(deliveries)
        sizes.append(len(deliveries))
    assert max(sizes) <= 7
    assert sum(sizes) == 100


async def collect(subscriber: Subscriber, into: list[Delivery], stop: asyncio.Event) -> None:
    while not stop.is_set():
        deliveries = await subscriber.poll(50, 0.2)
        into += deliveries
        await subscriber.commit(deliveries)


async def until(condition: object, what: str, deadline_s: float = 30) -> None:
    assert callable(condition)
    end = asyncio.get_running_loop().time() + deadline_s
    while not condition():
        assert asyncio.get_running_loop().time() < end, what
        await asyncio.sleep(0.02)


async def test_two_members_share_the_partitions_and_one_takes_over_when_the_other_leaves(bus: BusUnderTest) -> None:
    publisher = await bus.publisher()
    one, two = await asyncio.gather(bus.subscriber(), bus.subscriber())
    got: dict[str, list[Delivery]] = {"one": [], "two": []}
    stop_one, stop_two = asyncio.Event(), asyncio.Event()
    tasks = [
        asyncio.create_task(collect(one, got["one"], stop_one)),
        asyncio.create_task(collect(two, got["two"], stop_two)),
    ]
    sent = 0

    async def publish_until(condition: object, what: str) -> None:
        nonlocal sent
        assert callable(condition)
        end = asyncio.get_running_loop().time() + 30
        while not condition():
            assert asyncio.get_running_loop().time() < end, what
            await publisher.publish([event(f"k{n % 50}", n) for n in range(sent, sent + 100)])
            sent += 100
            await asyncio.sleep(0.05)

    await publish_until(lambda: got["one"] and got["two"], "both members receive events")
    await until(lambda: len(_ids(got)) == sent, "all events arrive while two members share")
    shared_partitions = {d.partition for d in got["one"][-50:]} & {d.partition for d in got["two"][-50:]}
    assert not shared_partitions
    stop_one.set()
    await tasks[0]
    await one.stop()
    seen = len(got["two"])
    await publish_until(
        lambda: {d.partition for d in got["two"][seen:]} == set(range(bus.bus_partitions)), "the other takes over"
    )
    await until(lambda: len(_ids(got)) == sent, "all events arrive after one member left")
    stop_two.set()
    await tasks[1]
    for member in ("one", "two"):
        for numbers in by_key(_first_times(got[member])).values():
            assert numbers == sorted(numbers)


def _ids(got: dict[str, list[Delivery]]) -> set[object]:
    return {d.event.id for received in got.values() for d in received if d.event}


def _first_times(received: list[Delivery]) -> list[Delivery]:
    first = {d.event.id: d for d in reversed(received) if d.event}
    return sorted(first.values(), key=lambda d: (d.partition, d.offset))


MALFORMED = {
    "no headers": (b"k", b"{}", [], "ce_specversion is missing"),
    "no key": (None, b"{}", [("ce_specversion", b"1.0")], "the message has no key"),
    "a tombstone": (b"k", None, [("ce_specversion", b"1.0")], "the message has no value"),
    "bytes that are not text": (b"k", b"{}", [("ce_specversion", b"\xff")], "ce_specversion is not UTF-8"),
}


@pytest.mark.parametrize("case", MALFORMED)
async def test_a_malformed_message_is_delivered_as_such_and_the_next_one_arrives(bus: BusUnderTest, case: str) -> None:
    key, value, headers, reason = MALFORMED[case]
    await bus.inject(key, value, headers)
    good = event("k", 1)
    raw_key, raw_value, raw_headers = good.to_kafka()
    await bus.inject(raw_key, raw_value, raw_headers)
    bad, after = await take(await bus.subscriber(), 2)
    assert (bad.event, bad.malformed) == (None, reason)
    assert (bad.raw_key, bad.raw_value) == (key, value)
    assert after.event == good


async def test_a_commit_of_what_now_belongs_to_nobody_is_left_out(bus: BusUnderTest) -> None:
    publisher = await bus.publisher()
    await publisher.publish([event(f"k{n}", n) for n in range(10)])
    first = await bus.subscriber()
    polled = await take(first, 10, commit=False)
    second = await bus.subscriber()
    await first.stop()
    await second.commit(polled)  # never polled by `second`: must not move the group's offsets
    assert len(await take(second, 10)) == 10


async def test_a_batch_can_be_committed_after_the_next_one_was_polled(bus: BusUnderTest) -> None:
    publisher = await bus.publisher()
    await publisher.publish([event("k", n) for n in range(10)])
    subscriber = await bus.subscriber()
    first = await subscriber.poll(6, 10)
    second = await subscriber.poll(6, 10)
    waiting = asyncio.ensure_future(subscriber.poll(6, 1.0))
    await subscriber.commit(first)
    assert await waiting == []
    await subscriber.stop()
    again = await take(await bus.subscriber(), len(second))
    assert [number_of(delivery) for delivery in again] == [number_of(delivery) for delivery in second]
