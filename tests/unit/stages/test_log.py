"""The log reader gives the same log from memory and from the ledger, whatever the cursor, in bounded memory."""

import asyncio
from bisect import bisect_left
from itertools import accumulate

import orjson
import pytest

from hub.errors import LedgerUnavailable
from hub.ledger.log import Logged
from hub.ledger.places import stream_of
from hub.routing.rules import RuleSet
from hub.settings.models import City, Receiver, Subscription, System
from hub.stages import log as log_module
from hub.stages.entries import ActiveRules, Chunk, Entry, Item, pack_plan
from hub.stages.log import LogReader

STREAM = stream_of(1, 0)
FIRST = STREAM << 40
RECEIVER = 7


def rules_of():
    rule = Subscription(id="r", system="kokuho", on=("resident.died",), send=("name",))
    receiver = Receiver(name="main", system="kokuho", adapter="jsonl")
    city = City(systems={"kokuho": System(system="kokuho", subscribes=(rule,), receives={"main": receiver})})
    return ActiveRules(1, RuleSet.of(city), {"kokuho.main": RECEIVER})


RULES = rules_of()


def body(offset, stream=STREAM):
    return orjson.dumps(
        {
            "id": f"{stream & 4095}-{offset}",
            "source": "/systems/juki",
            "type": "jp.lg.moriguchi.resident.died.v1",
            "subject": str(offset % 3),
            "data": {"name": "守口"},
        }
    )


class Ledger:
    """The log's rows, and how often they were read."""

    def __init__(self):
        self.rows = {}
        self.ends = {}
        self.reads = []
        self.fault = None

    def add(self, stream, count):
        start = self.ends.get(stream, 0)
        for offset in range(start, start + count):
            pos = (stream << 40) + offset
            plan = pack_plan([Item(0, 0)]) if offset % 4 else pack_plan([])
            self.rows[pos] = Logged(pos, 1, plan, body(offset, stream))
        self.ends[stream] = start + count
        return self.chunk(stream, start, start + count)

    def chunk(self, stream, start, end):
        chunk = Chunk(stream, (stream << 40) + start - 1, (stream << 40) + end - 1, 0)
        for offset in range(start, end):
            row = self.rows[(stream << 40) + offset]
            items = [Item(0, 0)] if offset % 4 else []
            chunk.add(Entry.of(row.pos, row.body, RULES), RULES.plan(items), len(row.body))
        return chunk

    def positions(self):
        return dict(self.ends)

    def read(self, stream, after, upto, limit, size):
        self.reads.append((after, upto))
        if self.fault is not None:
            raise self.fault
        wanted = range(max(after, (stream << 40) - 1) + 1, upto + 1)
        found = [self.rows[pos] for pos in wanted if pos in self.rows][:limit]
        return found[: 1 + bisect_left(list(accumulate(len(row.body) for row in found)), size)]


@pytest.fixture
def ledger():
    return Ledger()


@pytest.fixture
def reader(ledger):
    return LogReader(ledger, lambda _: RULES)


async def everything(reader, stream=STREAM, after=-1):
    """Read on as a receiver does; the log must never give what does not lead on."""
    found = []
    while (chunk := await reader.next(stream, after)) is not None:
        assert chunk.upto > after
        found += [entry.pos for entry, _ in chunk.planned.get(RECEIVER, ()) if entry.pos > after]
        after = chunk.upto
    return found


def planned(start, end, stream=STREAM):
    return [(stream << 40) + offset for offset in range(start, end) if offset % 4]


async def test_what_dispatch_handed_over_is_read_from_memory(ledger, reader):
    reader.append(ledger.add(STREAM, 10))
    reader.append(ledger.add(STREAM, 10))
    assert await everything(reader) == planned(0, 20)
    assert ledger.reads == []


async def test_what_stood_before_is_read_from_the_ledger_up_to_what_is_in_memory(ledger, reader):
    ledger.add(STREAM, 10)
    reader.append(ledger.add(STREAM, 10))
    assert await everything(reader) == planned(0, 20)
    assert ledger.reads == [(FIRST - 1, FIRST + 9)]


