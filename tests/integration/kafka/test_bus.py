import asyncio
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import OutOfOrderSequenceNumber

from hub.errors import BrokerUnavailable, Fenced, LedgerUnavailable, Malformed
from hub.kafka import consumer as consumer_module
from hub.kafka import topics
from hub.kafka.bus import Consumer, PositionLost, Producer, partition_of
from hub.kafka.producer import Unanswered
from tests.integration.kafka.until import until

HEADERS = [("content-type", b"application/cloudevents+json; charset=UTF-8")]


class Ledger:
    """Positions and values as a dispatcher would keep them; `faults` are raised by the next calls."""

    def __init__(self):
        self.next = {}
        self.values = []
        self.faults = []
        self.away = False
        self.away_from = None  # as soon as that many values are in
        self.asked = 0

    async def positions(self, partitions):
        self.asked += 1
        if self.away:
            raise LedgerUnavailable("the database is away")
        return {partition: self.next[partition] for partition in partitions if partition in self.next}

    async def handle(self, records):
        if self.faults:
            raise self.faults.pop(0)
        self.away = self.away or (self.away_from is not None and len(self.values) >= self.away_from)
        if self.away:
            raise LedgerUnavailable("the database is away")
        for record in records:
            assert record.offset == self.next.get(record.partition, 0), "lost or repeated"
            self.next[record.partition] = record.offset + 1
            self.values.append(record.value)


@pytest.fixture
async def topic(kafka_bootstrap, topic_prefix):
    return (await topics.ensure_topics(kafka_bootstrap, topic_prefix, "city", "ledger")).name


@pytest.fixture
async def producer(kafka_bootstrap):
    producer = Producer(kafka_bootstrap)
    yield producer
    await producer.stop()


def member(bootstrap, topic, ledger, **more):
    return Consumer(bootstrap, topic, f"{topic}.g", handler=ledger.handle, positions=ledger.positions, **more)


def numbered(count, start=0):
    return [(b"%d" % (number % 97), b"%06d" % number) for number in range(start, start + count)]


async def test_each_record_lies_where_publish_says_in_order_per_key(kafka_bootstrap, topic, producer):
    records = [(key, value + bytes(2000)) for key, value in numbered(1000)]  # several batches a partition
    places = await producer.publish(topic, records, HEADERS)
    places += await producer.publish(topic, numbered(500, 1000), HEADERS)
    assert len(set(places)) == 1500
    read = {}

    async def handler(polled):
        read.update({(record.partition, record.offset): record for record in polled})

    async def positions(partitions):
        return {}

    consumer = Consumer(kafka_bootstrap, topic, "reader", handler=handler, positions=positions)
    await consumer.start()
    await until(lambda: len(read) == 1500)
    await consumer.stop()
    assert [read[place].value[:6] for place in places] == [b"%06d" % number for number in range(1500)]
    assert read[places[0]].headers == tuple(HEADERS)
    for key in {record.key for record in read.values()}:
        mine = [place for place, record in read.items() if record.key == key]
        assert [read[place].value for place in sorted(mine)] == sorted(read[place].value for place in mine)


@pytest.mark.parametrize("partitions", [1, 6, 50])
async def test_a_key_goes_where_kafkas_default_partitioner_sends_it(kafka_bootstrap, topic_prefix, partitions):
    """The golden numbers are murmur2 of Kafka's own Utils.murmur2, from its UtilsTest."""
    golden = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }
    for key, number in golden.items():
        assert partition_of(key, partitions) == (number & 0x7FFFFFFF) % partitions
    client = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap)
    await client.start()
    ours = Producer(kafka_bootstrap)
    topic = f"{topic_prefix}.p"
    await topics.create_topic(kafka_bootstrap, topic, partitions=partitions)
    for key in (b"1000001", "守口".encode(), *golden):
        theirs = await client.send_and_wait(topic, b"x", key=key)
        assert (await ours.publish_one(topic, key, b"x"))[0] == theirs.partition
    await client.stop()
    await ours.stop()


