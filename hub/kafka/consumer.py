"""Listening: a FastStream batch subscriber that stands where the ledger says, whatever the group has committed.

Nothing is lost while a service is away: a poll that could not be taken in is dropped, its partitions are paused, and
FastStream's own loop goes on polling them (so that the group keeps this member) until `positions` answers again; then
every partition still assigned is sought to the ledger's position and resumed. A record is handed on only when its
partition has been sought since it was assigned and it is the next one expected there.

A poll of few records that follows another soon waits a little for more: each is a transaction, and sets every
receiver to work. The commit to Kafka only shows the lag.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaMessage

from hub.errors import BrokerUnavailable, Fenced, HubError, Unavailable

Records = list[ConsumerRecord]
Positions = Callable[[list[int]], Awaitable[dict[int, int]]]
Handler = Callable[[Records], Awaitable[None]]

log = logging.getLogger(__name__)

_STOP = 4.0  # seconds a handler has to end when the consumer stops
_COMMIT_EVERY = 1.0
GATHER = 0.03  # seconds from one poll to the next, while few records come
CROWD = 0.1  # and at most, while those who are told are at work
AGAIN = 0.005  # seconds between looks whether they are
FEW = 100  # records
_PATIENCE = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds between attempts to reach what is away
_partition = attrgetter("partition")


@dataclass(slots=True)
class ConsumerState:
    """What `hub status` shows: times are seconds since 1970; `why` is set while nothing is handed on."""

    assigned: tuple[int, ...] = ()
    next: dict[int, int] = field(default_factory=dict)
    waiting_since: float | None = None
    why: str = ""
    last_poll: float | None = None
    lost: bool = False  # the ledger's position is outside the log: a person is needed


class PositionLost(HubError):  # noqa: N818 - named for what happened, as the rest of the tree
    """The ledger's position is outside the log: the topic was emptied, recreated, or retention overtook the hub."""


async def _ignore(_: list[int]) -> None:
    """Do nothing when partitions come or go."""


