"""The usual way: a FastStream handler for each message, a session in each, a file write and fsync in each."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import Any

import orjson
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from bench.references.common import Router, Task, start
from bench.references.models import DeliveryRow, EventRow
from bench.town import number_of

log = logging.getLogger("reference")


async def main(asked: Task) -> None:
    """Run until every delivery is done."""
    broker, engine, router = KafkaBroker(asked.bootstrap, logger=log), create_engine(asked.url), Router()
    finished, left = asyncio.Event(), asked.deliveries
    options: dict[str, Any] = {"auto_offset_reset": "earliest", "ack_policy": AckPolicy.ACK}

    @broker.subscriber(asked.events, group_id=f"{asked.prefix}.dispatch", **options)
    async def dispatch(event: dict[str, Any]) -> None:
        told = router.told(event)
        if told is None:
            return
        await asyncio.to_thread(record, event, [system for system, _ in told])
        for system, line in told:
            await broker.publish(line, topic=asked.topic(system), key=event["subject"].encode())

    def record(event: dict[str, Any], systems: list[int]) -> None:
        number = number_of(event["id"])
        now = time.time_ns() // 1_000_000
        with Session(engine) as session:
            row = EventRow(no=number, id=event["id"], subject=event["subject"], type=event["type"], recorded_at=now)
            row.body = orjson.dumps(event)
            session.add(row)
            session.add_all(DeliveryRow(event=number, system=system, status=0) for system in systems)
            session.commit()

    def delivering(system: int) -> None:
        descriptor = os.open(asked.file(system), os.O_CREAT | os.O_APPEND | os.O_WRONLY)

        def write(event: dict[str, Any]) -> None:
            os.write(descriptor, orjson.dumps(event) + b"\n")
            os.fsync(descriptor)
            with Session(engine) as session:
                row = session.get_one(DeliveryRow, (number_of(event["id"]), system))
                row.status, row.at = 1, time.time_ns() // 1_000_000
                session.commit()

        @broker.subscriber(asked.topic(system), group_id=asked.topic(system), **options)
        async def deliver(event: dict[str, Any]) -> None:
            nonlocal left
            await asyncio.to_thread(write, event)
            left -= 1
            if not left:
                finished.set()

    for system in range(router.systems):
        delivering(system)
    await broker.start()
    await finished.wait()
    await broker.stop()


if __name__ == "__main__":
    start(main)
