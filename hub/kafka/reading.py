"""Reading topics of systems, from given offsets to their ends as they are now; no group, nothing is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from hub.errors import BrokerUnavailable

LIMIT = 15.0  # seconds for each answer


class TopicReader:
    """Reads topics of a broker, or of the city's own (`bootstrap` says which it is when it is asked).

    Synchronous, for a worker thread. What an unfinished or aborted transaction holds is not read.
    """

    def __init__(self, bootstrap: Callable[[], str]) -> None:
        self._bootstrap = bootstrap

    def bounds(self, topic: str, brokers: str | None = None) -> dict[int, tuple[int, int]]:
        """Return each partition's first offset and the one after its last. Raises BrokerUnavailable."""
        with asyncio.Runner() as runner:
            return runner.run(self._asked(topic, brokers))

    def read(
        self, topic: str, spans: Mapping[int, tuple[int, int]], brokers: str | None = None
    ) -> Iterator[tuple[list[Any], dict[int, int]]]:
        """Yield records (as aiokafka's ConsumerRecord) with the offsets after them, each partition's in order.

        `spans` are the offsets from and up to which each partition is read. Raises BrokerUnavailable.
        """
        with asyncio.Runner() as runner:
            consumer = runner.run(self._started(brokers))
            try:
                yield from self._records(runner, consumer, topic, spans)
            finally:
                runner.run(consumer.stop())

    def _records(
        self, runner: asyncio.Runner, consumer: AIOKafkaConsumer, topic: str, spans: Mapping[int, tuple[int, int]]
    ) -> Iterator[tuple[list[Any], dict[int, int]]]:
        places = {TopicPartition(topic, partition): span for partition, span in spans.items() if span[0] < span[1]}
        runner.run(_placed(consumer, {place: start for place, (start, _) in places.items()}))
        while places:
            polled = runner.run(self._named(consumer.getmany(timeout_ms=500, max_records=1000)))
            found = [one for records in polled.values() for one in records]
            after = {place.partition: runner.run(self._named(consumer.position(place))) for place in places}
            if found:
                yield found, after
            places = {place: span for place, span in places.items() if after[place.partition] < span[1]}

    async def _started(self, brokers: str | None) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=brokers or self._bootstrap(),
            client_id="hub",
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            request_timeout_ms=int(LIMIT * 1000),
            fetch_max_wait_ms=100,
        )
        try:
            await self._named(consumer.start())
        except BaseException:
            await consumer.stop()
            raise
        return consumer

    async def _asked(self, topic: str, brokers: str | None) -> dict[int, tuple[int, int]]:
        consumer = await self._started(brokers)
        try:
            partitions = consumer.partitions_for_topic(topic)
            if partitions is None:
                partitions = {place.partition for place in await self._known(consumer, topic)}
            places = [TopicPartition(topic, partition) for partition in partitions]
            begins = await self._named(consumer.beginning_offsets(places))
            ends = await self._named(consumer.end_offsets(places))
        finally:
            await consumer.stop()
        return {place.partition: (begins[place], ends[place]) for place in places}

    async def _known(self, consumer: AIOKafkaConsumer, topic: str) -> set[TopicPartition]:
        """Return a topic's partitions, having asked for it by name; none when there is no such topic."""
        cluster = await self._named(consumer._client.fetch_all_metadata())  # noqa: SLF001 - `topics()` makes none either
        return {TopicPartition(topic, partition) for partition in cluster.partitions_for_topic(topic) or ()}

    @staticmethod
    async def _named(step: Any) -> Any:
        try:
            async with asyncio.timeout(LIMIT):
                return await step
        except (KafkaError, TimeoutError, OSError) as error:
            raise BrokerUnavailable(f"Kafka does not answer: {error or type(error).__name__}", code="kafka") from None


async def _placed(consumer: AIOKafkaConsumer, starts: Mapping[TopicPartition, int]) -> None:
    """Let a consumer begin at these offsets; the client wants to be in its loop for that."""
    consumer.assign(list(starts))
    for place, start in starts.items():
        consumer.seek(place, start)
