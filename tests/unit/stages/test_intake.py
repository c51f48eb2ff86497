"""Intake acknowledges only what is durable, and one bad row, file or source holds up nothing else."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from hub.adapters.contract import Row, SourceBatch
from hub.errors import BrokerUnavailable, LedgerUnavailable, Malformed, Transient
from hub.events.envelope import Event
from hub.ledger import quarantine, sources
from hub.ledger.sources import Tally
from hub.routing.mapping import Ignored
from hub.stages.intake import Intake, Services, SourceRunner


class Lines:
    """A source of numbered texts in batches of two; its position is how many were read."""

    def __init__(self, texts: list[str], journal: list[str], size: int = 2) -> None:
        self.texts = texts
        self.journal = journal
        self.size = size
        self.acknowledged = 0
        self.fault: Exception | None = None
        self.busy = threading.Lock()

    def read(self, after: dict[str, Any] | None) -> Iterator[SourceBatch]:
        assert self.busy.acquire(blocking=False), "two at once"
        try:
            if self.fault is not None:
                raise self.fault
            start = after["read"] if after else 0
            while start < len(self.texts):
                texts = self.texts[start : start + self.size]
                rows = [_row(text, start + number) for number, text in enumerate(texts)]
                start += len(texts)
                yield SourceBatch(rows, {"read": start}, label="lines", batch_id="B1")
        finally:
            self.busy.release()

    def acknowledge(self, batch: SourceBatch) -> None:
        self.journal.append(f"acknowledge {batch.position['read']}")
        self.acknowledged = batch.position["read"]


def _row(text: str, number: int) -> Row:
    error = Malformed("broken", code="csv") if text == "broken" else None
    return Row({"text": text}, f"lines:{number + 1}", text.encode(), error)


class Mapper:
    def map(self, row: dict[str, Any], *, as_of_time: str) -> Event | Ignored:
        text = row["text"]
        if text == "skip":
            return Ignored("asked to")
        if text == "wrong":
            raise Malformed("no such code", code="lookup", mend="add it")
        if text == "bug":
            raise ZeroDivisionError("oops")
        return Event(text, "/systems/juki", "resident.moved", 1, text[0], as_of_time, {"effective_on": "2026-01-01"})


class Topic:
    """A producer that remembers; `away` calls fail first, and `poison` can never be published."""

    def __init__(self, journal: list[str]) -> None:
        self.journal = journal
        self.ids: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.away = 0
        self.poison: str | None = None

    async def publish(self, _topic: str, records: Any, _headers: Any = ()) -> None:
        if self.away:
            self.away -= 1
            raise BrokerUnavailable("gone")
        bodies = [orjson.loads(value) for _, value in records]
        if self.poison in [body["id"] for body in bodies]:
            raise ValueError("cannot be sent")
        self.journal.append(f"publish {len(records)}")
        self.bodies += bodies
        self.ids += [body["id"] for body in bodies]


@pytest.fixture
def journal() -> list[str]:
    return []


@pytest.fixture
def topic(journal):
    return Topic(journal)


def intake_of(ledger, topic, **named):
    runners = [SourceRunner("juki", name, source, (Mapper(),), every=0.01) for name, source in named.items()]
    return Intake(runners, Services(topic, ledger, "hub.events", "moriguchi"))


async def until(condition, limit=5.0):
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "not in time"
        await asyncio.sleep(0.005)


async def test_every_row_is_an_event_ignored_or_quarantined(ledger, topic, journal):
    source = Lines(["a1", "wrong", "broken", "skip", "bug", "b1"], journal)
    counts = await intake_of(ledger, topic, lines=source).drain()
    assert topic.ids == ["a1", "b1"]
    assert counts.tally == Tally(rows=6, events=2, ignored=1, quarantined=3)
    items, _ = quarantine.listing(ledger)
    assert [(item.place, item.code) for item in reversed(items)] == [
        ("lines:2", "lookup"),
        ("lines:3", "csv"),
        ("lines:5", "fault"),
    ]
    assert items[2].message == "no such code (add it)"
    assert quarantine.show(ledger, items[1].no).raw == b"broken"
    assert "ZeroDivisionError" in items[0].message


async def test_events_carry_the_batch_they_came_in(ledger, topic, journal):
    await intake_of(ledger, topic, lines=Lines(["a1"], journal)).drain()
    assert topic.bodies[0]["batchid"] == "B1"


async def test_a_batch_is_acknowledged_after_kafka_and_the_ledger_have_it(ledger, topic, journal, monkeypatch):
    advance = sources.advance

    def noted(*arguments, **named):
        journal.append(f"store {named['position']['read']}")
        advance(*arguments, **named)

    monkeypatch.setattr(sources, "advance", noted)
    await intake_of(ledger, topic, lines=Lines(["a1", "a2", "a3"], journal)).drain()
    assert journal == ["publish 2", "store 2", "acknowledge 2", "publish 1", "store 3", "acknowledge 3"]


async def test_nothing_is_acknowledged_while_kafka_is_away(ledger, topic, journal):
    topic.away = 2
    source = Lines(["a1"], journal)
    intake = intake_of(ledger, topic, lines=source)
    stop = asyncio.Event()
    running = asyncio.create_task(intake.run(stop))
    await until(lambda: intake.status()[0].fault is not None)
    assert isinstance(intake.status()[0].fault, BrokerUnavailable)
    assert source.acknowledged == 0
    assert sources.load(ledger, "juki", "lines").position is None
    await until(lambda: source.acknowledged == 1)
    await until(lambda: intake.status()[0].fault is None)
    stop.set()
    await running
    assert topic.ids == ["a1"]


async def test_a_ledger_that_is_away_is_waited_out_without_publishing_twice(ledger, topic, journal, monkeypatch):
    advance, faults = sources.advance, [LedgerUnavailable("locked"), LedgerUnavailable("locked")]

    def locked(*arguments, **named):
        if faults:
            raise faults.pop()
        advance(*arguments, **named)

    monkeypatch.setattr(sources, "advance", locked)
    source = Lines(["a1"], journal)
    await intake_of(ledger, topic, lines=source).drain()
    assert (topic.ids, source.acknowledged) == (["a1"], 1)


async def test_a_drain_gives_up_on_kafka_after_its_wait(ledger, topic, journal):
    topic.away = 1000
    source = Lines(["a1"], journal)
    with pytest.raises(BrokerUnavailable):
        await intake_of(ledger, topic, lines=source).drain(wait=0.3)
    assert source.acknowledged == 0


async def test_a_crash_before_the_position_is_stored_only_reads_again(ledger, topic, journal, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(sources, "advance", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("killed")))
        counts = await intake_of(ledger, topic, lines=Lines(["a1"], journal)).drain()
        assert "killed" in str(counts.faults["juki.lines"])
    source = Lines(["a1"], journal)
    await intake_of(ledger, topic, lines=source).drain()
    assert set(topic.ids) == {"a1"}
    assert source.acknowledged == 1


async def test_a_position_is_resumed(ledger, topic, journal):
    sources.save(ledger, "juki", "lines", {"read": 2}, by="keiko", reason="again")
    await intake_of(ledger, topic, lines=Lines(["a1", "a2", "a3"], journal)).drain()
    assert topic.ids == ["a3"]


async def test_one_source_that_cannot_be_read_holds_up_no_other(ledger, topic, journal):
    bad, good = Lines(["a1"], journal), Lines(["b1"], journal)
    bad.fault = PermissionError(13, "Permission denied", "in/juki")
    intake = intake_of(ledger, topic, bad=bad, good=good)
    counts = await intake.drain()
    assert topic.ids == ["b1"]
    assert list(counts.faults) == ["juki.bad"]
    stored = sources.load(ledger, "juki", "bad").fault
    assert stored["code"] == "unreadable"
    assert "in/juki" in stored["message"]


async def test_a_source_is_tried_again_and_its_fault_is_over_when_it_works(ledger, topic, journal):
    source = Lines(["a1"], journal)
    source.fault = Transient("the share is away", code="away")
    intake = intake_of(ledger, topic, lines=source)
    stop = asyncio.Event()
    running = asyncio.create_task(intake.run(stop))
    await until(lambda: (sources.load(ledger, "juki", "lines").fault or {}).get("code") == "away")
    source.fault = None
    await until(lambda: sources.load(ledger, "juki", "lines").fault is None)
    stop.set()
    await running
    assert topic.ids == ["a1"]
    assert sources.load(ledger, "juki", "lines").tally == Tally(rows=1, events=1)


async def test_a_record_that_cannot_be_published_is_found_and_quarantined(ledger, topic, journal):
    topic.poison = "a3"
    source = Lines(["a1", "a2", "a3", "b1", "a4"], journal, size=5)
    counts = await intake_of(ledger, topic, lines=source).drain()
    assert topic.ids == ["a1", "a2", "b1", "a4"]
    assert counts.tally == Tally(rows=5, events=4, quarantined=1)
    (item,), _ = quarantine.listing(ledger)
    assert (item.place, item.code) == ("lines:3", "fault")
    assert source.acknowledged == 5


async def test_when_nothing_can_be_published_no_record_is_blamed(ledger, topic, journal, monkeypatch):
    async def broken(*_):
        raise RuntimeError("the producer is broken")

    monkeypatch.setattr(topic, "publish", broken)
    source = Lines(["a1", "a2"], journal)
    counts = await intake_of(ledger, topic, lines=source).drain()
    assert "the producer is broken" in str(counts.faults["juki.lines"])
    assert quarantine.count(ledger) == 0
    assert source.acknowledged == 0


async def test_it_stops_while_kafka_is_away(ledger, topic, journal):
    topic.away = 1000
    intake = intake_of(ledger, topic, lines=Lines(["a1"], journal))
    stop = asyncio.Event()
    running = asyncio.create_task(intake.run(stop))
    await until(lambda: intake.status()[0].fault is not None)
    stop.set()
    await asyncio.wait_for(running, 2)


async def test_an_event_too_large_with_its_batch_is_quarantined(ledger, topic, journal):
    class Large(Mapper):
        def map(self, row, *, as_of_time):
            event = super().map(row, as_of_time=as_of_time)
            event.data["reason"] = "あ" * 90_000
            return event

    runner = SourceRunner("juki", "lines", Lines(["a1"], journal), (Large(),))
    await Intake([runner], Services(topic, ledger, "hub.events", "moriguchi")).drain()
    (item,), _ = quarantine.listing(ledger)
    assert item.code == "too-large"
