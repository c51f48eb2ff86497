"""Guarded batches on real files, a real Kafka and both ledgers: whole or not at all, through kill -9 at every step."""

import asyncio
import io
import resource
import signal
import subprocess
import sys
from typing import Any

import pytest

from hub.kafka.bus import Producer
from hub.kafka.topics import create_topic, end_offsets
from hub.ledger import batches, quarantine
from hub.ledger.engine import Ledger
from hub.ledger.views import EventFilter
from hub.stages.held import HeldEvents
from hub.stages.intake import Intake, Services
from hub.stages.publish import publish_stream
from tests.integration import guarded_city
from tests.integration.guarded_city import drain
from tests.integration.intake_city import write
from tests.integration.test_intake import events_in


@pytest.fixture
async def topic(kafka_bootstrap, topic_prefix):
    name = f"{topic_prefix}.events"
    await create_topic(kafka_bootstrap, name)
    return name


def points(*names: str, both: str) -> list[tuple[str, str]]:
    """Return every point on SQLite, and that where the ledger is in the middle of something on PostgreSQL too."""
    return [*(("sqlite", name) for name in names), ("postgresql", both)]


def rows(count: int, start: int = 0) -> list[str]:
    return [f"{1000000 + n % 4},n{n:03},2026-11-20" for n in range(start, start + count)]


async def is_empty(bootstrap: str, topic: str) -> bool:
    return not any((await end_offsets(bootstrap, topic)).values())


async def names_in(bootstrap: str, topic: str) -> dict[str, list[str]]:
    """Return by resident the names reported, each once, in the order of their first appearance."""
    found: dict[str, dict[str, None]] = {}
    for event in await events_in(bootstrap, topic):
        found.setdefault(event["key"], {})[event["data"]["name"]] = None
    return {subject: list(names) for subject, names in found.items()}


def expected(count: int) -> dict[str, list[str]]:
    return {str(1000000 + k): [f"n{n:03}" for n in range(k, count, 4)] for k in range(4)}


async def test_a_batch_is_held_listed_released_and_published(tmp_path, ledger, kafka_bootstrap, topic):
    write(tmp_path, "A.csv", [*rows(24), "1000009,broken"])
    write(tmp_path, "B.csv", rows(8, 24))
    counts = await drain(tmp_path, ledger, kafka_bootstrap, topic)
    (item,), _ = batches.listing(ledger, statuses=["held"])
    assert counts.held == {"koseki.main": item.id}
    assert (item.reason, item.rows, item.events, item.quarantined) == (
        "25 rows, more than 20",
        25,
        {"resident.died": 24},
        1,
    )
    assert await is_empty(kafka_bootstrap, topic)
    held = HeldEvents(ledger, tmp_path / "var" / "held")
    assert len(held.page(EventFilter(batch=item.id), limit=100)[0]) == 24
    assert len(held.page(EventFilter(subject="1000001"), limit=100)[0]) == 6
    batches.release(ledger, item.id, who="keiko", why="checked with the family register")
    await drain(tmp_path, ledger, kafka_bootstrap, topic)
    assert await names_in(kafka_bootstrap, topic) == expected(32)
    assert {item.status for item in batches.listing(ledger)[0]} == {"done"}
    assert {event["batchid"] for event in await events_in(kafka_bootstrap, topic)} == {
        item.id for item in batches.listing(ledger)[0]
    }


async def test_a_rejected_batch_is_never_published(tmp_path, ledger, kafka_bootstrap, topic):
    write(tmp_path, "A.csv", rows(24))
    await drain(tmp_path, ledger, kafka_bootstrap, topic)
    (item,), _ = batches.listing(ledger)
    batches.reject(ledger, item.id, who="keiko", why="a test extract")
    write(tmp_path, "B.csv", rows(4))
    await drain(tmp_path, ledger, kafka_bootstrap, topic)
    assert await names_in(kafka_bootstrap, topic) == expected(4)
    assert batches.show(ledger, item.id).status == "rejected"


async def run(tmp_path, url, bootstrap, topic, point):
    command = [sys.executable, "-m", "tests.integration.guarded_city", str(tmp_path), url, bootstrap, topic, point]
    return (await asyncio.to_thread(subprocess.run, command, timeout=60)).returncode


@pytest.mark.parametrize(
    ("ledger_url", "point"),
    points("spool", "publish", "store", "settle", "acknowledge", both="store"),
    indirect=["ledger_url"],
)
async def test_killed_within_its_guard_a_batch_is_published_whole(
    tmp_path, ledger, ledger_url, kafka_bootstrap, topic, point
):
    path = write(tmp_path, "A.csv", rows(16))
    assert await run(tmp_path, ledger_url, kafka_bootstrap, topic, point) == -signal.SIGKILL
    assert path.exists() is (point != "acknowledge")
    assert await run(tmp_path, ledger_url, kafka_bootstrap, topic, "none") == 0
    assert await names_in(kafka_bootstrap, topic) == expected(16)
    (item,), _ = batches.listing(ledger)
    assert (item.status, item.rows, path.exists()) == ("done", 16, False)
    assert list((tmp_path / "var" / "held").glob("*.jsonl")) == []


