"""While a large poll is planned, receivers that write files wait for their turn; nobody else does."""

import asyncio
import threading
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from hub.errors import LedgerUnavailable
from hub.ledger.log import EventLog
from hub.ledger.tables import event
from hub.stages import polls
from hub.stages.delivery import Delivery
from hub.stages.polls import Polls
from hub.stages.shutters import Shut

from .town import Shelf, died, listens, until


class Slow(EventLog):
    """A log that stands still where planning looks into it, and where the poll is written, until it may go on."""

    def __init__(self, ledger):
        super().__init__(ledger)
        self.planning, self.written = threading.Event(), threading.Event()
        self.away = False

    def known(self, ids):
        assert self.planning.wait(20)
        if self.away:
            raise LedgerUnavailable("away")
        return super().known(ids)

    def commit(self, batch, beside=None):
        assert self.written.wait(20)
        super().commit(batch, beside)


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Let receivers wait for longer than a test does."""
    monkeypatch.setattr(polls, "_PLANNING", 60.0)


@pytest.fixture
def large(monkeypatch):
    """Let two records be a large poll."""
    monkeypatch.setattr(polls, "LARGE", 2)


@asynccontextmanager
async def taking(town, slow, count=2):
    """Take a poll in; at the end of the block the log goes on."""
    records = [town.topic.add(died(number, str(number))) for number in range(count)]
    task = asyncio.create_task(Polls(town.dispatcher(log=slow), town.reader).take(records))
    try:
        await asyncio.sleep(0)
        yield task
    finally:
        slow.planning.set()
        slow.written.set()
        await asyncio.gather(task, return_exceptions=True)


def written(town):
    file = town.folder / "out" / "a.jsonl"
    return len(file.read_bytes().splitlines()) if file.exists() else 0


def is_open(town):
    return asyncio.wait_for(town.reader.turn(), 5)


@pytest.mark.usefixtures("large")
async def test_who_writes_files_waits_and_all_others_go_on(town_of):
    town = town_of(listens("files", options={"path": "out/a.jsonl"}), listens("calls"))
    slow, sink = Slow(town.ledger), Shelf()
    async with town.working(key="files.main"), town.working(sink, "calls.main"), taking(town, slow):
        town.again().dispatch(died("other", "9"), partition=1)
        await town.reader.refresh()
        await until(lambda: sink.ids == ["other"])
        await asyncio.sleep(0.3)
        assert written(town) == 0
        slow.planning.set()
        await until(lambda: written(town) == 1)  # while the poll is written
        slow.written.set()
        await until(lambda: (written(town), len(sink.ids)) == (3, 3))


@pytest.mark.usefixtures("large")
async def test_a_poll_that_fails_keeps_nobody_waiting(town_of):
    town = town_of()
    slow = Slow(town.ledger)
    slow.away = True
    async with taking(town, slow) as task:
        slow.planning.set()
        with pytest.raises(LedgerUnavailable):
            await task
        await is_open(town)


async def test_a_small_poll_keeps_nobody_waiting(town_of):
    town = town_of()
    async with taking(town, Slow(town.ledger)):
        await is_open(town)


@pytest.mark.usefixtures("large")
async def test_nobody_waits_for_ever(town_of, monkeypatch):
    monkeypatch.setattr(polls, "_PLANNING", 0.05)
    town = town_of()
    async with taking(town, Slow(town.ledger)) as task:
        await is_open(town)
        assert not task.done()


@pytest.mark.usefixtures("large")
async def test_between_two_large_polls_the_next_is_waited_for(town_of, monkeypatch):
    monkeypatch.setattr(polls, "_NEXT", 0.5)
    town = town_of()
    first, second = Slow(town.ledger), Slow(town.ledger)
    async with taking(town, first) as task:
        first.planning.set()
        first.written.set()
        await task
        turn = asyncio.create_task(town.reader.turn())
        async with taking(town, second):
            assert not (await asyncio.wait([turn], timeout=1.0))[0], "the next is planned"
            second.planning.set()
            assert await asyncio.wait_for(turn, 5)
    await is_open(town)  # when nothing follows


@pytest.mark.usefixtures("large")
async def test_who_was_paused_while_it_waited_sends_nothing(town_of):
    town = town_of(listens("files", options={"path": "out/a.jsonl"}))
    slow, why = Slow(town.ledger), []
    port = replace(town.port(), shut=lambda _: why[0] if why else None)
    async with town.working(port=port) as worker, taking(town, slow):
        town.again().dispatch(died("other", "9"), partition=1)
        await town.reader.refresh()
        await asyncio.sleep(0.3)
        why.append(Shut("paused", None))
        slow.planning.set()
        await until(lambda: worker._shut)
        await asyncio.sleep(0.3)
        assert written(town) == 0
        why.clear()
        await until(lambda: written(town) == 1)


@pytest.mark.usefixtures("large")
async def test_who_waits_stops_at_once_and_begins_nothing(town_of):
    town = town_of(listens("files", options={"path": "out/a.jsonl"}))
    slow, stop = Slow(town.ledger), asyncio.Event()
    stage = Delivery(town.desk, town.reader, [town.port()], town.book.__getitem__)
    running = asyncio.create_task(stage.run(stop))
    async with taking(town, slow):
        await until(lambda: stage.workers)
        town.again().dispatch(died("other", "9"), partition=1)
        await town.reader.refresh()
        await asyncio.sleep(0.5)
        stop.set()
        await asyncio.wait_for(running, 4)
        assert written(town) == 0


async def test_small_rounds_need_not_wait(town_of, monkeypatch):
    monkeypatch.setattr(polls, "LARGE", 2)
    town = town_of(listens("files", options={"path": "out/a.jsonl"}, max_rows=50))
    async with town.working(), taking(town, Slow(town.ledger)):
        town.again().dispatch(died("other", "9"), partition=1)
        await town.reader.refresh()
        await until(lambda: written(town) == 1)


def test_a_poll_whose_receivers_are_gone_is_committed(town_of):
    """A thread of dispatch may outlive the event loop."""
    town = town_of()
    loop = asyncio.new_event_loop()
    loop.close()
    records = [town.topic.add(died(number, str(number))) for number in range(2)]
    town.dispatcher().handle(records, lambda: Polls(town.dispatcher(), town.reader)._written(loop))
    assert town.quarantined() == []
    assert len(town.rows(event)) == 2
