"""Topics: created explicitly, recognised by their UUID, bound to one city and one ledger.

`<prefix>.events` carries every event, `<prefix>.dead` announces dead letters, `<prefix>.out.<system>` is what a system
that speaks Kafka is told, and the compacted `<prefix>.meta` holds
whose topic it is: one record keyed by the UUID of `<prefix>.events`, `{"city": …, "ledger": …}`. A topic that was
deleted and created again has another UUID, so an old record never speaks for it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    IncompatibleBrokerVersion,
    KafkaError,
)
from aiokafka.structs import OffsetAndMetadata

from hub.errors import BrokerUnavailable, ConfigurationError, HubError, Problem
from hub.kafka.metadata import DescribeTopics, TopicDescription, descriptions
from hub.kafka.producer import Producer

PARTITIONS = 6
_LARGEST = 1024 * 1024  # bytes of a batch; one event has at most 256 KiB
_FORTNIGHT = 14 * 24 * 3600 * 1000
_EXISTS = 36
_NONE = 0


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """`<prefix>.events` as it stands: its UUID tells it from another of the same name."""

    name: str
    uuid: str
    partitions: int


async def reachable(bootstrap: str, limit: float = 5.0) -> bool:
    """Say whether a broker answers at `bootstrap` within `limit` seconds."""
    try:
        async with _admin(bootstrap, limit):
            return True
    except BrokerUnavailable:
        return False


async def identity(bootstrap: str, name: str, *, limit: float = 15.0) -> str | None:
    """Return a topic's UUID, None for a topic that is not there or a broker that does not tell (before Kafka 2.8)."""
    async with _admin(bootstrap, limit) as admin:
        try:
            there = await _describe(admin, [name])
        except IncompatibleBrokerVersion:
            return None
    return there[name].uuid if name in there else None


async def ensure_topics(
    bootstrap: str, prefix: str, city: str, ledger_id: str, *, told: Iterable[str] = (), limit: float = 15.0
) -> TopicInfo:
    """Create the topics that are missing, check whose they are, and return `<prefix>.events`.

    `told` are the systems told over Kafka, each by its topic `<prefix>.out.<system>`; one there is kept as it is.
    Raises ConfigurationError when they are another city's or another ledger's, BrokerUnavailable when Kafka is away.
    """
    names = [f"{prefix}.events", f"{prefix}.dead", f"{prefix}.meta", *(f"{prefix}.out.{system}" for system in told)]
    async with _admin(bootstrap, limit) as admin:
        there = await _describe(admin, names)
        missing = [name for name in names if name not in there]
        if missing:
            replicas = min(3, len(admin._client.cluster.brokers()))  # noqa: SLF001
            out = {name: _events(name, PARTITIONS, replicas) for name in names[3:]}
            await _create(admin, {**_topics(prefix, replicas=replicas), **out}, missing)
            there = await _appear(admin, names)
    info = there[names[0]]
    await _claim(bootstrap, prefix, info.uuid, {"city": city, "ledger": ledger_id}, limit)
    return TopicInfo(info.name, info.uuid, info.partitions)


async def topic_info(bootstrap: str, topic: str, *, limit: float = 5.0) -> TopicInfo | None:
    """Return one topic as it stands, None when there is none; raises BrokerUnavailable."""
    async with _admin(bootstrap, limit) as admin:
        there = (await _describe(admin, [topic])).get(topic)
    return TopicInfo(there.name, there.uuid, there.partitions) if there else None


async def create_topic(bootstrap: str, topic: str, *, partitions: int = PARTITIONS, limit: float = 15.0) -> None:
    """Create one topic as `<prefix>.events` is created, for what a receiver is sent over Kafka; one there is kept."""
    async with _admin(bootstrap, limit) as admin:
        if topic not in await _describe(admin, [topic]):
            replicas = min(3, len(admin._client.cluster.brokers()))  # noqa: SLF001
            await _create(admin, {topic: _events(topic, partitions, replicas)}, [topic])
            await _appear(admin, [topic])


async def end_offsets(bootstrap: str, topic: str, *, limit: float = 10.0) -> dict[int, int]:
    """Return the next offset of each partition of `topic`; raises BrokerUnavailable."""
    async with _reader(bootstrap, topic, limit) as (consumer, partitions):
        return {at.partition: offset for at, offset in (await consumer.end_offsets(partitions)).items()}


async def begin_offsets(bootstrap: str, topic: str, *, limit: float = 10.0) -> dict[int, int]:
    """Return the first offset still held of each partition of `topic`; raises BrokerUnavailable."""
    async with _reader(bootstrap, topic, limit) as (consumer, partitions):
        return {at.partition: offset for at, offset in (await consumer.beginning_offsets(partitions)).items()}


async def tail_positions(bootstrap: str, group: str, topic: str, *, limit: float = 10.0) -> dict[int, int]:
    """Return the offsets the group has committed, by partition; a partition without one is left out."""
    async with _admin(bootstrap, limit) as admin:
        committed = await _committed(admin, group)
    return {at.partition: known.offset for at, known in committed.items() if at.topic == topic and known.offset >= 0}


