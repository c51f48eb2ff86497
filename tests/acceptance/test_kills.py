"""The spine through kill -9: 20 systems, 60 rules, processes and broker killed in the middle of their work.

What must come of it is counted by `bench`, apart from anything of the hub. `make torture N=200` kills so often.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy

from bench.check import verify
from bench.town import Stream, rules, stream, write_city
from hub.kafka.local import LocalBroker
from hub.kafka.topics import end_offsets, topic_info
from tests.acceptance.conftest import Shell
from tests.services.bury import expire_leases, forget_members

KILLS = int(os.environ.get("HUB_TORTURE", "10"))
EVENTS = 2_000  # a kill
LIMIT = 60.0  # seconds without progress


@dataclass
class Work:
    """How far the hub is with a stream, looked at from outside: in the ledger and in the systems' files."""

    city: Path
    url: str
    made: Stream
    _lines: dict[Path, tuple[int, int]] = field(default_factory=dict)  # file → (bytes read, lines)

    def done(self) -> float:
        """Return the share of the work that is done: of events in the ledger, lines in the files, and outcomes."""
        events, outcomes = self.ask("SELECT count(*) FROM event"), self.ask("SELECT count(*) FROM ending")
        return (events / self.made.events + (self.lines() + outcomes) / self.made.deliveries) / 3

    def lines(self) -> int:
        for file in (self.city / "out").glob("*.jsonl"):
            read, count = self._lines.get(file, (0, 0))
            with file.open("rb") as opened:
                opened.seek(read)
                fresh = opened.read()
            self._lines[file] = (read + len(fresh), count + fresh.count(b"\n"))
        return sum(count for _, count in self._lines.values())

    def ask(self, query: str) -> int:
        engine = sqlalchemy.create_engine(self.url, poolclass=sqlalchemy.NullPool)
        try:
            with engine.connect() as connection:
                return int(connection.exec_driver_sql(query).scalar_one() or 0)
        finally:
            engine.dispose()


def kill(process: subprocess.Popen[str], broker: LocalBroker | None = None) -> None:
    """Kill the whole process group with -9, and at the same moment the broker, which has a session of its own."""
    others = [broker.status().pid] if broker else []
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    for pid in others:
        os.kill(pid, signal.SIGKILL)
    process.communicate()


def until(reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for a moment of the work, or for the process's own end."""
    end = time.monotonic() + LIMIT
    while process.poll() is None and not reached():
        assert time.monotonic() < end, "it does not come so far"
        time.sleep(0.002)


@pytest.fixture
def city_of(tmp_path: Path, topic_prefix: str, database_url: str) -> Callable[[int], Work]:
    """Make the city, and a file of so many events, with repeats among them, that its systems are to be told of."""

    def make(events: int) -> Work:
        ruleset = rules()
        work = Work(tmp_path / "city", database_url, stream(ruleset, events, residents=events // 20))
        write_city(work.city, ruleset, topic_prefix)
        (work.city / "events.jsonl").write_bytes(b"".join(value + b"\n" for _, value in work.made.records))
        return work

    return make


@pytest.fixture
def chance() -> random.Random:
    """Chance that can be had again: HUB_SEED is printed with what fails."""
    seed = int(os.environ.get("HUB_SEED", time.time_ns() % 1_000_000))
    print(f"HUB_SEED={seed}")  # noqa: T201
    return random.Random(seed)  # noqa: S311


def live_and_die(work: Work, shell: Shell, broker: LocalBroker, chance: random.Random, moment: float) -> bool:
    """Drain until so much is done, and kill all at once, the broker sometimes too; say whether it was in mid-work."""
    before = work.done()
    process = shell.begin("drain")
    until(lambda: work.done() >= moment, process)
    time.sleep(chance.uniform(0, 0.02))
    dead = broker if chance.random() < 0.3 else None
    kill(process, dead)
    open_batches = work.ask("SELECT count(*) FROM receiver WHERE intent_batch IS NOT NULL")
    print(f"{before:.4f} → {work.done():.4f}, {open_batches} batches open, {'broker too' if dead else ''}")  # noqa: T201
    return before < work.done() < 1


def test_torture_processes_and_broker_killed_at_random_moments_tell_everybody_once_and_in_order(
    city_of, new_shell, topic_prefix, chance
):
    work = city_of(KILLS * EVENTS)
    shell = new_shell(work.city, HUB_LEDGER=work.url)
    broker = LocalBroker(work.city / "var", say=lambda _: None)
    midway = 0
    try:
        shell.json("kafka", "start")
        assert shell.json("publish", "events.jsonl")["accepted"] == len(work.made.records)
        for left in range(KILLS, 0, -1):
            done = work.done()
            moment = done + (1 - done) * chance.uniform(0.2, 1.8) / (left + 1)
            midway += live_and_die(work, shell, broker, chance, moment)
            if left > 1:  # after the last one, all that takes time is waited for
                broker.start()
                forget_members(broker.bootstrap, f"{topic_prefix}.dispatch")
                expire_leases(work.url)
        assert midway >= KILLS // 2
        assert shell.json("drain")["clear"]
    finally:
        broker.stop()
    assert verify(work.made, work.city / "out") == work.made.deliveries
    assert work.ask("SELECT sum(seen) FROM dedup") == len(work.made.records)
    assert work.ask("SELECT count(*) FROM ending") == work.made.deliveries


def test_a_publish_killed_midway_and_repeated_leaves_one_of_each(
    city_of, new_shell, topic_prefix, kafka_bootstrap, chance
):
    work = city_of(3000)
    shell = new_shell(work.city, HUB_LEDGER=work.url, HUB_KAFKA=kafka_bootstrap)
    topic, records = f"{topic_prefix}.events", len(work.made.records)

    def in_kafka() -> int:
        if asyncio.run(topic_info(kafka_bootstrap, topic)) is None:
            return 0
        return sum(asyncio.run(end_offsets(kafka_bootstrap, topic)).values())

    midway, before = 0, 0
    for killed in range(12):
        if midway and killed >= 3:
            break
        process = shell.begin("publish", "events.jsonl")
        moment = before + chance.randrange(1, records // 2)
        until(lambda moment=moment: in_kafka() >= moment, process)
        kill(process)
        now = in_kafka()
        print(f"killed after {now - before} of {records}")  # noqa: T201
        midway += before < now < before + records
        before = now
    assert midway
    assert shell.json("publish", "events.jsonl")["accepted"] == records
    drained = shell.json("drain")
    assert (drained["clear"], drained["events"]) == (True, work.made.events)
    assert drained["duplicates"] == in_kafka() - work.made.events
    assert verify(work.made, work.city / "out") == work.made.deliveries
