"""The embedded broker keeps what it acknowledged, through a kill, on the same address."""

from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from shared.embedded.kafka import EmbeddedKafka, _write_properties

usable, reason = EmbeddedKafka.available()


@pytest.mark.kafka
@pytest.mark.skipif(not usable, reason=reason)
async def test_acknowledged_events_survive_a_killed_broker(tmp_path: Path) -> None:
    kafka = EmbeddedKafka(tmp_path / "with space" / "kafka")
    try:
        kafka.start()
        await _create_topic(kafka.bootstrap)
        await _produce(kafka.bootstrap, [b"1", b"2", b"3"])
        address = kafka.bootstrap
        kafka.kill()
        kafka.restart()
        assert kafka.bootstrap == address
        assert await _consume(kafka.bootstrap, 3) == [b"1", b"2", b"3"]
        with pytest.raises(KafkaError):
            await _produce(kafka.bootstrap, [b"x"], topic="nobody.made.this")
    finally:
        kafka.destroy()


async def _create_topic(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("facts", 1, 1)])
    await admin.close()


async def _produce(bootstrap: str, values: list[bytes], topic: str = "facts") -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, request_timeout_ms=2000)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def _consume(bootstrap: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition("facts", 0)])
        return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


def test_properties_survive_spaces_backslashes_and_khmer(tmp_path: Path) -> None:
    _write_properties(tmp_path / "p", {"log.dirs": "/a b/ភ\\x"})
    assert (tmp_path / "p").read_text() == "log.dirs=/a b/\\u1797\\\\x\n"
