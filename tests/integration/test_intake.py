"""Intake on real files, a real Kafka and both ledgers: acknowledged only what is durable, whatever happens."""

import asyncio
import resource
import signal
import subprocess
import sys
import time
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from hub.kafka.topics import create_topic, end_offsets
from hub.ledger import quarantine, sources
from hub.ledger.engine import Ledger
from hub.ledger.quarantine import Entry
from hub.ledger.sources import Tally
from hub.stages.intake import Intake, Services
from tests.integration import intake_city
from tests.integration.intake_city import drain, write


@pytest.fixture
async def topic(kafka_bootstrap, topic_prefix):
    name = f"{topic_prefix}.events"
    await create_topic(kafka_bootstrap, name)
    return name


async def events_in(bootstrap: str, topic: str) -> list[dict[str, Any]]:
    """Read the topic to its end, partition by partition."""
    ends = {TopicPartition(topic, number): end for number, end in (await end_offsets(bootstrap, topic)).items() if end}
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    found = []
    try:
        consumer.assign(list(ends))
        await consumer.seek_to_beginning()
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += [{**orjson.loads(record.value), "key": record.key.decode()} for record in records]
    finally:
        await consumer.stop()
    return found


async def test_a_drain_waits_until_a_file_has_settled(tmp_path, ledger, kafka_bootstrap, topic):
    write(tmp_path, "A.csv", ["1000001,守口 太郎,2026-11-20"])
    counts = await drain(tmp_path, ledger, kafka_bootstrap, topic, settle="1s", after="keep")
    assert counts.tally.events == 1
    begun = time.monotonic()
    counts = await drain(tmp_path, ledger, kafka_bootstrap, topic, settle="20s", after="keep")  # nothing new: no wait
    assert time.monotonic() - begun < 10
    assert (counts.tally.events, counts.faults) == (0, {})


async def test_a_drain_says_what_it_did_not_wait_for(tmp_path, ledger, kafka_bootstrap, topic):
    write(tmp_path, "A.csv", ["1000001,守口 太郎,2026-11-20"])
    counts = await drain(tmp_path, ledger, kafka_bootstrap, topic, wait=1.0, settle="20s")
    assert counts.tally.events == 0
    assert [error.code for error in counts.faults.values()] == ["settling"]


async def test_a_dropped_file_is_in_kafka_its_broken_rows_in_quarantine(tmp_path, ledger, kafka_bootstrap, topic):
    path = write(tmp_path, "A.csv", ["1000001,守口 太郎,2026-11-20", "1000002,broken", "1000003,髙橋 花子,2026-11-21"])
    counts = await drain(tmp_path, ledger, kafka_bootstrap, topic)
    assert counts.tally == Tally(rows=3, events=2, quarantined=1)
    assert counts.faults == {}
    events = await events_in(kafka_bootstrap, topic)
    assert {(event["key"], event["subject"], event["data"]["name"]) for event in events} == {
        ("1000001", "1000001", "守口 太郎"),
        ("1000003", "1000003", "髙橋 花子"),
    }
    assert len({event["batchid"] for event in events}) == 1
    (item,), _ = quarantine.listing(ledger)
    assert (item.system, item.source, item.place) == ("koseki", "main", "in/A.csv:3")
    assert quarantine.show(ledger, item.no).raw.strip() == b"1000002,broken"
    assert not path.exists()
    assert [moved.name for moved in (tmp_path / "in/done").iterdir()] == ["A.csv"]


async def test_reading_again_adds_no_new_event(tmp_path, ledger, kafka_bootstrap, topic):
    for name in ("A.csv", "B.csv"):
        write(tmp_path, name, ["1000001,守口 太郎,2026-11-20", "x,y"])
        await drain(tmp_path, ledger, kafka_bootstrap, topic)
    assert len({event["id"] for event in await events_in(kafka_bootstrap, topic)}) == 1
    (item,), _ = quarantine.listing(ledger)
    assert item.seen == 2
    assert sources.load(ledger, "koseki", "main").tally.rows == 4


async def test_one_persons_reports_keep_their_order(tmp_path, ledger, kafka_bootstrap, topic, monkeypatch):
    monkeypatch.setattr(intake_city.file_source, "ROWS", 7)
    write(tmp_path, "A.csv", [f"{1000000 + n % 5},n{n:03},2026-11-20" for n in range(100)])
    await drain(tmp_path, ledger, kafka_bootstrap, topic)
    names: dict[str, list[str]] = {}
    for event in await events_in(kafka_bootstrap, topic):
        names.setdefault(event["subject"], []).append(event["data"]["name"])
    assert {subject: len(each) for subject, each in names.items()} == {str(1000000 + n): 20 for n in range(5)}
    assert all(each == sorted(each) for each in names.values())


@pytest.mark.parametrize("point", ["publish", "store", "acknowledge"])
async def test_killed_in_the_middle_of_a_file_nothing_is_lost(
    tmp_path, sqlite_ledger_url, kafka_bootstrap, topic, point
):
    path = write(tmp_path, "A.csv", [f"{1000000 + n},n{n},2026-11-20" for n in range(35)])
    command = [
        sys.executable,
        "-m",
        "tests.integration.intake_city",
        str(tmp_path),
        sqlite_ledger_url,
        kafka_bootstrap,
        topic,
    ]
    killed = await asyncio.to_thread(subprocess.run, [*command, point], timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert path.exists()
    await asyncio.to_thread(subprocess.run, [*command, "none"], timeout=60, check=True)
    events = await events_in(kafka_bootstrap, topic)
    assert {event["subject"] for event in events} == {str(1000000 + n) for n in range(35)}
    assert len({event["id"] for event in events}) == 35
    assert not path.exists()
    assert len(events) == (35 if point == "acknowledge" else 45), "what was not stored is read again, and only that"


async def test_a_large_file_takes_constant_memory(tmp_path, sqlite_ledger_url):
    class Nowhere:
        async def publish(self, *_: Any) -> None:
            pass

    name = "n" * 20_000
    write(tmp_path, "A.csv", [f"{1000000 + n},{name},2026-11-20" for n in range(4000)])  # 80 MB
    intake = Intake([intake_city.runner(tmp_path)], Services(Nowhere(), Ledger(sqlite_ledger_url), "t", "moriguchi"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts = await intake.drain()
    assert counts.tally.events == 4000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # KiB


def test_quarantine_counts_and_lists_alike_on_both_ledgers(ledger):
    entries = [
        Entry("intake", "juki", "sabun", f"a:{n}", "json", "wrong\x00", b"\x00\xff%d" % (n % 400)) for n in range(600)
    ]
    numbers = quarantine.add(ledger, entries)
    assert numbers[:200] == numbers[400:]
    assert quarantine.count(ledger) == 400
    items, cursor = quarantine.listing(ledger, limit=250)
    rest, end = quarantine.listing(ledger, limit=250, cursor=cursor)
    assert sorted(item.no for item in [*items, *rest]) == sorted(set(numbers))
    assert end is None
    quarantine.resolve(ledger, numbers[0], "resubmitted", "mended")
    shown = quarantine.show(ledger, numbers[0])
    assert (shown.raw, shown.seen, shown.status, shown.note) == (b"\x00\xff0", 2, "resubmitted", "mended")
