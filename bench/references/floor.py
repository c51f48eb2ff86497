"""The floor: the least that passes events through per-system topics with the same fsyncs. No features.

asyncio, aiokafka `getmany`, orjson; one COPY a batch of event and delivery rows; a record for each delivery in its
system's topic; a consumer of those topics appends to files, syncs them and updates the rows. Repeats are known from
memory only, nothing is retried, and a crash between two steps would double or lose. One process or two (`--roles`).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.references.common import Router, Task, connect, start
from bench.town import number_of

_RECORDS = 5_000
_BATCH = 256 * 1024
_EVENT = "no, id, subject, type, recorded_at, body"
_DELIVERY = "event, system, status"


async def main(asked: Task) -> None:
    """Run the roles asked for until every delivery is done; a dispatcher alone runs until it is stopped."""
    roles = {"dispatch": dispatch, "deliver": deliver}
    tasks = [asyncio.create_task(roles[role](asked)) for role in asked.roles]
    await tasks[-1]
    for task in tasks[:-1]:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def dispatch(asked: Task) -> None:
    """Take events in: rows, then a record for each delivery, then the commit."""
    consumer = _consumer(asked, "dispatch", [asked.events])
    producer = AIOKafkaProducer(
        bootstrap_servers=asked.bootstrap, acks="all", enable_idempotence=True, max_batch_size=_BATCH
    )
    connection, router = await asyncio.to_thread(connect, asked.url), Router()
    await consumer.start()
    await producer.start()
    try:
        while True:
            polled = await consumer.getmany(timeout_ms=50, max_records=_RECORDS)
            if polled:
                events, deliveries, lines = _planned([r for records in polled.values() for r in records], router)
                await asyncio.to_thread(_insert, connection, events, deliveries)
                await _produce(producer, asked, lines)
                await consumer.commit()
    finally:
        await producer.stop()
        await consumer.stop()


Planned = tuple[list[tuple[Any, ...]], list[tuple[int, int, int]], dict[int, list[tuple[bytes, bytes]]]]


def _planned(records: Sequence[Any], router: Router) -> Planned:
    now = time.time_ns() // 1_000_000
    events, deliveries = [], []
    lines: dict[int, list[tuple[bytes, bytes]]] = {}
    for record in records:
        event = orjson.loads(record.value)
        told = router.told(event)
        if told is None:
            continue
        number = number_of(event["id"])
        events.append((number, event["id"], event["subject"], event["type"], now, record.value))
        key = str(number).encode()
        for system, line in told:
            deliveries.append((number, system, 0))
            lines.setdefault(system, []).append((key, line))
    return events, deliveries, lines


def _insert(connection: Any, events: list[tuple[Any, ...]], deliveries: list[tuple[int, int, int]]) -> None:
    if hasattr(connection, "executemany"):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(f"INSERT INTO event({_EVENT}) VALUES (?,?,?,?,?,?)", events)
        connection.executemany(f"INSERT INTO delivery({_DELIVERY}) VALUES (?,?,?)", deliveries)
        connection.execute("COMMIT")
        return
    with connection.cursor() as cursor:
        _copy(cursor, f"event ({_EVENT})", ["int8", "text", "text", "text", "int8", "bytea"], events)
        _copy(cursor, f"delivery ({_DELIVERY})", ["int8", "int4", "int2"], deliveries)
    connection.commit()


def _copy(cursor: Any, target: str, types: list[str], rows: Sequence[tuple[Any, ...]]) -> None:
    with cursor.copy(f"COPY {target} FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


async def _produce(producer: AIOKafkaProducer, asked: Task, lines: dict[int, list[tuple[bytes, bytes]]]) -> None:
    sent = []
    for system, records in lines.items():
        topic = asked.topic(system)
        batch = producer.create_batch()
        for key, line in records:
            if batch.append(timestamp=None, key=key, value=line) is None:
                sent.append(await producer.send_batch(batch, topic, partition=0))
                batch = producer.create_batch()
                batch.append(timestamp=None, key=key, value=line)
        sent.append(await producer.send_batch(batch, topic, partition=0))
    await asyncio.gather(*sent)


async def deliver(asked: Task) -> None:
    """Take deliveries out: lines to the files, synced, then the rows, then the commit."""
    systems = {asked.topic(system): system for system in range(Router().systems)}
    files = {system: os.open(asked.file(system), os.O_CREAT | os.O_APPEND | os.O_WRONLY) for system in systems.values()}
    consumer = _consumer(asked, "deliver", list(systems))
    connection = await asyncio.to_thread(connect, asked.url)
    await consumer.start()
    left = asked.deliveries
    try:
        while left:
            polled = await consumer.getmany(timeout_ms=50, max_records=2 * _RECORDS)
            if not polled:
                continue
            taken = {systems[at.topic]: records for at, records in polled.items()}
            await asyncio.gather(*(asyncio.to_thread(_append, files[each], taken[each]) for each in taken))
            rows = [(system, int(record.key)) for system, records in taken.items() for record in records]
            await asyncio.to_thread(_update, connection, rows)
            await consumer.commit()
            left -= len(rows)
    finally:
        await consumer.stop()


def _append(descriptor: int, records: Sequence[Any]) -> None:
    os.write(descriptor, b"\n".join([record.value for record in records]) + b"\n")
    os.fsync(descriptor)


def _update(connection: Any, rows: list[tuple[int, int]]) -> None:
    now = time.time_ns() // 1_000_000
    if hasattr(connection, "executemany"):
        connection.execute("BEGIN IMMEDIATE")
        update = f"UPDATE delivery SET status = 1, at = {now} WHERE system = ? AND event = ?"
        connection.executemany(update, rows)
        connection.execute("COMMIT")
        return
    systems, events = zip(*rows, strict=True)
    connection.execute(
        "UPDATE delivery SET status = 1, at = %s FROM unnest(%s::int[], %s::bigint[]) AS done(system, event) "
        "WHERE delivery.event = done.event AND delivery.system = done.system",
        (now, list(systems), list(events)),
    )
    connection.commit()


def _consumer(asked: Task, role: str, topics: list[str]) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        *topics,
        bootstrap_servers=asked.bootstrap,
        group_id=f"{asked.prefix}.{role}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
        fetch_max_wait_ms=100,
    )


if __name__ == "__main__":
    start(main)
