"""Topics of systems, read by the `kafka` source from a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.structs import TopicPartition

from hub.adapters import registry
from hub.adapters.contract import Site
from hub.errors import Transient
from hub.kafka.producer import Producer
from hub.kafka.reading import TopicReader
from hub.kafka.topics import create_topic


@pytest.fixture
async def topic(kafka_bootstrap: str, topic_prefix: str) -> str:
    await create_topic(kafka_bootstrap, topic_prefix, partitions=3)
    return topic_prefix


@pytest.fixture
def opened(kafka_bootstrap: str, topic: str, tmp_path: Path) -> Callable[..., Any]:
    def open_it(**options: Any) -> Any:
        place = Site(tmp_path, ZoneInfo("Asia/Tokyo"), "juki", "main", topics=TopicReader(lambda: kafka_bootstrap))
        return registry.open_source("kafka", {"topic": topic, **options}, place)

    return open_it


def read(source: Any, after: dict[str, Any] | None = None) -> tuple[list[Any], dict[str, Any] | None]:
    found, position = [], after
    for batch in source.read(after):
        position = orjson.loads(orjson.dumps(batch.position))
        found += [row.values["no"] for row in batch.rows]
    return found, position


async def publish(bootstrap: str, topic: str, numbers: range) -> None:
    producer = Producer(bootstrap)
    await producer.publish(topic, [(str(no % 7).encode(), orjson.dumps({"no": no, "key": no % 7})) for no in numbers])
    await producer.stop()


async def test_every_partition_is_read_in_its_order_and_resumed(kafka_bootstrap: str, topic: str, opened: Any) -> None:
    await publish(kafka_bootstrap, topic, range(100))
    found, position = await asyncio.to_thread(read, opened())
    assert sorted(found) == list(range(100))
    for key in range(7):
        assert [no for no in found if no % 7 == key] == list(range(key, 100, 7))
    assert await asyncio.to_thread(read, opened(), position) == ([], position)
    await publish(kafka_bootstrap, topic, range(100, 110))
    found, _ = await asyncio.to_thread(read, opened(), position)
    assert sorted(found) == list(range(100, 110))


async def test_what_was_taken_back_is_not_read(kafka_bootstrap: str, topic: str, opened: Any) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, transactional_id=topic)
    await producer.start()
    for number, fails in enumerate((False, True, False, True)):
        await producer.begin_transaction()
        await producer.send_and_wait(topic, orjson.dumps({"no": number}), partition=0)
        await (producer.abort_transaction() if fails else producer.commit_transaction())
    await producer.begin_transaction()  # and one that nobody has ended
    await producer.send_and_wait(topic, orjson.dumps({"no": 9}), partition=0)
    found, position = await asyncio.wait_for(asyncio.to_thread(read, opened()), 30)
    assert found == [0, 2]
    await producer.commit_transaction()
    await producer.stop()
    found, _ = await asyncio.wait_for(asyncio.to_thread(read, opened(), position), 30)
    assert found == [9]


async def test_records_that_were_deleted_unread_stop_the_source(kafka_bootstrap: str, topic: str, opened: Any) -> None:
    await publish(kafka_bootstrap, topic, range(50))
    _, position = await asyncio.to_thread(read, opened())
    await publish(kafka_bootstrap, topic, range(50, 100))
    place = TopicPartition(topic, 0)
    upto = (await asyncio.to_thread(TopicReader(lambda: kafka_bootstrap).bounds, topic))[0][1]
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.delete_records({place: RecordsToDelete(before_offset=upto)})
    await admin.close()
    with pytest.raises(Transient) as error:
        await asyncio.to_thread(read, opened(), position)
    assert error.value.code == "position"
    found, _ = await asyncio.to_thread(read, opened(gaps="continue"), position)
    assert found
    assert min(found) >= 50


async def test_it_may_begin_with_what_comes(kafka_bootstrap: str, topic: str, opened: Any) -> None:
    await publish(kafka_bootstrap, topic, range(5))
    found, position = await asyncio.to_thread(read, opened(begin="latest"))
    assert found == []
    await publish(kafka_bootstrap, topic, range(5, 8))
    found, _ = await asyncio.to_thread(read, opened(begin="latest"), position)
    assert sorted(found) == [5, 6, 7]


async def test_a_topic_that_is_not_there(opened: Any) -> None:
    with pytest.raises(Transient) as error:
        await asyncio.to_thread(read, opened(topic="nowhere"))
    assert error.value.code == "topic"


async def test_a_tombstone_is_quarantined_unless_it_is_to_be_skipped(
    kafka_bootstrap: str, topic: str, opened: Any
) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap)
    await producer.start()
    await producer.send_and_wait(topic, None, key=b"k")
    await producer.stop()
    (batch,) = await asyncio.to_thread(lambda: list(opened().read(None)))
    assert batch.rows[0].error.code == "json-object"
    assert (await asyncio.to_thread(read, opened(tombstones="skip")))[0] == []