@pytest.mark.parametrize(
    ("ledger_url", "point"),
    points("spool", "seal", "store", "settle", "acknowledge", both="store"),
    indirect=["ledger_url"],
)
async def test_killed_while_it_is_held_a_batch_is_held_once_and_whole(
    tmp_path, ledger, ledger_url, kafka_bootstrap, topic, point
):
    path = write(tmp_path, "A.csv", rows(24))
    assert await run(tmp_path, ledger_url, kafka_bootstrap, topic, point) == -signal.SIGKILL
    assert await run(tmp_path, ledger_url, kafka_bootstrap, topic, "none") == 0
    (item,), _ = batches.listing(ledger)
    assert (item.status, item.rows) == ("held", 24)
    assert await is_empty(kafka_bootstrap, topic)
    batches.release(ledger, item.id, who="keiko", why="")
    assert await run(tmp_path, ledger_url, kafka_bootstrap, topic, "none") == 0
    assert len(await events_in(kafka_bootstrap, topic)) == 24
    assert await names_in(kafka_bootstrap, topic) == expected(24)
    assert not path.exists()
    assert list((tmp_path / "var" / "held").glob("*.jsonl")) == []


@pytest.mark.parametrize(
    ("ledger_url", "point"), points("publish", "published", "released", both="published"), indirect=["ledger_url"]
)
async def test_killed_while_it_is_released_a_batch_is_published_whole(
    tmp_path, ledger, ledger_url, kafka_bootstrap, topic, point
):
    write(tmp_path, "A.csv", rows(24))
    assert await run(tmp_path, ledger_url, kafka_bootstrap, topic, "none") == 0
    (item,), _ = batches.listing(ledger)
    batches.release(ledger, item.id, who="keiko", why="")
    assert await run(tmp_path, ledger_url, kafka_bootstrap, topic, point) == -signal.SIGKILL
    assert batches.show(ledger, item.id).status == ("done" if point == "released" else "released")
    assert await run(tmp_path, ledger_url, kafka_bootstrap, topic, "none") == 0
    assert await names_in(kafka_bootstrap, topic) == expected(24)
    assert batches.show(ledger, item.id).status == "done"
    assert list((tmp_path / "var" / "held").glob("*.jsonl")) == []


async def test_two_at_once_hold_and_publish_it_once(tmp_path, ledger, kafka_bootstrap, topic):
    write(tmp_path, "A.csv", rows(24))
    await asyncio.gather(*(drain(tmp_path, ledger, kafka_bootstrap, topic) for _ in range(2)))
    (item,), _ = batches.listing(ledger)
    assert (item.status, item.rows) == ("held", 24)
    batches.release(ledger, item.id, who="keiko", why="")
    await asyncio.gather(*(drain(tmp_path, ledger, kafka_bootstrap, topic) for _ in range(2)))
    assert len(await events_in(kafka_bootstrap, topic)) == 24
    assert await names_in(kafka_bootstrap, topic) == expected(24)


async def test_a_published_stream_is_a_batch(ledger, kafka_bootstrap, topic):
    body = b'{"specversion":"1.0","id":"%d","source":"/systems/juki","type":"resident.died","subject":"1",%s'
    data = b'"data":{"name":"n","died_on":"2026-11-20","effective_on":"2026-11-20"}}'
    lines = [body % (1, data), body % (2, b'"batchid":"mine",' + data), b"{", body % (3, data)]
    producer = Producer(kafka_bootstrap)
    result = await publish_stream(
        io.BytesIO(b"\n".join(lines)),
        city="moriguchi",
        producer=producer,
        ledger=ledger,
        topic=topic,
        name="in.jsonl",
    )
    await producer.stop()
    item = batches.show(ledger, result.batch_id)
    assert (item.source, item.label, item.status) == ("publish", "in.jsonl", "done")
    assert (item.rows, item.events, item.quarantined) == (3, {"resident.died": 2}, 1)
    assert (batches.show(ledger, "mine").rows, batches.show(ledger, "mine").status) == (1, "open")
    assert quarantine.count(ledger) == 1


async def test_a_large_held_file_takes_constant_memory(tmp_path, sqlite_ledger_url):
    class Nowhere:
        count = 0

        async def publish(self, _topic: str, records: Any, _headers: Any = ()) -> None:
            self.count += len(records)

    nowhere, ledger = Nowhere(), Ledger(sqlite_ledger_url)
    write(tmp_path, "A.csv", [f"{1000000 + n},{'n' * 20_000},2026-11-20" for n in range(4000)])  # 80 MB

    async def once() -> None:
        services = Services(nowhere, ledger, "t", "moriguchi", held=tmp_path / "held")
        await Intake([guarded_city.runner(tmp_path)], services).drain()

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await once()
    (item,), _ = batches.listing(ledger)
    assert (item.status, item.rows, nowhere.count) == ("held", 4000, 0)
    batches.release(ledger, item.id, who="keiko", why="")
    await once()
    assert nowhere.count == 4000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # KiB