async def _committed(admin: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, OffsetAndMetadata]:
    """Ask the group's coordinator, which a new broker only makes when it is first asked for one."""
    while True:
        try:
            return dict(await admin.list_consumer_group_offsets(group))
        except (GroupCoordinatorNotAvailableError, GroupLoadInProgressError):
            await asyncio.sleep(0.05)


def _topics(prefix: str, *, replicas: int) -> dict[str, NewTopic]:
    meta = {"cleanup.policy": "compact"}
    return {
        f"{prefix}.events": _events(f"{prefix}.events", PARTITIONS, replicas),
        f"{prefix}.dead": NewTopic(f"{prefix}.dead", 1, replicas, topic_configs={"retention.ms": str(_FORTNIGHT)}),
        f"{prefix}.meta": NewTopic(f"{prefix}.meta", 1, replicas, topic_configs=meta),
    }


def _events(name: str, partitions: int, replicas: int) -> NewTopic:
    configs = {"cleanup.policy": "delete", "retention.ms": str(_FORTNIGHT), "max.message.bytes": str(_LARGEST)}
    if replicas == 1:
        configs["flush.messages"] = "1"  # no second broker holds it when the power fails
    else:
        configs["min.insync.replicas"] = "2"
    return NewTopic(name, partitions, replicas, topic_configs=configs)


async def _describe(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, TopicDescription]:
    answer = descriptions(await admin._send_request(DescribeTopics(names)))  # noqa: SLF001 - aiokafka has no UUIDs yet
    return {name: topic for name, topic in answer.items() if topic.error == _NONE}


async def _create(admin: AIOKafkaAdminClient, topics: dict[str, NewTopic], missing: list[str]) -> None:
    answer = await admin.create_topics([topics[name] for name in missing], timeout_ms=10_000)
    for name, error, *said in answer.topic_errors:
        if error not in {_NONE, _EXISTS}:  # another process may create them at the same moment
            raise HubError(f"the topic {name} cannot be created: {said[0] if said else f'Kafka error {error}'}")


async def _appear(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, TopicDescription]:
    """Wait until every partition of new topics is known; the limit is the admin connection's."""
    while True:
        there = await _describe(admin, names)
        if len(there) == len(names):
            return there
        await asyncio.sleep(0.05)


async def _claim(bootstrap: str, prefix: str, uuid: str, ours: dict[str, str], limit: float) -> None:
    """Write whose the topic is, or refuse it. Of two that write at once the first in the log has it."""
    owner = await _owner(bootstrap, f"{prefix}.meta", uuid, limit)
    if owner is None:
        await _write_owner(bootstrap, f"{prefix}.meta", uuid, ours, limit)
        owner = await _owner(bootstrap, f"{prefix}.meta", uuid, limit)
        if owner not in (None, ours):  # compaction keeps the last record of a key: let that be the first one's again
            await _write_owner(bootstrap, f"{prefix}.meta", uuid, owner, limit)
    if owner != ours:
        theirs = owner or {}
        raise ConfigurationError(
            [
                Problem(
                    f"{prefix}.events",
                    f"this topic belongs to the city {theirs.get('city')} and the ledger {theirs.get('ledger')}, "
                    f"not to {ours['city']} and {ours['ledger']}",
                    "set another kafka.prefix in hub.yaml, or the HUB_LEDGER it belongs to; see hub kafka adopt",
                )
            ]
        )


async def _write_owner(bootstrap: str, meta: str, uuid: str, owner: dict[str, str], limit: float) -> None:
    producer = Producer(bootstrap, limit=limit)
    try:
        await producer.publish_one(meta, uuid.encode(), json.dumps(owner, ensure_ascii=False).encode())
    finally:
        await producer.stop()


async def _owner(bootstrap: str, meta: str, uuid: str, limit: float) -> dict[str, str] | None:
    async with _reader(bootstrap, meta, limit) as (consumer, partitions):
        ends = await consumer.end_offsets(partitions)
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        while any([await consumer.position(at) < end for at, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    if record.key == uuid.encode() and record.value:
                        owner: dict[str, str] = json.loads(record.value)
                        return owner
    return None


@asynccontextmanager
async def _admin(bootstrap: str, limit: float) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id="hub", request_timeout_ms=int(limit * 1000))
    try:
        async with asyncio.timeout(limit):
            await admin.start()
            yield admin
    except (KafkaError, TimeoutError) as fault:
        raise _away(bootstrap, fault) from fault
    finally:
        await admin.close()


@asynccontextmanager
async def _reader(
    bootstrap: str, topic: str, limit: float
) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, client_id="hub", request_timeout_ms=int(limit * 1000), enable_auto_commit=False
    )
    try:
        async with asyncio.timeout(limit):
            await consumer.start()
            partitions = await consumer._client._wait_on_metadata(topic)  # noqa: SLF001 - `partitions_for_topic` may be stale
            yield consumer, [TopicPartition(topic, partition) for partition in sorted(partitions)]
    except (KafkaError, TimeoutError) as fault:
        raise _away(bootstrap, fault) from fault
    finally:
        await consumer.stop()


def _away(bootstrap: str, fault: BaseException) -> BrokerUnavailable:
    said = str(fault) or type(fault).__name__
    return BrokerUnavailable(
        f"Kafka at {bootstrap} does not answer: {said}", mend="hub kafka status; or check HUB_KAFKA"
    )
