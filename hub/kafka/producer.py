"""Publishing: every record acknowledged by all replicas, in order per key, without broker duplicates.

Batches are built here and not by aiokafka's `send`, which costs six times as much a record. A key goes to the
partition Kafka's own clients choose for it (murmur2 of the key).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.partitioner import murmur2

from hub.errors import BrokerUnavailable, Malformed

Headers = Sequence[tuple[str, bytes]]
Place = tuple[int, int]  # partition, offset

_BATCH = 256 * 1024  # bytes; one larger record still makes a batch of its own
_MEND = "is it running? hub kafka status; or check HUB_KAFKA"


@lru_cache(maxsize=1 << 18)
def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of `key` among `partitions`, as Kafka's default partitioner does."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


class Producer:
    """A producer that is rebuilt after any failure, so that no record of a failed call is sent later.

    `limit` bounds each call in seconds; past it BrokerUnavailable is raised and it is unknown whether the broker has
    the records: publishing the same events again is harmless, since identity is the event's own.
    """

    def __init__(self, bootstrap: str, *, limit: float = 15.0) -> None:
        self._bootstrap = bootstrap
        self._limit = limit
        self._producer: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """Connect; raises BrokerUnavailable within the limit."""
        await self._connected()

    async def stop(self) -> None:
        """Close the connection. Records of calls that returned are with the broker already."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _abandon(producer)

    async def publish(
        self, topic: str, records: Sequence[tuple[bytes, bytes]], headers: Headers = ()
    ) -> list[tuple[int, int]]:
        """Publish (key, value) records and return each one's (partition, offset), when all are acknowledged.

        Records of one key keep their order, also over successive calls. Raises BrokerUnavailable, or Malformed
        (`too-large`) when the broker refuses a record's size.
        """
        if not records:
            return []
        producer = await self._connected()
        try:
            async with asyncio.timeout(self._limit):
                return await _publish(producer, topic, records, list(headers))
        except (KafkaError, TimeoutError, AssertionError) as fault:  # aiokafka asserts that a partition exists
            await self._drop(producer)
            if isinstance(fault, MessageSizeTooLargeError):
                raise Malformed(f"the broker refuses the size of a record for {topic}", code="too-large") from fault
            raise self._away(fault) from fault
        except BaseException:
            await self._drop(producer)
            raise

    async def publish_one(self, topic: str, key: bytes, value: bytes, headers: Headers = ()) -> Place:
        """Publish one record and return its (partition, offset)."""
        return (await self.publish(topic, [(key, value)], headers))[0]

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

    async def _drop(self, producer: AIOKafkaProducer) -> None:
        if self._producer is producer:
            self._producer = None
        await _abandon(producer)

    def _away(self, fault: BaseException) -> BrokerUnavailable:
        said = str(fault) or type(fault).__name__
        return BrokerUnavailable(f"Kafka at {self._bootstrap} does not take records: {said}", mend=_MEND)


async def _publish(
    producer: AIOKafkaProducer, topic: str, records: Sequence[tuple[bytes, bytes]], headers: list[tuple[str, bytes]]
) -> list[Place]:
    count = len(await producer.partitions_for(topic))
    places: list[Place] = [(-1, -1)] * len(records)
    builders: dict[int, tuple[Any, list[int]]] = {}
    last: dict[int, asyncio.Task[None]] = {}
    sent: list[asyncio.Task[None]] = []

    def seal(partition: int) -> None:
        batch, members = builders.pop(partition)
        batch.close()
        before = last.get(partition)
        last[partition] = asyncio.create_task(_send(producer, topic, partition, batch, members, before, places))
        sent.append(last[partition])

    try:
        for index, (key, value) in enumerate(records):
            partition = partition_of(key, count)
            if partition not in builders:
                builders[partition] = producer.create_batch(), []
            batch, members = builders[partition]
            if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
                seal(partition)
                await asyncio.sleep(0)  # what is sealed goes out while the next is built
                batch, members = builders[partition] = producer.create_batch(), []
                batch.append(timestamp=None, key=key, value=value, headers=headers)
            members.append(index)
        for partition in list(builders):
            seal(partition)
        await asyncio.gather(*sent)
    finally:
        for task in sent:
            task.cancel()
        await asyncio.gather(*sent, return_exceptions=True)
    return places


async def _send(
    producer: AIOKafkaProducer,
    topic: str,
    partition: int,
    batch: Any,
    members: list[int],
    before: asyncio.Task[None] | None,
    places: list[Place],
) -> None:
    """Send one batch once the one before it in its partition is acknowledged: a failure never lets a later one pass."""
    if before is not None:
        await before
    acknowledged = await (await producer.send_batch(batch, topic, partition=partition))
    for offset, index in enumerate(members, acknowledged.offset):
        places[index] = (partition, offset)


async def _abandon(producer: AIOKafkaProducer) -> None:
    """Close without flushing: what was not acknowledged must not be sent any more."""
    producer._closed = True  # noqa: SLF001 - `stop()` flushes, and waits for ever while the broker is away
    with suppress(KafkaError, TimeoutError):
        async with asyncio.timeout(5.0):
            await producer.client.close()
            await producer._sender.close()  # noqa: SLF001