@pytest.mark.parametrize("after", range(-1, 40))
async def test_a_cursor_may_stand_anywhere(ledger, reader, after, monkeypatch):
    monkeypatch.setattr(log_module, "READ_EVENTS", 7)
    ledger.add(STREAM, 15)
    reader.append(ledger.add(STREAM, 10))
    reader.append(ledger.add(STREAM, 15))
    assert await everything(reader, after=FIRST + after) == planned(after + 1, 40)


async def test_what_another_process_dispatched_is_read_from_the_ledger(ledger, reader):
    reader.append(ledger.add(STREAM, 10))
    ledger.add(STREAM, 10)
    await reader.refresh()
    assert await everything(reader) == planned(0, 20)
    reader.append(ledger.add(STREAM, 5))
    assert await everything(reader, after=FIRST + 9) == planned(10, 25)


async def test_a_gap_is_not_jumped_over(ledger, reader):
    reader.append(ledger.add(STREAM, 4))
    ledger.add(STREAM, 4)
    reader.append(ledger.add(STREAM, 4))
    assert await everything(reader) == planned(0, 12)


async def test_memory_is_bounded_whatever_waits(ledger, reader, monkeypatch):
    monkeypatch.setattr(log_module, "TAIL_EVENTS", 50)
    monkeypatch.setattr(log_module, "READ_CHUNKS", 3)
    monkeypatch.setattr(log_module, "READ_EVENTS", 10)
    for _ in range(40):
        reader.append(ledger.add(STREAM, 10))
    kept = sum(chunk.events for tail in reader._tails.values() for chunk in tail)
    assert 0 < kept <= 50
    assert await everything(reader) == planned(0, 400)
    assert len(reader._read) <= 3