async def test_publish_fails_in_time_when_kafka_is_away_and_when_a_topic_is_missing(kafka_bootstrap, topic_prefix):
    away = Producer("127.0.0.1:1", limit=1.0)
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1") as caught:
        await away.publish("hub.events", numbered(1))
    assert not isinstance(caught.value, Unanswered)  # certainly nowhere
    missing = Producer(kafka_bootstrap, limit=2.0)
    with pytest.raises(BrokerUnavailable) as caught:
        await missing.publish(f"{topic_prefix}.missing", numbered(1))
    assert not isinstance(caught.value, Unanswered)
    await missing.stop()


async def test_a_record_too_large_for_the_topic_is_malformed_and_the_producer_goes_on(topic, producer):
    with pytest.raises(Malformed) as caught:
        await producer.publish(topic, [(b"1", bytes(1100 * 1024))])
    assert caught.value.code == "too-large"
    await producer.publish(topic, numbered(1))


async def test_a_producer_stuck_on_its_sequence_is_built_anew(topic, producer):
    await producer.publish(topic, numbered(1))
    stuck = producer._producer
    stuck._message_accumulator.fail_all(OutOfOrderSequenceNumber())
    with pytest.raises(Unanswered):
        await producer.publish(topic, numbered(1, 1))
    assert len(await producer.publish(topic, numbered(2, 2))) == 2
    assert producer._producer is not stuck


