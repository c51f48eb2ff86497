"""Full extracts on both ledgers and a real Kafka, killed in the middle, and as large as a city."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from hub.ledger import batches, reviews
from hub.stages import reviewing
from tests.unit.stages.extract_city import City, row


@pytest.fixture
def city(tmp_path, ledger_url) -> Iterator[City]:
    made = City(tmp_path, shared=True, on="on_change=review", url=ledger_url)
    yield made
    made.close()


async def test_an_extract_is_compared_reviewed_held_and_let_go_alike_on_both_ledgers(city):
    rows = [row(str(number), 1, f"住民 {number}", "大日町1-1") for number in range(15)]
    await city.take("ZENKEN_1.csv", *rows)
    assert len(city.topic.events) == city.known == 15
    await city.take("SABUN_1.csv", row("3", 2, "住民 3", "金田町3-3"), row("99", 1, "住民 99", "大枝9-9"))
    city.later(hours=1)
    city.topic.events.clear()
    moved = [row("3", 2, "住民 3", "金田町3-3"), row("4", 2, "住民 4", "金田町4-4"), row("99", 1, "住民 99", "大枝9-9")]
    await city.take("ZENKEN_2.csv", *rows[:3], *moved[:2], *rows[5:14], moved[2])
    assert city.reviews() == [("waiting", "4", "changed: 住所"), ("waiting", "14", "missing")]
    items, _ = reviews.listing(city.ledger, subject="4")
    reviewing.accept(city.ledger, items[0].no, who="keiko", why="seen")
    assert await reviewing.publish_accepted(city.ledger, city.topic, "hub.events") == 1
    assert city.topic.told() == [("resident.moved", "4", "金田町4-4")]
    counts = await city.take("ZENKEN_3.csv", *rows[:2])
    assert counts.held
    batches.release(city.ledger, batches.held(city.ledger, "juki", "zenken"), who="keiko", why="so it is")
    await city.drain()
    assert city.batches()["ZENKEN_3.csv"][0] == "done"
    assert {subject for _, subject, _ in city.reviews()} == {*map(str, range(2, 15)), "99"}
    city.write("ZENKEN_4.csv", *rows)
    await city.hub.baseline("juki", "zenken")
    assert (city.known, city.reviews()) == (15, [])


@pytest.mark.parametrize("point", ["publish", "write", "keep", "advance", "finish", "acknowledge"])
async def test_killed_at_any_step_every_difference_is_told_once(
    tmp_path, sqlite_url, kafka_bootstrap, topic_prefix, point
):
    city = City(tmp_path, shared=True, url=sqlite_url)
    city.close()
    (tmp_path / "hub.yaml").write_text(f"city: example\nkafka: {{prefix: {topic_prefix}}}\n", "utf-8")
    rows = [row(str(number), 1, f"住民 {number}", "大日町1-1") for number in range(12)]
    city.write("ZENKEN_1.csv", *rows)
    command = [sys.executable, "-m", "tests.integration.extract_victim", str(tmp_path), sqlite_url, kafka_bootstrap]
    killed = await asyncio.to_thread(subprocess.run, [*command, point], timeout=60, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    await asyncio.to_thread(subprocess.run, [*command, "none"], timeout=60, check=True)
    city.write("ZENKEN_2.csv", row("0", 2, "住民 0", "京阪本通2-5-5"), *rows[1:])
    await asyncio.to_thread(subprocess.run, [*command, "none"], timeout=60, check=True)
    events = await events_in(kafka_bootstrap, f"{topic_prefix}.events")
    once = {event["id"]: event["subject"] for event in events}
    assert sorted(once.values()) == sorted([*map(str, range(12)), "0"])
    assert len(events) == (25 if point in {"publish", "write"} else 13), "only what was not known is told again"
    assert list((tmp_path / "in").glob("*.csv")) == []


async def events_in(bootstrap: str, topic: str) -> list[dict]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        parts = [TopicPartition(topic, number) for number in range(6)]
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        ends = sum((await consumer.end_offsets(parts)).values())
        found: list[dict] = []
        while len(found) < ends:
            for own in (await consumer.getmany(timeout_ms=500)).values():
                found += [orjson.loads(record.value) for record in own]
        return found
    finally:
        await consumer.stop()


def test_a_large_extract_takes_constant_memory(tmp_path):
    command = [sys.executable, "-m", "tests.integration.extract_peak", str(tmp_path), "3000", "12000"]
    one_heap = {**os.environ, "MALLOC_ARENA_MAX": "1"}  # else each thread that comes along has one of its own
    done = subprocess.run(command, check=True, timeout=120, stdout=subprocess.PIPE, env=one_heap)
    small, large = map(int, done.stdout.split())
    assert large - small < 15_000, "KiB; the larger extract is 20 MB larger"
