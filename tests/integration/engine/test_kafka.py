"""On real Kafka: processes that share the partitions, come and go, and lose or double nothing."""

import asyncio

import orjson
import pytest

from hub.kafka import topics
from hub.kafka.bus import Consumer, Producer
from hub.ledger.tables import dedup

from .town import Shelf, died, listens, until

EVENTS = 400
REPEATED = 20


@pytest.fixture
async def topic(kafka_bootstrap, topic_prefix):
    return (await topics.ensure_topics(kafka_bootstrap, topic_prefix, "city", "ledger")).name


def member(bootstrap, topic, town, **more):
    """Return a process's consumer, wired as app.py does."""
    dispatcher = town.dispatcher([])

    async def handle(records):
        for chunk in await asyncio.to_thread(dispatcher.handle, records):
            town.reader.append(chunk)

    async def positions(partitions):
        return await asyncio.to_thread(dispatcher.assign, partitions)

    return Consumer(bootstrap, topic, f"{topic}.g", handler=handle, positions=positions, max_records=25, **more)


async def publish(bootstrap, topic, events):
    producer = Producer(bootstrap)
    try:
        await producer.publish(topic, [(event["subject"].encode(), orjson.dumps(event)) for event in events])
    finally:
        await producer.stop()


async def test_processes_come_and_go_and_every_event_is_dispatched_and_delivered_once(town_of, kafka_bootstrap, topic):
    town = town_of(listens("kokuho"))
    other = town.again()
    events = [died(number, str(number % 40), n=number) for number in range(EVENTS)]
    first, second = member(kafka_bootstrap, topic, town), member(kafka_bootstrap, topic, other)
    sink = Shelf()
    await first.start()
    try:
        await publish(kafka_bootstrap, topic, events[: EVENTS // 2])
        await second.start()
        await publish(kafka_bootstrap, topic, events[EVENTS // 2 :] + events[:REPEATED])
        await until(lambda: sum(other.log.positions().values()) > EVENTS // 3, limit=30)
        await first.stop()
        await until(lambda: sum(other.log.positions().values()) == EVENTS + REPEATED, limit=30)
        async with other.working(sink):
            await until(lambda: len(sink.taken) >= EVENTS, limit=30)
    finally:
        await first.stop()
        await second.stop()
    seen = dict(other.rows(dedup, "id", "seen"))
    assert {id_: count for id_, count in seen.items() if count > 1} == {str(number): 2 for number in range(REPEATED)}
    assert sorted(map(int, sink.ids)) == list(range(EVENTS))
    last = {}
    for delivery in sink.taken:
        assert last.get(delivery.subject, -1) < int(delivery.event_id)
        last[delivery.subject] = int(delivery.event_id)


async def test_a_receiver_hears_what_another_process_dispatches(town_of, kafka_bootstrap, topic):
    town = town_of(listens("kokuho"))
    other = town.again()
    consumer = member(kafka_bootstrap, topic, other)
    sink = Shelf()
    town.dispatch()
    await consumer.start()
    try:
        async with town.working(sink):
            await publish(kafka_bootstrap, topic, [died(number, str(number)) for number in range(30)])
            await until(lambda: sum(other.log.positions().values()) == 30, limit=30)
            await town.reader.refresh()
            await until(lambda: len(sink.taken) == 30)
    finally:
        await consumer.stop()
    assert town.reader._tails == {}