async def test_a_consumer_begins_where_the_ledger_stands_whatever_the_group_committed(kafka_bootstrap, topic, producer):
    ledger = Ledger()
    await producer.publish(topic, numbered(300))
    first = member(kafka_bootstrap, topic, ledger)
    await first.start()
    await until(lambda: len(ledger.values) == 300)
    await first.stop()
    committed = await topics.tail_positions(kafka_bootstrap, f"{topic}.g", topic)
    assert sum(committed.values()) == 300

    ledger.next = {partition: offset // 2 for partition, offset in ledger.next.items()}  # as restored from a backup
    behind = 300 - sum(ledger.next.values())
    ledger.values.clear()
    second = member(kafka_bootstrap, topic, ledger)
    await second.start()
    await until(lambda: len(ledger.values) == behind)
    await second.stop()

    ends = await topics.end_offsets(kafka_bootstrap, topic)
    assert ledger.next == {partition: end for partition, end in ends.items() if end}


async def test_a_fault_pauses_and_loses_nothing(kafka_bootstrap, topic, producer):
    ledger = Ledger()
    ledger.away_from = 100
    consumer = member(kafka_bootstrap, topic, ledger, max_records=50)
    await consumer.start()
    await producer.publish(topic, numbered(500))
    await until(lambda: consumer.state.waiting_since)
    await producer.publish(topic, numbered(500, 500))
    await until(lambda: ledger.asked > 3)
    assert "away" in consumer.state.why
    assert consumer.state.next == {}
    assert consumer._consumer.paused() == consumer._consumer.assignment() != set()
    assert 100 <= len(ledger.values) < 500
    ledger.away, ledger.away_from = False, None
    await until(lambda: len(ledger.values) == 1000)
    await until(lambda: not consumer.state.waiting_since)
    assert sorted(ledger.values) == [value for _, value in numbered(1000)]
    await consumer.stop()


@pytest.mark.parametrize("fault", [Fenced("taken over"), LedgerUnavailable("away"), ZeroDivisionError("a fault")])
async def test_a_batch_that_fails_once_comes_again(kafka_bootstrap, topic, producer, fault):
    ledger = Ledger()
    ledger.faults = [fault]
    consumer = member(kafka_bootstrap, topic, ledger)
    await consumer.start()
    await producer.publish(topic, numbered(200))
    await until(lambda: len(ledger.values) == 200)
    await consumer.stop()
    assert not ledger.faults
    assert sorted(ledger.values) == [value for _, value in numbered(200)]


async def test_members_share_partitions_and_take_over_while_the_ledger_is_away(kafka_bootstrap, topic, producer):
    ledger = Ledger()
    revoked, assigned = [], []

    async def note_revoked(partitions):
        revoked.append(partitions)

    async def note_assigned(partitions):
        assigned.append(partitions)

    one = member(kafka_bootstrap, topic, ledger, on_revoked=note_revoked, on_assigned=note_assigned)
    two = member(kafka_bootstrap, topic, ledger)
    await one.start()
    await producer.publish(topic, numbered(200))
    await until(lambda: len(ledger.values) == 200)
    ledger.away = True
    await producer.publish(topic, numbered(200, 200))
    await until(lambda: one.state.waiting_since)
    await two.start()
    await until(lambda: len(one.state.assigned) == 3 and len(two.state.assigned) == 3)
    assert revoked[-1] == [0, 1, 2, 3, 4, 5]
    assert len(assigned[-1]) == 3
    await two.stop()
    await until(lambda: len(one.state.assigned) == 6)
    ledger.away = False
    await until(lambda: len(ledger.values) == 400)
    await one.stop()


async def test_a_position_outside_the_log_stops_the_consumer_and_says_so(kafka_bootstrap, topic, producer):
    ledger = Ledger()
    ledger.next = {0: 1_000_000}
    lost = []
    await producer.publish(topic, numbered(100))
    consumer = member(kafka_bootstrap, topic, ledger, on_lost=lost.append)
    await consumer.start()
    await until(lambda: lost)
    assert isinstance(lost[0], PositionLost)
    assert "1000000" in str(lost[0])
    assert consumer.state.lost
    assert ledger.values == []
    await consumer.stop()


async def test_a_poll_from_before_a_seek_is_dropped(kafka_bootstrap, topic, producer):
    ledger = Ledger()
    polls = []

    async def handler(records):
        polls.append(records)
        await ledger.handle(records)

    consumer = Consumer(kafka_bootstrap, topic, f"{topic}.g", handler=handler, positions=ledger.positions)
    await consumer.start()
    places = await producer.publish(topic, [(b"1", b"%d" % number) for number in range(10)])
    await until(lambda: len(ledger.values) == 10)
    record = polls[0][0]
    polls.clear()
    behind = [replace(record, offset=places[number][1]) for number in range(10)]
    ahead = [replace(record, offset=offset) for offset in (50, 51)]
    foreign = [replace(record, partition=partition_of(b"1", 6) + 100)]
    for stale in (behind, ahead, foreign):
        await consumer._take(tuple(stale))
    assert polls == []
    await producer.publish_one(topic, b"1", b"next")
    await until(lambda: ledger.values[-1] == b"next")
    await consumer.stop()


async def one_by_one(producer, topic, records):
    for record in records:
        await producer.publish(topic, [record])
        await asyncio.sleep(0.002)


@pytest.mark.parametrize(("crowded", "apart"), [(False, consumer_module.GATHER), (True, consumer_module.CROWD)])
async def test_few_records_that_follow_each_other_are_handed_on_together(
    kafka_bootstrap, topic, producer, crowded, apart
):
    ledger, polls, at = Ledger(), [], []

    async def handle(records):
        polls.append(len(records))
        at.append(time.monotonic())
        await ledger.handle(records)

    ledger.next = dict.fromkeys(range(6), 0)
    consumer = Consumer(
        kafka_bootstrap,
        topic,
        f"{topic}.g",
        handler=handle,
        positions=ledger.positions,
        crowded=lambda: crowded,
    )
    await consumer.start()
    try:
        await until(lambda: not consumer.state.waiting_since and consumer.state.next)
        for record in numbered(200):
            await producer.publish(topic, [record])
        await until(lambda: len(ledger.values) == 200)
    finally:
        await consumer.stop()
    assert sorted(ledger.values) == [value for _, value in numbered(200)]
    assert len(polls) < 150  # each alone would be as many as records
    assert all(later - one >= apart for one, later in pairwise(at))


async def test_nothing_is_lost_or_repeated_when_places_change_while_a_poll_is_gathered(
    kafka_bootstrap, topic, producer
):
    ledger, wrong = Ledger(), []

    async def handle(records):
        try:
            await ledger.handle(records)
        except AssertionError as error:  # the consumer would read it all again
            wrong.append(error)
            raise

    ledger.next = dict.fromkeys(range(6), 0)
    consumer = Consumer(kafka_bootstrap, topic, f"{topic}.g", handler=handle, positions=ledger.positions)
    await consumer.start()
    try:
        await until(lambda: not consumer.state.waiting_since and consumer.state.next)
        publishing = asyncio.create_task(one_by_one(producer, topic, numbered(600)))
        while not publishing.done():
            await asyncio.sleep(0.04)
            consumer._restart(consumer._epoch, "for the test")
        await until(lambda: len(ledger.values) == 600)
    finally:
        await consumer.stop()
    assert not wrong
    assert sorted(ledger.values) == [value for _, value in numbered(600)]


async def test_a_subscriber_that_acknowledges_by_itself_is_refused(kafka_bootstrap, topic):
    consumer = member(kafka_bootstrap, topic, Ledger())
    consumer._broker.subscriber(topic, batch=True)
    with pytest.raises(RuntimeError, match="ack policy"):
        await consumer.start()


async def test_stop_is_quick_and_the_next_member_gets_the_partitions_at_once(kafka_bootstrap, topic, producer):
    ledger = Ledger()
    one = member(kafka_bootstrap, topic, ledger, session_timeout=30.0)
    await one.start()
    await until(lambda: one.state.next)
    async with asyncio.timeout(5):
        await one.stop()
    two = member(kafka_bootstrap, topic, ledger, session_timeout=30.0)
    await two.start()
    await until(lambda: len(two.state.next) == 6, limit=10)  # far below the session's time-out: the first one left
    await two.stop()


async def test_a_consumer_needs_a_broker():
    consumer = member("127.0.0.1:1", "hub.events", Ledger())
    with pytest.raises(BrokerUnavailable):
        await consumer.start()


async def test_hundreds_of_calls_at_once_share_batches_and_all_succeed(kafka_bootstrap, topic, producer):
    await producer.start()
    before = [offset for _, offset in sorted((await topics.end_offsets(kafka_bootstrap, topic)).items())]
    calls = [producer.publish_one(topic, key, value) for key, value in numbered(600)]
    places = await asyncio.gather(*calls)
    assert len(set(places)) == 600
    after = [offset for _, offset in sorted((await topics.end_offsets(kafka_bootstrap, topic)).items())]
    assert sum(after) - sum(before) == 600


async def test_of_calls_at_once_each_has_its_own_outcome(topic, producer):
    large, left = (b"5", bytes(1100 * 1024)), asyncio.Event()

    async def leave():
        task = asyncio.create_task(producer.publish(topic, numbered(1)))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        left.set()

    calls = [producer.publish(topic, [record]) for record in [*numbered(100), large, *numbered(100, 100)]]
    outcomes = await asyncio.gather(leave(), *calls, return_exceptions=True)
    assert left.is_set()
    assert isinstance(outcomes[101], Malformed)
    assert all(isinstance(outcome, list) for number, outcome in enumerate(outcomes) if number not in (0, 101))


async def test_calls_at_once_each_hear_that_kafka_is_away(kafka_bootstrap):
    away = Producer("127.0.0.1:1", limit=1.0)
    outcomes = await asyncio.gather(*(away.publish("t", [record]) for record in numbered(50)), return_exceptions=True)
    assert all(isinstance(outcome, BrokerUnavailable) for outcome in outcomes)
    assert len(set(map(id, outcomes))) == 50


async def test_a_call_that_waits_ends_with_an_error_when_the_producer_is_stopped(topic, producer):
    await producer.start()
    calls = [asyncio.create_task(producer.publish(topic, [record])) for record in numbered(20)]
    await asyncio.sleep(0)
    await producer.stop()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(outcome, list | BrokerUnavailable) for outcome in outcomes)
