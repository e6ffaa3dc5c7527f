"""The bus while the other side is away: publications fail cleanly and in time, receivers wait, both come back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from shared.bus import PublishFailed
from shared.bus.postgres_log import connection, trim_log
from shared.bus.reachability import Reachability
from shared.embedded.kafka import EmbeddedKafka
from shared.embedded.postgres import EmbeddedPostgres
from shared.testing import wait_for

from .conftest import TOPIC, BusUnderTest, event, number_of, take


@pytest.fixture(params=[pytest.param("kafka", marks=pytest.mark.kafka), "postgres"])
async def outage(request: pytest.FixtureRequest, tmp_path: Path):  # type: ignore[no-untyped-def]
    """A bus of its own, whose server the test may kill and start again."""
    await asyncio.to_thread(tmp_path.chmod, 0o711)
    server: EmbeddedKafka | EmbeddedPostgres
    if request.param == "kafka":
        usable, reason = EmbeddedKafka.available()
        if not usable:
            pytest.skip(f"no Kafka: {reason}")
        server = EmbeddedKafka(tmp_path / "kafka")
        await asyncio.to_thread(server.start)
        bus = BusUnderTest("kafka", kafka_bootstrap_servers=server.bootstrap)
    else:
        server = EmbeddedPostgres(tmp_path / "postgres", durable=True)
        await asyncio.to_thread(server.start)
        bus = BusUnderTest("postgres", bus_database_url=SecretStr(server.provision([])["bus"]))
    yield bus, server
    for opened in bus.opened:
        await opened.stop()
    await asyncio.to_thread(server.destroy)


async def test_both_ends_survive_a_killed_server_and_nothing_acknowledged_is_lost(
    outage: tuple[BusUnderTest, EmbeddedKafka | EmbeddedPostgres],
) -> None:
    bus, server = outage
    publisher = await bus.publisher()
    subscriber = await bus.subscriber()
    await publisher.publish([event("k", n) for n in range(100)])
    assert [number_of(d) for d in await take(subscriber, 100)] == list(range(100))
    await publisher.publish([event("k", n) for n in range(100, 200)])
    await asyncio.to_thread(server.kill)
    received = await asyncio.wait_for(subscriber.poll(1000, 0.1), 15)
    lost = asyncio.ensure_future(publisher.publish([event("k", 200)]))
    await asyncio.to_thread(server.restart)
    try:
        await lost  # the client may have outwaited the restart
    except PublishFailed:
        await wait_for(lambda: _published(publisher.publish, 200), 60, "publishing works again")
    received += await take(subscriber, 101 - len({number_of(delivery) for delivery in received}), deadline_s=60)
    first = list(dict.fromkeys(number_of(delivery) for delivery in received))
    assert [number for number in first if number >= 100] == list(range(100, 201))


async def _published(publish: Callable[..., object], number: int) -> bool:
    try:
        await publish([event("k", number)])  # type: ignore[misc]
    except PublishFailed:
        return False
    return True


async def test_old_events_are_trimmed_and_the_rest_stays(bus: BusUnderTest) -> None:
    if bus.bus == "kafka":
        pytest.skip("Apache Kafka trims by itself")
    publisher = await bus.publisher()
    await publisher.publish([event("k", n) for n in range(10)])
    subscriber = await bus.subscriber()
    await take(subscriber, 3, commit=False)
    async with connection(bus) as opened:
        await opened.execute(
            "UPDATE bus_log SET created_at = created_at - interval '20 days' WHERE topic = $1 AND log_offset < 6",
            bus.topic_prefix + TOPIC,
        )
    assert await trim_log(bus) == 6
    await publisher.publish([event("k", 10)])
    received = await take(await bus.subscriber("late"), 5)
    assert [number_of(delivery) for delivery in received] == [6, 7, 8, 9, 10]


async def test_a_client_whose_background_task_died_is_replaced_and_nothing_is_lost(bus: BusUnderTest) -> None:
    if bus.bus != "kafka":
        pytest.skip("what only the Kafka client has")
    publisher = await bus.publisher()
    subscriber = await bus.subscriber()
    await publisher.publish([event("k", n) for n in range(10)])
    await take(subscriber, 10)
    await publisher.publish([event("k", n) for n in range(10, 20)])
    await take(subscriber, 10, commit=False)
    client = subscriber._consumer  # type: ignore[attr-defined]

    async def write_to_a_closed_transport() -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    client._coordinator._do_heartbeat = write_to_a_closed_transport
    received = await take(subscriber, 10, deadline_s=60)
    assert [number_of(delivery) for delivery in received] == list(range(10, 20))
    assert client._closed


def test_an_outage_is_told_once_and_so_is_its_end() -> None:
    state = Reachability("broker")
    with capture_logs() as logs:
        for error in ("refused", "refused", "reset"):
            state.lost(error)
        state.back()
        state.back()
    assert [entry["event"] for entry in logs] == ["bus unreachable, retrying", "bus reachable again"]
