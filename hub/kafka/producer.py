"""Publishing: every record acknowledged by all replicas, in order per key, without broker duplicates.

Batches are built here and not by aiokafka's `send`, which costs six times as much a record. A key goes to the
partition Kafka's own clients choose for it (murmur2 of the key).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.partitioner import murmur2

from hub.errors import BrokerUnavailable, HubError, Malformed

Headers = Sequence[tuple[str, bytes]]
Place = tuple[int, int]  # partition, offset

_Members = list[tuple[list[Place | None], int]]  # of a batch: where each record's place is noted

_LOAD = 10_000  # records of several calls that are sent together
_BATCH = 256 * 1024  # bytes; one larger record still makes a batch of its own
_MEND = "is it running? hub kafka status; or check HUB_KAFKA"


@lru_cache(maxsize=1 << 18)
def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of `key` among `partitions`, as Kafka's default partitioner does."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


class Unanswered(BrokerUnavailable):
    """Records were on their way and nothing came back: they may be in the topic, or not."""


@dataclass(slots=True, eq=False)
class _Call:
    """One call of `publish`: where its records came to lie so far, and what its caller waits for."""

    topic: str
    records: Sequence[tuple[bytes, bytes]]
    headers: list[tuple[str, bytes]]
    done: asyncio.Future[list[Place]]
    places: list[Place | None]


class Producer:
    """A producer that is rebuilt after any failure, so that no record of a failed call is sent later.

    Calls made while others are being sent wait for these and then go together, in shared batches; each is told its own
    outcome. `limit` bounds each such sending in seconds; past it BrokerUnavailable is raised and it is unknown whether
    the broker has the records: publishing the same events again is harmless, since identity is the event's own.
    """

    def __init__(self, bootstrap: str, *, limit: float = 15.0) -> None:
        self._bootstrap = bootstrap
        self._limit = limit
        self._producer: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()
        self._waiting: list[_Call] = []
        self._working: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect; raises BrokerUnavailable within the limit."""
        await self._connected()

    async def stop(self) -> None:
        """Close the connection. Calls that returned are with the broker already; others end with BrokerUnavailable."""
        working, self._working = self._working, None
        if working is not None:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        self._give_up(self._waiting, "it was stopped")
        producer, self._producer = self._producer, None
        if producer is not None:
            await _abandon(producer)

    async def publish(
        self, topic: str, records: Sequence[tuple[bytes, bytes]], headers: Headers = ()
    ) -> list[tuple[int, int]]:
        """Publish (key, value) records and return each one's (partition, offset), when all are acknowledged.

        Records of one key keep their order, also over successive calls. Raises BrokerUnavailable, as
        Unanswered when the records may be there all the same, or Malformed (`too-large`) when the broker refuses a
        record's size.
        """
        if not records:
            return []
        done: asyncio.Future[list[Place]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Call(topic, records, list(headers), done, [None] * len(records)))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await done

    async def publish_one(self, topic: str, key: bytes, value: bytes, headers: Headers = ()) -> Place:
        """Publish one record and return its (partition, offset)."""
        return (await self.publish(topic, [(key, value)], headers))[0]

    async def _work(self) -> None:
        """Send what waits, round after round; whatever happens, nobody is left waiting."""
        calls: list[_Call] = []
        try:
            while self._waiting:
                calls = self._together()
                await self._send(calls)
        except BaseException as fault:
            self._give_up(calls, fault, Unanswered)
            self._give_up(self._waiting, fault)
            raise

    def _give_up(self, calls: list[_Call], why: object, kind: type[BrokerUnavailable] = BrokerUnavailable) -> None:
        for call in calls:
            _settle(call, self._away(why, kind))
        calls.clear()

    def _together(self) -> list[_Call]:
        """Take the oldest call, and with it those for the same topic, as many as make a good load."""
        calls: list[_Call] = []
        left: list[_Call] = []
        load = 0
        for call in self._waiting:
            if call.done.cancelled():
                continue
            if calls and (call.topic != calls[0].topic or load >= _LOAD):
                left.append(call)
            else:
                calls.append(call)
                load += len(call.records)
        self._waiting = left
        return calls

    async def _send(self, calls: list[_Call]) -> None:
        """Send calls for one topic and settle each; after a size was refused, those not through go again one by one."""
        producer = None
        kind = BrokerUnavailable
        error: Callable[[], HubError]
        try:
            producer = await self._connected()
            async with asyncio.timeout(self._limit):
                partitions = len(await producer.partitions_for(calls[0].topic))
                kind = Unanswered
                await _publish(producer, calls, partitions)
        except BrokerUnavailable as fault:
            error = partial(self._away, fault.__cause__ or fault)
        except MessageSizeTooLargeError:
            await self._drop(producer)
            through = [call for call in calls if None not in call.places]
            if len(calls) > 1:
                for call in calls:
                    if call not in through:
                        await self._send([call])
                calls = through
            error = partial(_too_large, calls[0].topic if calls else "")
        except (KafkaError, TimeoutError, AssertionError) as fault:  # aiokafka asserts that a partition exists
            await self._drop(producer)
            error = partial(self._away, fault, kind)
        except BaseException:
            await self._drop(producer)
            raise
        else:
            error = partial(self._away, "no answer", kind)
        for call in calls:
            _settle(call, error())

    async def _connected(self) -> AIOKafkaProducer:
        async with self._lock:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    client_id="hub",
                    acks="all",
                    enable_idempotence=True,
                    max_batch_size=_BATCH,
                    request_timeout_ms=int(self._limit * 1000),
                    metadata_max_age_ms=60_000,
                )
                try:
                    async with asyncio.timeout(self._limit):
                        await producer.start()
                except (KafkaError, TimeoutError) as fault:
                    await _abandon(producer)
                    raise self._away(fault) from fault
                except BaseException:
                    await _abandon(producer)
                    raise
                self._producer = producer
            return self._producer

    async def _drop(self, producer: AIOKafkaProducer | None) -> None:
        if self._producer is producer:
            self._producer = None
        if producer is not None:
            await _abandon(producer)

    def _away(self, fault: object, kind: type[BrokerUnavailable] = BrokerUnavailable) -> BrokerUnavailable:
        said = str(fault) or type(fault).__name__
        return kind(f"Kafka at {self._bootstrap} does not take records: {said}", mend=_MEND)