async def test_large_events_count_by_their_bytes(ledger, reader, monkeypatch):
    monkeypatch.setattr(log_module, "TAIL_EVENTS", 50)
    monkeypatch.setattr(log_module, "COMMON", len(body(0)) // 10)
    monkeypatch.setattr(log_module, "READ_BYTES", 5 * len(body(0)))
    for _ in range(20):
        reader.append(ledger.add(STREAM, 2))
    assert 0 < sum(chunk.events for tail in reader._tails.values() for chunk in tail) <= 5
    assert await everything(reader) == planned(0, 40)
    assert len(ledger.reads) >= 6


async def test_mere_repeats_and_gaps_take_no_memory_for_ever(ledger, reader, monkeypatch):
    monkeypatch.setattr(log_module, "TAIL_EVENTS", 20)
    for number in range(200):
        reader.append(Chunk(STREAM, FIRST + number - 1, FIRST + number, 0))
    assert len(reader._order) <= 21
    for number in range(300, 900, 3):
        reader.append(Chunk(STREAM, FIRST + number, FIRST + number + 1, 1))
    assert len(reader._order) <= 21
    assert sum(map(len, reader._tails.values())) <= 21


async def test_receivers_at_the_same_place_share_one_read(ledger, reader):
    ledger.add(STREAM, 30)
    await reader.refresh()
    chunks = await asyncio.gather(*(reader.next(STREAM, -1) for _ in range(20)))
    assert len(ledger.reads) == 1
    assert all(chunk is chunks[0] for chunk in chunks)


async def test_who_stands_within_a_stretch_that_was_read_goes_on_in_it(ledger, reader, monkeypatch):
    monkeypatch.setattr(log_module, "READ_EVENTS", 10)
    ledger.add(STREAM, 30)
    await reader.refresh()
    first, second = await asyncio.gather(reader.next(STREAM, -1), reader.next(STREAM, FIRST + 3))
    assert first is second is await reader.next(STREAM, FIRST + 8), "while it is being read, and after"
    assert (await reader.next(STREAM, FIRST + 9)).after == FIRST + 9
    assert await everything(reader, after=FIRST + 5) == planned(6, 30)
    assert [after - FIRST for after, _ in ledger.reads] == [-1, 9, 19]


async def test_who_waited_for_a_stretch_that_ends_before_it_reads_its_own(ledger, reader, monkeypatch):
    monkeypatch.setattr(log_module, "READ_BYTES", 3 * len(body(0)))
    ledger.add(STREAM, 9)
    await reader.refresh()
    first, second = await asyncio.gather(reader.next(STREAM, -1), reader.next(STREAM, FIRST + 5))
    assert first.upto < FIRST + 5 < second.upto
    assert second.after == FIRST + 5


async def test_what_stops_one_does_not_stop_who_is_behind_it(ledger, reader):
    ledger.add(STREAM, 9)
    ledger.rows[FIRST + 2] = Logged(FIRST + 2, 1, b"?", body(2))
    await reader.refresh()
    found = await asyncio.gather(reader.next(STREAM, -1), reader.next(STREAM, FIRST + 3), return_exceptions=True)
    assert isinstance(found[0], ValueError)
    assert found[1].after == FIRST + 3
    with pytest.raises(ValueError, match="unexpected character"):
        await reader.next(STREAM, -1)


async def test_who_waited_in_vain_for_another_reads_at_once_what_it_needs(ledger, reader, monkeypatch):
    monkeypatch.setattr(log_module, "READ_BYTES", 3 * len(body(0)))
    ledger.add(STREAM, 60)
    await reader.refresh()
    ahead = asyncio.create_task(everything(reader))
    await asyncio.sleep(0)
    assert (await reader.next(STREAM, FIRST + 50)).after == FIRST + 50
    assert len(ledger.reads) < 5, "not all that lies before"
    assert await ahead == planned(0, 60)


async def test_nobody_waits_for_what_is_too_far_before(ledger, reader, monkeypatch):
    monkeypatch.setattr(log_module, "READ_EVENTS", 10)
    ledger.add(STREAM, 30)
    await reader.refresh()
    slow = reader._read[STREAM, FIRST - 1] = asyncio.get_running_loop().create_future()
    chunk = await asyncio.wait_for(reader.next(STREAM, FIRST + 9), 5)
    assert (chunk.after, slow.done()) == (FIRST + 9, False)


@pytest.mark.parametrize("gone", [0, 1])
async def test_who_is_cancelled_takes_the_read_from_nobody(ledger, reader, gone):
    ledger.add(STREAM, 9)
    await reader.refresh()
    waiting = [asyncio.create_task(reader.next(STREAM, after)) for after in (-1, FIRST + 3)]
    await asyncio.sleep(0)
    waiting[gone].cancel()
    assert (await waiting[1 - gone]).events == (await reader.next(STREAM, -1)).events == 9
    assert len(ledger.reads) == 1


@pytest.mark.parametrize("end", [lambda it: it.cancel(), lambda it: it.set_exception(LedgerUnavailable("gone"))])
async def test_a_read_that_failed_is_nowhere_near_until_whoever_asked_has_taken_it_away(ledger, reader, end):
    ledger.add(STREAM, 9)
    await reader.refresh()
    failed = reader._read[STREAM, FIRST - 1] = asyncio.get_running_loop().create_future()
    end(failed)
    assert reader.behind({}) == [STREAM]
    assert await everything(reader, after=FIRST + 3) == planned(4, 9)


async def test_receivers_that_take_unlike_parts_of_a_backlog_read_it_once(ledger, reader, monkeypatch):
    monkeypatch.setattr(log_module, "READ_EVENTS", 10)
    streams = [stream_of(1, part) for part in range(4)]
    for stream in streams:
        ledger.add(stream, 60)
    await reader.refresh()

    async def receive(most):
        """Take up to `most` events a round, as a receiver does, and note them."""
        cursor, found = {}, []
        while behind := reader.behind(cursor):
            left = most
            for stream in behind:
                while left and (chunk := await reader.next(stream, cursor.get(stream, -1))) is not None:
                    after = max(cursor.get(stream, -1), chunk.after)
                    cursor[stream] = min(chunk.upto, after + left)
                    left -= cursor[stream] - after
                    found += range(after + 1, cursor[stream] + 1)
            await asyncio.sleep(0.001)
        return found

    everybody = await asyncio.gather(*map(receive, (17, 19, 21, 23, 26)))
    assert all(sorted(found) == sorted(ledger.rows) for found in everybody)
    for found in everybody:
        for stream in streams:
            mine = [pos for pos in found if pos >> 40 == stream]
            assert mine == sorted(mine), "each stream in order"
    assert len(ledger.reads) == 24, "four streams in six stretches each"


async def test_an_earlier_topic_comes_before_what_is_in_memory(ledger, reader):
    old, new = stream_of(1, 3), [stream_of(2, 0), stream_of(2, 1)]
    for stream in (old, *new):
        ledger.add(stream, 4)
    await reader.refresh()
    await reader.next(new[1], -1)
    assert reader.behind({}) == [old, new[1], new[0]]
    assert reader.behind({new[1]: (new[1] << 40) + 3}) == [old, new[0]]


async def test_a_read_that_failed_is_tried_again(ledger, reader):
    ledger.add(STREAM, 3)
    await reader.refresh()
    ledger.fault = LedgerUnavailable("gone")
    for _ in range(2):
        with pytest.raises(LedgerUnavailable):
            await reader.next(STREAM, -1)
    ledger.fault = None
    assert await everything(reader) == planned(0, 3)


async def test_who_waits_is_woken_when_the_log_grows(ledger, reader):
    waiting = [asyncio.create_task(reader.wait(30)) for _ in range(3)]
    await asyncio.sleep(0)
    reader.append(ledger.add(STREAM, 1))
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    again = asyncio.create_task(reader.wait(30))
    await asyncio.sleep(0)
    assert not again.done()
    reader.append(ledger.add(STREAM, 1))
    await asyncio.wait_for(again, 5)


async def test_an_earlier_topic_comes_first(ledger, reader):
    streams = [stream_of(2, 1), stream_of(1, 3), stream_of(1, 0)]
    for stream in streams:
        reader.append(ledger.add(stream, 2))
    assert reader.behind({}) == sorted(streams)
    assert reader.behind({stream: (stream << 40) + 1 for stream in streams[1:]}) == [streams[0]]


def make_stretches(ledger, reader, count):
    chunks = [ledger.add(STREAM, 8) for _ in range(count)]
    for chunk in chunks:
        for number in (8, 9):
            chunk.planned[number] = chunk.planned[RECEIVER]
        reader.append(chunk)
    return chunks


def take(reader, chunk, receiver, start=0, stop=6):
    return reader.pieces(chunk, receiver, start, stop)


async def test_what_is_sent_is_made_for_all_who_are_at_the_same_place(ledger, reader, monkeypatch):
    monkeypatch.setattr(log_module, "TAIL_EVENTS", 16)
    asked = []
    monkeypatch.setattr(Chunk, "make", lambda chunk, who: asked.append(who) or setattr(chunk, "pieces", made(who)))
    chunks = make_stretches(ledger, reader, 6)

    def pieces(number, start=0, stop=6):
        return [f"{number}/{place}".encode() for place in range(3 * start, 3 * stop)]

    def made(who):
        return {number: pieces(number) for number in who}

    assert take(reader, chunks[0], 8) == pieces(8)
    assert asked == [{7, 8, 9}], "whoever was never met is thought to be here"
    assert take(reader, chunks[0], 7) == pieces(7)
    assert set(chunks[0].pieces) == {9}, "what was taken is let go"
    assert take(reader, chunks[1], 7, 0, 2) == pieces(7, 0, 2)
    assert take(reader, chunks[1], 7, 2, 3) == pieces(7, 2, 3)
    assert take(reader, chunks[1], 7, 1, 4) == pieces(7, 1, 4), "again from before, after a lost lease"
    assert take(reader, chunks[1], 7, 4, 6) == pieces(7, 4, 6)
    assert take(reader, chunks[1], 7) is None, "who comes again makes its own"
    assert take(reader, chunks[2], 8) == pieces(8), "7 is ahead of it, or was here"
    for chunk in chunks[3:]:
        take(reader, chunk, 7)
    assert [sorted(who) for who in asked[1:]] == [[7, 8, 9], [7, 8, 9], [7, 8], [7, 8], [7, 8]], "9 has stayed behind"


async def test_who_is_alone_at_a_place_makes_what_it_needs_itself(ledger, reader, monkeypatch):
    monkeypatch.setattr(log_module, "TAIL_EVENTS", 16)
    asked = []
    chunks = make_stretches(ledger, reader, 9)
    take(reader, chunks[0], 8)
    monkeypatch.setattr(Chunk, "make", lambda _, who: asked.append(who))
    assert [take(reader, chunk, 7) for chunk in chunks[4:]] == [None] * 5
    assert asked == []
