"""The usual way, batched: FastStream batch subscribers, a session and a fsync a batch, `publish_batch` a system."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import Any

import orjson
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from sqlalchemy import create_engine, update
from sqlalchemy.orm import Session

from bench.references.common import Router, Task, start
from bench.references.models import DeliveryRow, EventRow
from bench.town import number_of

log = logging.getLogger("reference")
_RECORDS = 500


async def main(asked: Task) -> None:  # noqa: C901 - handlers see one broker, as such programs are written
    """Run until every delivery is done."""
    broker = KafkaBroker(asked.bootstrap, logger=log, max_batch_size=1 << 20)
    engine, router = create_engine(asked.url), Router()
    finished, left = asyncio.Event(), asked.deliveries
    options: dict[str, Any] = {
        "auto_offset_reset": "earliest",
        "ack_policy": AckPolicy.ACK,
        "batch": True,
        "max_records": _RECORDS,
    }

    @broker.subscriber(asked.events, group_id=f"{asked.prefix}.dispatch", **options)
    async def dispatch(events: list[dict[str, Any]]) -> None:
        plans = [(event, told) for event in events if (told := router.told(event)) is not None]
        await asyncio.to_thread(record, plans)
        lines: dict[int, list[bytes]] = {}
        for _, told in plans:
            for system, line in told:
                lines.setdefault(system, []).append(line)
        for system, own in lines.items():
            await broker.publish_batch(*own, topic=asked.topic(system))

    def record(plans: list[tuple[dict[str, Any], list[tuple[int, bytes]]]]) -> None:
        now = time.time_ns() // 1_000_000
        with Session(engine) as session:
            for event, told in plans:
                number = number_of(event["id"])
                row = EventRow(no=number, id=event["id"], subject=event["subject"], type=event["type"], recorded_at=now)
                row.body = orjson.dumps(event)
                session.add(row)
                session.add_all(DeliveryRow(event=number, system=system, status=0) for system, _ in told)
            session.commit()

    def delivering(system: int) -> None:
        descriptor = os.open(asked.file(system), os.O_CREAT | os.O_APPEND | os.O_WRONLY)

        def write(events: list[dict[str, Any]]) -> None:
            os.write(descriptor, b"".join(orjson.dumps(event) + b"\n" for event in events))
            os.fsync(descriptor)
            now = time.time_ns() // 1_000_000
            with Session(engine) as session:
                done = [{"event": number_of(event["id"]), "system": system, "status": 1, "at": now} for event in events]
                session.execute(update(DeliveryRow), done)
                session.commit()

        @broker.subscriber(asked.topic(system), group_id=asked.topic(system), **options)
        async def deliver(events: list[dict[str, Any]]) -> None:
            nonlocal left
            await asyncio.to_thread(write, events)
            left -= len(events)
            if not left:
                finished.set()

    for system in range(router.systems):
        delivering(system)
    await broker.start()
    await finished.wait()
    await broker.stop()


if __name__ == "__main__":
    start(main)