def _settle(call: _Call, error: HubError) -> None:
    """Give a call its places if all its records are acknowledged, else the error."""
    if call.done.done():
        return
    places = [place for place in call.places if place is not None]
    if len(places) == len(call.places):
        call.done.set_result(places)
    else:
        call.done.set_exception(error)


def _too_large(topic: str) -> Malformed:
    return Malformed(f"the broker refuses the size of a record for {topic}", code="too-large")


async def _publish(producer: AIOKafkaProducer, calls: list[_Call], partitions: int) -> None:
    """Send the records of calls for one topic in shared batches; the places of what is acknowledged are noted.

    Raises the first fault, when nothing is on its way any more.
    """
    topic = calls[0].topic
    builders: dict[int, tuple[Any, _Members]] = {}
    last: dict[int, asyncio.Task[None]] = {}
    sent: list[asyncio.Task[None]] = []

    def seal(partition: int) -> None:
        batch, members = builders.pop(partition)
        batch.close()
        before = last.get(partition)
        last[partition] = asyncio.create_task(_send(producer, topic, partition, batch, members, before))
        sent.append(last[partition])

    try:
        for call in calls:
            places, headers = call.places, call.headers
            for index, (key, value) in enumerate(call.records):
                partition = partition_of(key, partitions)
                if partition not in builders:
                    builders[partition] = producer.create_batch(), []
                batch, members = builders[partition]
                if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
                    seal(partition)
                    await asyncio.sleep(0)  # what is sealed goes out while the next is built
                    batch, members = builders[partition] = producer.create_batch(), []
                    batch.append(timestamp=None, key=key, value=value, headers=headers)
                members.append((places, index))
        for partition in list(builders):
            seal(partition)
        for fault in await asyncio.gather(*sent, return_exceptions=True):
            if fault is not None:
                raise fault
    finally:
        for task in sent:
            task.cancel()
        await asyncio.gather(*sent, return_exceptions=True)


async def _send(
    producer: AIOKafkaProducer,
    topic: str,
    partition: int,
    batch: Any,
    members: _Members,
    before: asyncio.Task[None] | None,
) -> None:
    """Send one batch once the one before it in its partition is acknowledged: a failure never lets a later one pass."""
    if before is not None:
        await before
    acknowledged = await (await producer.send_batch(batch, topic, partition=partition))
    for offset, (places, index) in enumerate(members, acknowledged.offset):
        places[index] = (partition, offset)


async def _abandon(producer: AIOKafkaProducer) -> None:
    """Close without flushing: what was not acknowledged must not be sent any more."""
    producer._closed = True  # noqa: SLF001 - `stop()` flushes, and waits for ever while the broker is away
    with suppress(KafkaError, TimeoutError):
        async with asyncio.timeout(5.0):
            await producer.client.close()
            await producer._sender.close()  # noqa: SLF001
