"""Intake: rows of a CSV file and events over HTTP, until Kafka has them all.

The clock of a CSV file starts when its first record is in Kafka: how long a file waits to be found is its `every`.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import re
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench import hubs
from bench.check import Break, CheckFailed
from bench.harness import Contestant, Figures, Goal, Lacking, measure, options
from bench.meter import Meter
from bench.services import Ground, Plot, fill_hub, fill_topic, ground
from bench.town import CITY, SOURCE
from bench.waiting import until

HEADER = ("連番", "宛名番号", "氏名", "旧氏名", "異動日")
CITY_FILE = f"""system: {SOURCE}
owner: 市民課
sources:
  changes: {{adapter: csv, path: in/*.csv, every: 1s, identity: '[row.連番]'}}
publishes:
  - from: changes
    event: resident.name-changed
    subject: row.宛名番号
    map: {{name: row.氏名, old_name: row.旧氏名, effective_on: row.異動日}}
receives: {{}}
"""
URL = re.compile(r"http://[0-9.]+:[0-9]+")
MEDIA = {1: "application/cloudevents+json", 100: "application/cloudevents-batch+json"}
CLIENTS = 4


def sizes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, help="rows of the CSV file (100,000; 5,000 with --quick)")
    parser.add_argument("--events", type=int, help="events over HTTP (20,000; 1,000 with --quick)")


def subject(number: int) -> str:
    """Return the resident of a row: another one each, so that the topic's keys can be counted."""
    return str(1_000_000 + number)


def write_rows(file: Path, rows: int) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        written = csv.writer(stream)
        written.writerow(HEADER)
        written.writerows(
            (number, subject(number), f"守口 {number}", "京阪 花子", "2026-04-01") for number in range(rows)
        )


@asynccontextmanager
async def topic(plot: Plot) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=plot.bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        parts = [TopicPartition(f"{plot.prefix}.events", part) for part in range(6)]
        consumer.assign(parts)
        yield consumer, parts
    finally:
        await consumer.stop()


async def reached(plot: Plot, count: int, processes: hubs.Running | None = None) -> float:
    """Return the moment at which the topic holds so many records."""
    async with topic(plot) as (consumer, parts):
        while sum((await consumer.end_offsets(parts)).values()) < count:
            if processes is not None:
                processes.assert_alive()
            await asyncio.sleep(0.01)
        return time.time()


async def keys(plot: Plot, count: int) -> list[bytes]:
    found: list[bytes] = []
    async with topic(plot) as (consumer, parts):
        await consumer.seek_to_beginning(*parts)
        while len(found) < count:
            found += [record.key for own in (await consumer.getmany(timeout_ms=500)).values() for record in own]
        found += [record.key for own in (await consumer.getmany(timeout_ms=500)).values() for record in own]
    return found


def check(plot: Plot, count: int, broken: Break | None) -> None:
    """Hold the topic's keys to the rows: every one once. Raises CheckFailed."""
    found = asyncio.run(keys(plot, count))
    if broken:
        found[7:8] = [] if broken == "drop" else [found[7], found[7]]
    due = {subject(number).encode() for number in range(count)}
    if missing := due - set(found):
        raise CheckFailed(f"{len(missing)} of {count} are not in Kafka, {min(missing).decode()} for one")
    if len(found) != count:
        raise CheckFailed(f"{len(found) - count} are in Kafka twice")


def city(plot: Plot) -> None:
    (plot.folder / "systems").mkdir()
    (plot.folder / "in").mkdir()
    (plot.folder / "hub.yaml").write_text(f"city: {CITY}\nkafka: {{prefix: {plot.prefix}}}\n")
    (plot.folder / f"systems/{SOURCE}.yaml").write_text(CITY_FILE)
    asyncio.run(fill_hub(plot.folder, plot.environment, []))


def figures(count: int, begin: float, end: float, meter: Meter) -> Figures:
    cpu = meter.between(begin, end)
    return {
        "events/s": count / (end - begin),
        "seconds": end - begin,
        **{f"CPU µs an event, {name}": used / count * 1e6 for name, used in cpu.items()},
        **{f"peak MB, {name}": size for name, size in meter.peak().items()},
    }


def hub_csv(own: Ground, rows: int, broken: Break | None, warming: bool) -> Figures:
    rows = rows // 10 if warming else rows
    with own.plot("postgresql") as plot:
        city(plot)
        write_rows(plot.folder / "rows", rows)
        with hubs.running(plot, [("intake",)]) as processes, Meter({**processes.pids, **own.roots()}) as meter:
            processes.wait_until_serving()
            (plot.folder / "rows").rename(plot.folder / "in" / "rows.csv")
            begin = asyncio.run(reached(plot, 1, processes))
            end = asyncio.run(reached(plot, rows, processes))
            until(lambda: True if (plot.folder / "in/done/rows.csv").exists() else None, processes.assert_alive)
        check(plot, rows, broken)
        return figures(rows, begin, end, meter)


def floor_csv(own: Ground, rows: int, broken: Break | None, warming: bool) -> Figures:
    """Read the file, make the same records and send them in batches: no check, no identity, no quarantine."""
    rows = rows // 10 if warming else rows
    with own.plot("sqlite") as plot:
        asyncio.run(fill_topic(plot, f"{plot.prefix}.events", []))
        write_rows(plot.folder / "rows", rows)
        with Meter(own.roots()) as meter:
            begin = time.time()
            asyncio.run(_send_rows(plot))
            end = time.time()
        check(plot, rows, broken)
        return figures(rows, begin, end, meter)


async def _send_rows(plot: Plot) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=plot.bootstrap, acks="all", max_batch_size=256 * 1024)
    await producer.start()
    sent: list[Any] = []
    batches = {part: producer.create_batch() for part in range(6)}
    with (plot.folder / "rows").open(encoding="utf-8", newline="") as stream:
        for number, row in enumerate(csv.DictReader(stream)):
            data = {"name": row["氏名"], "old_name": row["旧氏名"], "effective_on": row["異動日"]}
            event = {"specversion": "1.0", "id": f"{number:032d}", "source": f"/systems/{SOURCE}", "data": data}
            event |= {"type": f"jp.lg.{CITY}.resident.name-changed.v1", "subject": row["宛名番号"]}
            part, key, value = number % 6, row["宛名番号"].encode(), orjson.dumps(event)
            if batches[part].append(timestamp=None, key=key, value=value) is None:
                sent.append(await producer.send_batch(batches[part], f"{plot.prefix}.events", partition=part))
                batches[part] = producer.create_batch()
                batches[part].append(timestamp=None, key=key, value=value)
    for part, batch in batches.items():
        sent.append(await producer.send_batch(batch, f"{plot.prefix}.events", partition=part))
    await asyncio.gather(*sent)
    await producer.stop()


def hub_http(own: Ground, events: int, at_once: int, broken: Break | None, warming: bool) -> Figures:
    events = max(CLIENTS * at_once, events // 10 if warming else events)
    with own.plot("postgresql") as plot:
        city(plot)
        made = hubs.command(plot, "token", "new", SOURCE, "--json")
        if made.returncode:
            raise Lacking(f"`hub token new` ended with {made.returncode}: {made.stderr[-300:]}")
        token = orjson.loads(made.stdout)["token"]
        with hubs.running(plot, [("intake",)]) as processes, Meter({**processes.pids, **own.roots()}) as meter:
            processes.wait_until_serving()
            url = until(lambda: URL.search(processes.said), processes.assert_alive)[0]
            begin = time.time()
            asyncio.run(_post_all(url, token, events, at_once))
            end = time.time()
        check(plot, events, broken)
        return figures(events, begin, end, meter)


async def _post_all(url: str, token: str, events: int, at_once: int) -> None:
    numbers = list(range(events))
    parts = iter([numbers[start : start + at_once] for start in range(0, events, at_once)])
    headers = {"Authorization": f"Bearer {token}", "Content-Type": MEDIA[at_once]}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30, trust_env=False) as client:

        async def one() -> None:
            for part in parts:
                made = [_event(number) for number in part]
                answer = await client.post("/v1/events", content=orjson.dumps(made if at_once > 1 else made[0]))
                if answer.status_code != 202:
                    raise RuntimeError(f"{answer.status_code} {answer.text[:500]}")

        await asyncio.gather(*(one() for _ in range(CLIENTS)))


def _event(number: int) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"h{number:031d}",
        "source": f"/systems/{SOURCE}",
        "type": "resident.name-changed",
        "subject": subject(number),
        "data": {"name": f"守口 {number}", "old_name": "京阪 花子", "effective_on": "2026-04-01"},
    }


def contestants(own: Ground, rows: int, events: int, broken: Break | None) -> Sequence[Contestant]:
    return [
        Contestant("hub csv", partial(hub_csv, own, rows, broken)),
        Contestant("floor csv", partial(floor_csv, own, rows, broken)),
        Contestant("hub http, 100 at once", partial(hub_http, own, events, 100, broken)),
        Contestant("hub http, one by one", partial(hub_http, own, events // 10, 1, broken)),
    ]


def main() -> int:
    asked = options("intake", sizes)
    small = asked.quick or asked.broken
    rows = asked.extra.rows or (5_000 if small else 100_000)
    events = asked.extra.events or (1_000 if small else 20_000)
    with ground() as own:
        goal = Goal("CSV, over the floor", "events/s", "hub csv", "floor csv", least=0.1)
        found = contestants(own, rows, events, asked.broken)
        return measure("intake", found, asked, {"rows": rows, "events": events, "clients": CLIENTS}, [goal])


if __name__ == "__main__":
    sys.exit(main())
