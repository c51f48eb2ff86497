"""A guarded source publishes a whole batch or holds it; nothing after a held one passes it."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from hub.adapters.contract import Row, SourceBatch
from hub.errors import BrokerUnavailable, LedgerUnavailable, Malformed, Transient
from hub.events.envelope import Event
from hub.ledger import batches, quarantine, sources
from hub.ledger.protected import Register
from hub.ledger.sources import Tally
from hub.ledger.views import EventFilter
from hub.routing.mapping import Ignored
from hub.settings.models import Guard, Protection
from hub.stages.held import HeldEvents
from hub.stages.intake import Intake, Services, SourceRunner
from tests.services.blank import blank_ledger

SIZE = 2
NOT_MORE_THAN_3 = Guard(rows=(0, 3))
ZONE = ZoneInfo("Asia/Tokyo")


class Files:
    """Files of texts, read two texts at a time; the position is the file and how much of it was read."""

    def __init__(self, **files: list[str]) -> None:
        self.files = dict(files)
        self.done: list[str] = []
        self.cut: str | None = None  # a file that changes while it is read
        self.reads = 0
        self.fault: Exception | None = None

    def read(self, after: dict[str, Any] | None) -> Iterator[SourceBatch]:
        self.reads += 1
        for name in sorted(self.files.keys() - set(self.done)):
            texts = self.files[name]
            start = after["read"] if after and after["file"] == name else 0
            while True:
                rows = [_row(name, number, text) for number, text in enumerate(texts)][start : start + SIZE]
                start += len(rows)
                last = start >= len(texts)
                unchanged = self.cut != name
                yield SourceBatch(rows, {"file": name, "read": start}, name, f"{name}@1", last and unchanged)
                if last:
                    break
        if self.fault is not None:
            raise self.fault

    def acknowledge(self, batch: SourceBatch) -> None:
        if batch.last:
            self.done.append(batch.label)


def _row(name: str, number: int, text: str) -> Row:
    error = Malformed("broken", code="csv") if text == "broken" else None
    return Row({"text": text}, f"{name}:{number + 1}", text.encode(), error)


class Mapper:
    def map(self, row: dict[str, Any], *, as_of_time: str) -> Event | Ignored:
        text = row["text"]
        if text == "skip":
            return Ignored("asked to")
        kind = "resident.died" if text.startswith("d") else "resident.moved"
        return Event(text, "/systems/juki", kind, 1, text[0], as_of_time, {"effective_on": "2026-01-01"})


class Topic:
    def __init__(self) -> None:
        self.ids: list[str] = []
        self.away = 0
        self.poison: str | None = None

    async def publish(self, _topic: str, records: Any, _headers: Any = ()) -> None:
        if self.away:
            self.away -= 1
            raise BrokerUnavailable("gone")
        bodies = [orjson.loads(value) for _, value in records]
        assert [key for key, _ in records] == [body["subject"].encode() for body in bodies]
        if self.poison in [body["id"] for body in bodies]:
            raise ValueError("cannot be sent")
        self.ids += [body["id"] for body in bodies]


class City:
    """One guarded source, and a clock that stands where it is set."""

    def __init__(self, folder, ledger):
        self.ledger = ledger
        self.topic = Topic()
        self.held = folder / "held"
        self.now = datetime(2026, 11, 20, 7, 0, tzinfo=ZONE)
        self.closed: set[Any] = set()

    def intake(self, source, guard=NOT_MORE_THAN_3, protection=None):
        services = Services(
            self.topic,
            self.ledger,
            "hub.events",
            "moriguchi",
            lambda: self.now.astimezone(UTC),
            self.held,
            ZONE,
            lambda day: day not in self.closed,
        )
        return Intake([SourceRunner("juki", "sabun", source, (Mapper(),), 0.01, guard, protection)], services)

    async def drain(self, source, guard=NOT_MORE_THAN_3, wait=5.0):
        return await self.intake(source, guard).drain(wait=wait)

    async def drain_list(self, source, **settings):
        return await self.intake(source, None, Protection(list="juki.sabun", **settings)).drain(wait=5.0)

    def statuses(self):
        return {item.id: item.status for item in batches.listing(self.ledger)[0]}

    def spools(self):
        return [path.name for path in self.held.glob("*.jsonl")]

    def decide(self, id_, decision=batches.release):
        return decision(self.ledger, id_, who="keiko", why="seen")


@pytest.fixture
def city(tmp_path):
    ledger = blank_ledger(tmp_path)
    yield City(tmp_path, ledger)
    ledger.close()


def listed(city, **wanted):
    return HeldEvents(city.ledger, city.held).page(EventFilter(**wanted), limit=100)[0]


async def test_a_batch_within_its_guard_is_published_as_a_whole(city):
    source = Files(a=["a1", "broken", "d1"])
    counts = await city.drain(source)
    assert city.topic.ids == ["a1", "d1"]
    assert counts.tally == sources.load(city.ledger, "juki", "sabun").tally == Tally(3, 2, 0, 1)
    assert source.done == ["a"]
    item = batches.show(city.ledger, "a@1")
    assert (item.status, item.rows, item.events, item.quarantined, item.label) == (
        "done",
        3,
        {"resident.died": 1, "resident.moved": 1},
        1,
        "a",
    )
    assert quarantine.count(city.ledger) == 1
    assert city.spools() == []


async def test_nothing_of_a_batch_outside_its_guard_reaches_kafka(city):
    source = Files(a=["a1", "a2", "skip", "d1"])
    counts = await city.drain(source)
    assert city.topic.ids == []
    assert source.done == ["a"], "what is durable in the hub is taken from the sender"
    assert counts.held == {"juki.sabun": "a@1"}
    assert counts.faults == {}
    item = batches.show(city.ledger, "a@1")
    assert (item.status, item.reason, item.rows) == ("held", "4 rows, more than 3", 4)
    assert [event["id"] for event in listed(city)] == ["a1", "a2", "d1"]
    assert {(event["status"], event["batch"]) for event in listed(city)} == {("held-batch", "a@1")}
    assert [event["id"] for event in listed(city, types=("resident.died",))] == ["d1"]
    assert [event["id"] for event in listed(city, subject="a", batch="a@1")] == ["a1", "a2"]
    assert listed(city, batch="other") == listed(city, statuses=(0,)) == []


async def test_held_events_are_walked_by_cursor(city):
    await city.drain(Files(a=[f"a{n}" for n in range(7)]))
    held, seen, cursor = HeldEvents(city.ledger, city.held), [], None
    while True:
        items, cursor = held.page(EventFilter(), limit=3, cursor=cursor)
        seen.append([item["id"] for item in items])
        if cursor is None:
            break
    assert seen == [["a0", "a1", "a2"], ["a3", "a4", "a5"], ["a6"]]


async def test_released_it_is_published_in_order_before_what_came_after(city):
    source = Files(a=["a1", "a2", "a3", "a4"], b=["a5"])
    await city.drain(source)
    assert city.topic.ids == []
    assert source.done == ["a"]
    city.decide("a@1")
    counts = await city.drain(source)
    assert city.topic.ids == ["a1", "a2", "a3", "a4", "a5"]
    assert city.statuses() == {"a@1": "done", "b@1": "done"}
    assert (city.spools(), counts.held, listed(city)) == ([], {}, [])


async def test_rejected_nothing_of_it_is_published_and_the_next_goes_on(city):
    source = Files(a=["a1", "a2", "a3", "a4"], b=["b1"])
    await city.drain(source)
    city.decide("a@1", batches.reject)
    await city.drain(source)
    assert city.topic.ids == ["b1"]
    assert city.statuses() == {"a@1": "rejected", "b@1": "done"}
    assert listed(city) == []


async def test_a_running_intake_publishes_what_is_released_meanwhile(city, monkeypatch):
    monkeypatch.setattr("hub.stages.release.EVERY", 0.01)
    monkeypatch.setattr("hub.stages.reader._LOOK", 0.01)
    source, stop = Files(a=["a1", "a2", "a3", "a4"], b=["b1"]), asyncio.Event()
    running = asyncio.create_task(city.intake(source).run(stop))
    await until(lambda: city.statuses() == {"a@1": "held"})
    city.decide("a@1")
    await until(lambda: city.statuses() == {"a@1": "done", "b@1": "done"})
    assert city.topic.ids == ["a1", "a2", "a3", "a4", "b1"]
    stop.set()
    await running


async def until(condition, limit=5.0):
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "not in time"
        await asyncio.sleep(0.005)


async def test_a_source_whose_guard_was_taken_away_waits_all_the_same(city):
    source = Files(a=["a1", "a2", "a3", "a4"], b=["b1"])
    await city.drain(source)
    await city.drain(source, guard=None)
    assert city.topic.ids == []
    city.decide("a@1")
    await city.drain(source, guard=None)
    assert city.topic.ids == ["a1", "a2", "a3", "a4", "b1"]


async def test_a_size_out_of_the_usual_is_held(city):
    guard = Guard(change="50%")
    source = Files(a=["a1", "a2"], b=["b1", "b2", "b3"], c=["c1"], d=["d1", "d2", "d3", "d4"])
    await city.drain(source, guard)
    assert city.statuses() == {"a@1": "done", "b@1": "done", "c@1": "held"}
    assert "more than 50% away from the usual 2.5" in batches.show(city.ledger, "c@1").reason


async def test_too_many_of_one_type_are_held(city):
    await city.drain(Files(a=["d1", "d2", "a1"]), Guard(per_event={"resident.died": 1}))
    assert batches.show(city.ledger, "a@1").reason == "2 resident.died, more than 1"


async def test_an_empty_file_can_be_held(city):
    source = Files(a=[])
    await city.drain(source, Guard(rows=(1, 10)))
    assert (city.statuses(), source.done) == ({"a@1": "held"}, ["a"])
    city.decide("a@1")
    await city.drain(source, Guard(rows=(1, 10)))
    assert city.statuses() == {"a@1": "done"}


async def test_a_file_that_changed_while_it_was_read_is_read_anew(city):
    source = Files(a=["a1", "a2", "a3"], b=["b1"])
    source.cut = "a"
    await city.drain(source)
    assert (city.topic.ids, source.done, city.spools()) == (["b1"], ["b"], [])
    source.cut = None
    await city.drain(source)
    assert city.topic.ids == ["b1", "a1", "a2", "a3"]


async def test_a_reading_that_fails_leaves_nothing_behind(city):
    source = Files(a=["a1", "a2", "a3"])
    source.cut, source.fault = "a", Transient("the share is away", code="away")
    counts = await city.drain(source)
    assert list(counts.faults) == ["juki.sabun"]
    assert (city.topic.ids, city.spools(), city.statuses()) == ([], [], {})


async def test_kafka_away_is_waited_out_and_no_chunk_is_left_out(city, monkeypatch):
    monkeypatch.setattr("hub.stages.spool.CHUNK", 1)
    city.topic.away = 1
    await city.drain(Files(a=["a1", "a2", "a3"]))
    assert city.topic.ids == ["a1", "a2", "a3"]


@pytest.mark.parametrize("step", ["_keep_held", "_keep_published"])
async def test_a_ledger_that_answers_too_late_loses_nothing(city, monkeypatch, step):
    from hub.stages.gate import Gate

    keep, calls = getattr(Gate, step), []

    def lost(*arguments):
        result = keep(*arguments)
        calls.append(result)
        if len(calls) == 1:
            raise LedgerUnavailable("written, but the answer was lost")
        return result

    monkeypatch.setattr(Gate, step, lost)
    source = Files(a=["a1", "a2", "a3", "a4"][: 4 if step == "_keep_held" else 3])
    await city.drain(source)
    assert len(calls) == 2
    if step == "_keep_held":
        city.decide("a@1")
        await city.drain(source)
    assert sorted(set(city.topic.ids)) == ["a1", "a2", "a3", "a4"][: len(source.files["a"])]
    assert city.statuses() == {"a@1": "done"}


async def test_a_crash_after_it_was_held_reads_nothing_twice(city):
    guard = Guard(rows=(1, 3))
    source = Files(a=["a1", "a2", "a3", "a4"])
    await city.drain(source, guard)
    source.done.clear()  # killed before the source was acknowledged
    for decision in ("release", "nothing more"):
        if decision == "release":
            city.decide("a@1")
        await city.drain(source, guard)
    assert city.topic.ids == ["a1", "a2", "a3", "a4"]
    assert (city.statuses(), source.done) == ({"a@1": "done"}, ["a"])


async def test_a_crash_after_it_was_published_does_not_make_an_empty_batch_of_it(city):
    guard = Guard(rows=(1, 3))
    source = Files(a=["a1", "a2", "a3"])
    await city.drain(source, guard)
    source.done.clear()  # killed before the source was acknowledged
    await city.drain(source, guard)
    assert (city.statuses(), source.done, city.topic.ids) == ({"a@1": "done"}, ["a"], ["a1", "a2", "a3"])
    assert batches.show(city.ledger, "a@1").rows == 3


async def test_a_rejected_file_brought_again_is_judged_again(city):
    source = Files(a=["a1", "a2", "a3", "a4"], b=["b1"])
    await city.drain(source)
    city.decide("a@1", batches.reject)
    await city.drain(source)
    source.done.clear()
    await city.drain(source)
    item = batches.show(city.ledger, "a@1")
    assert (item.status, city.topic.ids) == ("held", ["b1"])
    assert item.reason.endswith("rejected before by keiko: seen")


async def test_spools_that_a_crash_left_are_swept_and_those_held_are_not(city):
    source = Files(a=["a1", "a2", "a3", "a4"])
    await city.drain(source)
    (city.held / "juki.sabun.0123.jsonl").write_bytes(b"left")
    (kept,) = [name for name in city.spools() if "0123" not in name]
    await city.drain(source)
    assert city.spools() == [kept]


@pytest.mark.parametrize("damage", ["gone", "changed"])
async def test_a_released_batch_whose_records_are_damaged_is_held_again(city, damage):
    await city.drain(Files(a=["a1", "a2", "a3", "a4"]))
    (path,) = city.held.glob("*.jsonl")
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b"{}\n")
    city.decide("a@1")
    await city.drain(Files())
    item = batches.show(city.ledger, "a@1")
    assert (item.status, city.topic.ids) == ("held", [])
    assert damage in item.reason


async def test_another_machine_leaves_a_released_batch_alone(city, tmp_path):
    await city.drain(Files(a=["a1", "a2", "a3", "a4"]))
    city.decide("a@1")
    here, city.held = city.held, tmp_path / "other"
    await city.drain(Files())
    assert city.statuses() == {"a@1": "released"}
    city.held = here
    await city.drain(Files())
    assert city.topic.ids == ["a1", "a2", "a3", "a4"]


async def test_kafka_refusing_one_event_quarantines_it_whole(city):
    city.topic.poison = "a2"
    await city.drain(Files(a=["a1", "a2", "a3", "a4"]))
    city.decide("a@1")
    await city.drain(Files())
    assert city.topic.ids == ["a1", "a3", "a4"]
    (item,), _ = quarantine.listing(city.ledger)
    assert (item.place, item.code) == ("a: event 2", "fault")
    assert orjson.loads(quarantine.show(city.ledger, item.no).raw)["id"] == "a2"
    done = batches.show(city.ledger, "a@1")
    assert (done.status, done.events, done.quarantined) == ("done", {"resident.moved": 3}, 1)


async def test_a_producer_that_is_broken_leaves_a_batch_released(city, monkeypatch):
    await city.drain(Files(a=["a1", "a2", "a3", "a4"]))
    city.decide("a@1")
    publish = city.topic.publish

    async def broken(*_):
        raise RuntimeError("the producer is broken")

    monkeypatch.setattr(city.topic, "publish", broken)
    counts = await city.drain(Files())
    assert "the producer is broken" in str(counts.faults["a@1"])
    assert city.statuses() == {"a@1": "released"}
    monkeypatch.setattr(city.topic, "publish", publish)
    assert (await city.drain(Files())).faults == {}
    assert city.statuses() == {"a@1": "done"}


async def test_whom_a_held_batch_protects_is_protected_at_once(city):
    class Protecting(Mapper):
        def map(self, row, *, as_of_time):
            event = super().map(row, as_of_time=as_of_time)
            if row["text"] == "p3":
                event.type = "resident.protection-started"
                event.data["together_with"] = ["1000007"]
            return event

    intake = city.intake(Files(a=["a1", "b2", "p3", "d4"]))
    intake._readers[0]._runner = replace(intake._readers[0]._runner, mappers=(Protecting(),))
    await intake.drain()
    assert city.statuses() == {"a@1": "held"}
    assert Register(city.ledger)(["a", "p", "1000007"]) == {"p": True, "1000007": True}


async def test_what_is_held_does_not_count_as_read(city):
    source = Files(a=["a1"])
    await city.drain(source)
    before = sources.load(city.ledger, "juki", "sabun").read_at
    assert before
    await asyncio.sleep(0.01)
    source.files["b"] = ["a1", "a2", "a3", "a4"]
    await city.drain(source)
    assert sources.load(city.ledger, "juki", "sabun").read_at == before
    city.decide("b@1")
    await city.drain(source)
    state = sources.load(city.ledger, "juki", "sabun")
    assert state.read_at > before
    assert (state.position["file"], state.tally.rows) == ("b", 5)


async def test_unguarded_batches_are_recorded_too(city):
    await city.drain(Files(a=["a1", "broken", "d1", "skip", "d2"]), guard=None)
    item = batches.show(city.ledger, "a@1")
    assert (item.status, item.rows, item.events, item.quarantined) == (
        "done",
        5,
        {"resident.died": 2, "resident.moved": 1},
        1,
    )
    assert not city.held.exists()


# --- what does not come -----------------------------------------------------------------------------------------------

DAILY = Guard(missing_file_by="07:30")


def missing(city):
    return [item.id for item in batches.listing(city.ledger, statuses=["missing"])[0]]


async def test_a_file_that_does_not_come_is_missed_once_and_found_when_it_comes(city):
    source = Files()
    await city.drain(source, DAILY)
    assert missing(city) == []
    city.now = city.now.replace(minute=30)
    for _ in range(2):
        await city.drain(source, DAILY)
    assert missing(city) == ["missing/2026-11-20"]
    assert batches.show(city.ledger, "missing/2026-11-20").reason == "nothing had come on 2026-11-20 by 07:30"
    source.files["a"] = ["a1"]
    await city.drain(source, DAILY)
    assert city.statuses() == {"missing/2026-11-20": "done", "a@1": "done"}
    city.now = city.now.replace(day=21, hour=7, minute=29)
    await city.drain(source, DAILY)
    assert missing(city) == []
    city.now = city.now.replace(minute=31)
    await city.drain(source, DAILY)
    assert missing(city) == ["missing/2026-11-21"]


async def test_a_file_of_the_same_day_is_enough(city):
    source = Files(a=["a1"])
    await city.drain(source, DAILY)
    city.now = city.now.replace(hour=9)
    await city.drain(source, DAILY)
    assert missing(city) == []


async def test_the_day_is_the_citys_and_not_universal_time(city):
    city.now = datetime(2026, 11, 19, 23, 30, tzinfo=ZONE)
    source = Files(a=["a1"])
    await city.drain(source, DAILY)
    city.now = datetime(2026, 11, 20, 7, 30, tzinfo=ZONE)
    await city.drain(source, DAILY)
    assert missing(city) == ["missing/2026-11-20"]


async def test_nothing_is_missed_on_a_closed_day(city):
    city.now = city.now.replace(hour=9)
    city.closed = {city.now.date()}
    await city.drain(Files(), DAILY)
    assert missing(city) == []


async def test_a_file_that_waits_to_be_read_is_missed_only_if_it_is_not_there(city):
    city.now = city.now.replace(hour=9)
    await city.drain(Files(a=["a1"]), DAILY)
    assert missing(city) == []


async def test_a_source_that_cannot_be_read_is_missed_with_the_reason(city):
    source = Files()
    source.fault = Transient("the share is away", code="away")
    city.now = city.now.replace(hour=9)
    await city.drain(source, DAILY)
    assert batches.show(city.ledger, "missing/2026-11-20").reason.endswith("(the share is away)")


async def test_nothing_is_missed_behind_a_held_batch(city):
    guard = Guard(missing_file_by="07:30", rows=(0, 3))
    await city.drain(Files(a=["a1", "a2", "a3", "a4"]), guard)
    city.now = city.now.replace(day=21, hour=9)
    await city.drain(Files(), guard)
    assert missing(city) == []


# --- the list of protected residents ---------------------------------------------------------------------------------


async def test_an_empty_list_of_protected_residents_is_held_and_does_not_count_as_read(city):
    await city.drain_list(Files(a=["p1"]))
    read_at = sources.load(city.ledger, "juki", "sabun").read_at
    await city.drain_list(Files(b=[]))
    item = batches.show(city.ledger, "b@1")
    assert (item.status, item.reason) == ("held", "the list of protected residents is empty")
    assert sources.load(city.ledger, "juki", "sabun").read_at == read_at


async def test_an_empty_list_is_accepted_where_that_is_said(city):
    await city.drain_list(Files(a=["p1"]))
    await city.drain_list(Files(b=[]), empty="accept")
    assert city.statuses() == {"a@1": "done", "b@1": "done"}


async def test_a_list_of_which_too_much_has_vanished_is_held(city):
    twenty = [f"p{number}" for number in range(20)]
    await city.drain_list(Files(a=twenty))
    await city.drain_list(Files(b=twenty[:19]))
    await city.drain_list(Files(c=twenty[:18]))
    assert city.statuses() == {"a@1": "done", "b@1": "done", "c@1": "held"}
    reason = "18 rows, more than 5% fewer than in the last list of protected residents (19)"
    assert batches.show(city.ledger, "c@1").reason == reason


async def test_a_list_with_others_in_the_place_of_those_who_vanished_is_held(city):
    await city.drain_list(Files(a=list("abcdefghijklmnopqrst")))
    await city.drain_list(Files(b=list("abcdefghijklmnopqrs0")))
    await city.drain_list(Files(c=list("abcdefghijklmnopq123")))
    assert city.statuses() == {"a@1": "done", "b@1": "done", "c@1": "held"}
    reason = "3 of 20 residents whom the last list of protected residents named are not in it, more than 5%"
    assert batches.show(city.ledger, "c@1").reason == reason
    city.decide("c@1")
    await city.drain_list(Files(d=list("abcdefghijklmnopq123")))
    assert city.statuses()["d@1"] == "done", "what a person has let go is what the next is held to"


async def test_a_list_of_which_rows_cannot_be_read_is_held(city):
    await city.drain_list(Files(a=["p1", "broken"]))
    reason = "1 row of the list of protected residents cannot be read"
    assert batches.show(city.ledger, "a@1").reason == reason


class Table:
    """A table with a growing column, of which the new rows are read."""

    keeps_rows = True

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)

    def read(self, after: dict[str, Any] | None) -> Iterator[SourceBatch]:
        begin = after["read"] if after else 0
        rows = [_row("list", number, text) for number, text in enumerate(self.texts)][begin:]
        if rows:
            yield SourceBatch(rows, {"read": begin + len(rows)}, "list", f"list@{begin}")

    def acknowledge(self, batch: SourceBatch) -> None:
        """Do nothing."""


def read_at(city):
    return sources.load(city.ledger, "juki", "sabun").read_at


async def test_a_table_without_new_rows_is_read_all_the_same(city):
    table = Table("p1", "q1")
    await city.drain_list(table)
    with city.ledger.write() as connection:
        sources.refresh(connection, "juki", "sabun", 1)
    await city.drain_list(table)
    assert read_at(city) > 1
    table.texts.append("r1")
    await city.drain_list(table)
    assert city.topic.ids == ["p1", "q1", "r1"], "few new rows are no list that has shrunk"


async def test_a_table_whose_rows_are_gone_is_held_and_does_not_count_as_read(city):
    table = Table(*"abcdefghij")
    await city.drain_list(table)
    with city.ledger.write() as connection:
        sources.refresh(connection, "juki", "sabun", 1)
    table.texts[8:] = ["x", "y"]  # as many others
    await city.drain_list(table)
    (held,) = [item for item in batches.listing(city.ledger)[0] if item.status == "held"]
    assert held.reason.startswith("2 of 10 residents whom the last list")
    assert read_at(city) == 1
    city.decide(held.id)
    await city.drain_list(table)
    assert read_at(city) > 1
    table.texts.clear()
    await city.drain_list(table)
    reasons = [item.reason for item in batches.listing(city.ledger)[0] if item.status == "held"]
    assert reasons == ["the list of protected residents is empty"]


async def test_whom_a_table_names_is_protected_although_a_batch_of_it_waits_for_a_person(city):
    class Protecting(Mapper):
        def map(self, row, *, as_of_time):
            event = super().map(row, as_of_time=as_of_time)
            event.type = "resident.protection-started"
            event.data = {"effective_on": "2026-01-01", "kind": "dv"}
            return event

    table = Table("a", "b")

    async def drain():
        intake = city.intake(table, None, Protection(list="juki.sabun"))
        intake._readers[0]._runner = replace(intake._readers[0]._runner, mappers=(Protecting(),))
        intake._readers[0]._list._runner = intake._readers[0]._runner
        await intake.drain(wait=5.0)

    await drain()
    table.texts[:] = ["c"]
    await drain()
    assert "held" in city.statuses().values()
    table.texts.append("d")
    await drain()
    assert set(Register(city.ledger)("abcd")) >= {"c", "d"}