class Consumer:
    """One member of the group `group` on `topic`.

    `positions(partitions)` gives the next offset of each partition; one it leaves out begins at the log's start. It is
    asked on every assignment and after every fault. `handler(records)` gets one poll's records, of several partitions,
    each partition's in order; when it returns they are done. When it raises Fenced, they are dropped and positions are
    asked again at once; on Unavailable, and loudly on any other error, the same after a wait. `on_lost` is told once
    when the ledger's position is outside the log; nothing is handed on from then on. While it is `crowded`, few records
    wait somewhat longer for more.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        group: str,
        *,
        handler: Handler,
        positions: Positions,
        on_assigned: Callable[[list[int]], Awaitable[None]] = _ignore,
        on_revoked: Callable[[list[int]], Awaitable[None]] = _ignore,
        on_lost: Callable[[PositionLost], None] | None = None,
        crowded: Callable[[], bool] = lambda: False,
        max_records: int = 5000,
        poll_ms: int = 50,
        session_timeout: float = 6.0,
    ) -> None:
        self.state = ConsumerState()
        self._topic = topic
        self._handler = handler
        self._positions = positions
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._on_lost = on_lost
        self._crowded = crowded
        self._epoch = 0  # grows whenever the partitions or their places change
        self._next: dict[int, int] = {}  # partitions that have been sought, with the offset expected next
        self._placing: asyncio.Task[None] | None = None
        self._handling = asyncio.Lock()
        self._committed = 0.0
        self._polled = 0.0
        self._most = max_records
        self._bootstrap = bootstrap
        self._broker = KafkaBroker(
            bootstrap,
            logger=None,
            apply_types=False,
            consumer_only=True,
            allow_auto_create_topics=False,
            graceful_timeout=_STOP,
        )
        self._subscriber = self._broker.subscriber(
            topic,
            group_id=group,
            batch=True,
            batch_timeout_ms=poll_ms,
            max_records=max_records,
            ack_policy=AckPolicy.MANUAL,
            listener=_Listener(self),
            auto_offset_reset="earliest",
            session_timeout_ms=int(session_timeout * 1000),
            heartbeat_interval_ms=int(session_timeout * 1000 / 4),
            max_partition_fetch_bytes=4 * 1024 * 1024,
            fetch_max_wait_ms=100,
            parser=_hand_on,
            decoder=_records_of,
        )
        self._subscriber(self._take)

    async def start(self) -> None:
        """Join the group; raises BrokerUnavailable when Kafka does not answer."""
        for subscriber in self._broker.subscribers:
            if subscriber.ack_policy is not AckPolicy.MANUAL:  # the default acknowledges before anything is done
                raise RuntimeError(f"a subscriber of {self._topic} has the ack policy {subscriber.ack_policy}")
        try:
            await self._broker.start()
        except KafkaError as fault:
            with suppress(Exception):
                await self._broker.stop()
            raise BrokerUnavailable(
                f"Kafka at {self._bootstrap} does not answer: {fault}", mend="hub kafka status; or check HUB_KAFKA"
            ) from fault

    async def stop(self) -> None:
        """Leave the group, within 5 seconds or so; a handler still running is given 4 of them."""
        await self._cancel_placing()
        self._subscriber.running = False
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP):
                async with self._handling:
                    await self._commit()
        await self._broker.stop()
        self._next.clear()
        self.state.assigned = ()

    async def assigned(self, partitions: list[int]) -> None:
        """Hold what the group gave this member until it has been sought."""
        self._lose_places()
        self.state.assigned = tuple(partitions)
        await self._on_assigned(partitions)
        self._place_soon("finding the ledger's positions")

    async def revoked(self, partitions: list[int]) -> None:
        """Let a batch in work end (its transaction would be refused otherwise), then give the partitions back."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP):
                async with self._handling:
                    await self._commit()
        self._lose_places()
        self.state.assigned = ()
        await self._cancel_placing()
        await self._on_revoked(partitions)

    async def _take(self, records: Sequence[ConsumerRecord]) -> None:
        """Take one poll in: FastStream calls this for each, one after another."""
        async with self._handling:
            epoch = self._epoch
            expected = await self._gathered(await self._expected(records, self._next))
            self.state.last_poll, self._polled = time.time(), time.monotonic()
            if not expected or epoch != self._epoch:
                return
            try:
                await self._handler(expected)
            except Fenced as fault:
                log.info("taken over by another process: %s", fault)
                self._restart(epoch, str(fault))
            except Unavailable as fault:
                log.warning("waiting: %s", fault)
                self._restart(epoch, str(fault), wait=True)
            except Exception as fault:
                log.exception("a batch of %s could not be taken in; trying again", self._topic)
                self._restart(epoch, repr(fault), wait=True)
            else:
                if epoch == self._epoch:
                    self._next.update((record.partition, record.offset + 1) for record in _last_of_each(expected))
                    self.state.next = dict(self._next)
                    await self._commit(every=_COMMIT_EVERY)

    def _early(self) -> float:
        """Return for how many seconds a poll of few records waits for more."""
        since = time.monotonic() - self._polled
        return AGAIN if GATHER <= since < CROWD and self._crowded() else GATHER - since

    async def _gathered(self, expected: Records) -> Records:
        """Return records with what follows them until it is time for a poll; each partition's in order."""
        epoch, consumer = self._epoch, self._consumer
        found = _by_partition(expected)
        few = min(FEW, self._most)
        while consumer and 0 < len(expected) < few and (left := self._early()) > 0:
            try:
                more = await consumer.getmany(timeout_ms=int(left * 1000) + 1, max_records=self._most - len(expected))
            except (KafkaError, ConsumerStoppedError):
                break  # the next poll meets it
            following = self._next | {partition: run[-1].offset + 1 for partition, run in found.items()}
            polled = [record for run in more.values() for record in run]
            if polled and epoch == self._epoch:
                polled = await self._expected(polled, following)
            if epoch != self._epoch:
                if more and not self.state.lost:  # it may be of the places before or behind: all is read again
                    self._restart(self._epoch, "the partitions changed")
                return []
            expected += polled
            found = _by_partition(expected)
        return [record for run in found.values() for record in run]

    async def _expected(self, records: Sequence[ConsumerRecord], following: Mapping[int, int]) -> Records:
        """Return the records to hand on: those of a poll that was made before a seek are left out."""
        kept: Records = []
        consumer = self._consumer
        for partition, group in groupby(records, key=_partition):
            run = list(group)
            wanted = following.get(partition)
            if wanted is None or consumer is None:
                continue
            try:
                position = await consumer.position(TopicPartition(self._topic, partition))
            except KafkaError:  # no longer assigned
                continue
            if position <= run[-1].offset:
                continue
            if position < wanted and await self._overtaken(partition, wanted):  # the log was emptied or made anew
                return []
            if run[0].offset < wanted:
                run = [record for record in run if record.offset >= wanted]
            if run and run[0].offset > wanted and await self._overtaken(partition, wanted):
                return []
            kept += run
        return kept

    async def _overtaken(self, partition: int, wanted: int) -> bool:
        """Say whether the log no longer holds `wanted`; a gap inside the log is only a transaction's marker."""
        try:
            begin, end = await self._bounds([partition])
        except KafkaError as fault:
            self._restart(self._epoch, str(fault), wait=True)
            return True
        if begin[partition] <= wanted <= end[partition]:
            return False
        self._lost(_lost_position(self._topic, partition, wanted, begin[partition], end[partition]))
        return True

    def _restart(self, epoch: int, why: str, *, wait: bool = False) -> None:
        """Drop the places and find them again, unless an assignment since `epoch` has begun that already."""
        if epoch == self._epoch:
            self._lose_places()
            self._place_soon(why, wait=wait)

    def _lose_places(self) -> None:
        self._epoch += 1
        self._next.clear()
        self.state.next = {}
        if self._consumer is not None:
            self._consumer.pause(*self._consumer.assignment())

    def _place_soon(self, why: str, *, wait: bool = False) -> None:
        if self._placing is not None:
            self._placing.cancel()
        self.state.waiting_since, self.state.why = self.state.waiting_since or time.time(), why
        self._placing = asyncio.create_task(self._place(wait=wait))

    async def _cancel_placing(self) -> None:
        task, self._placing = self._placing, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _place(self, *, wait: bool) -> None:
        """Seek every assigned partition to the ledger's position and resume, however long the ledger is away."""
        attempt = 0
        while True:
            if wait or attempt:
                await asyncio.sleep(_PATIENCE[min(attempt, len(_PATIENCE) - 1)])
            attempt += 1
            epoch = self._epoch
            try:
                placed = await self._find_places()
            except PositionLost as fault:
                self._lost(fault)
                return
            except (Unavailable, KafkaError) as fault:
                self.state.why = str(fault) or type(fault).__name__
                continue
            except Exception as fault:
                log.exception("the positions of %s cannot be found; trying again", self._topic)
                self.state.why = repr(fault)
                continue
            if epoch == self._epoch and self._seek(placed):
                self.state.waiting_since, self.state.why = None, ""
                return

    async def _find_places(self) -> dict[int, int]:
        assigned = list(self.state.assigned)
        if not assigned:
            return {}
        known = await self._positions(assigned)
        begin, end = await self._bounds(assigned)
        for partition in assigned:
            wanted = known.get(partition, begin[partition])
            if not begin[partition] <= wanted <= end[partition]:
                raise _lost_position(self._topic, partition, wanted, begin[partition], end[partition])
        return {partition: known.get(partition, begin[partition]) for partition in assigned}

    def _seek(self, placed: dict[int, int]) -> bool:
        """Seek and resume; nothing else runs in between. False when the assignment is another by now."""
        consumer = self._consumer
        if consumer is None:
            return False
        targets = {TopicPartition(self._topic, partition): offset for partition, offset in placed.items()}
        if set(targets) != consumer.assignment():
            return False
        for target, offset in targets.items():
            consumer.seek(target, offset)
        consumer.resume(*targets)
        self._next = dict(placed)
        self.state.next = dict(placed)
        return True

    async def _bounds(self, partitions: list[int]) -> tuple[dict[int, int], dict[int, int]]:
        consumer = self._consumer
        if consumer is None:
            raise BrokerUnavailable("the consumer has stopped")
        targets = [TopicPartition(self._topic, partition) for partition in partitions]
        begin = await consumer.beginning_offsets(targets)
        end = await consumer.end_offsets(targets)
        return {at.partition: offset for at, offset in begin.items()}, {at.partition: o for at, o in end.items()}

    def _lost(self, fault: PositionLost) -> None:
        log.error("%s", fault)
        self._lose_places()
        self.state.lost, self.state.why = True, str(fault)
        self.state.waiting_since = self.state.waiting_since or time.time()
        if self._on_lost is not None:
            self._on_lost(fault)

    async def _commit(self, *, every: float = 0.0) -> None:
        """Show the group how far the ledger is; failing costs nothing but a stale lag."""
        now = time.monotonic()
        if not self._next or self._consumer is None or now - self._committed < every:
            return
        self._committed = now
        with suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(2.0):
                await self._consumer.commit({TopicPartition(self._topic, p): o for p, o in self._next.items()})

    @property
    def _consumer(self) -> AIOKafkaConsumer | None:
        return self._subscriber.consumer


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Tells the consumer what the group gives and takes; FastStream passes it on to aiokafka."""

    def __init__(self, owner: Consumer) -> None:
        self._owner = owner

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._owner.assigned(sorted(at.partition for at in assigned))

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._owner.revoked(sorted(at.partition for at in revoked))


async def _hand_on(message: tuple[ConsumerRecord, ...], _: Any) -> KafkaMessage:
    """Wrap one poll without looking at its records: parsing headers and bodies per record costs six times as much."""
    return KafkaMessage(raw_message=message, body=b"", headers={}, message_id="", consumer=None)  # type: ignore[arg-type]


async def _records_of(message: Any, _: Any) -> Any:
    """Return the records of one poll as they came."""
    return message.raw_message


def _by_partition(records: Records) -> dict[int, Records]:
    found: dict[int, Records] = {}
    for record in records:
        found.setdefault(record.partition, []).append(record)
    return found


def _last_of_each(records: Records) -> Records:
    return list({record.partition: record for record in records}.values())


def _lost_position(topic: str, partition: int, wanted: int, begin: int, end: int) -> PositionLost:
    return PositionLost(
        f"the ledger stands at offset {wanted} of {topic}/{partition}, but the log holds {begin} to {end}",
        mend="was the topic emptied or recreated, or the hub away longer than its retention? See hub kafka adopt",
    )
