"""While a large poll is planned, receivers that write files wait for their turn; nobody else does."""

import asyncio
import threading
from contextlib import asynccontextmanager

import pytest

from hub.errors import LedgerUnavailable
from hub.ledger.log import EventLog
from hub.stages import polls
from hub.stages.polls import Polls

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
        await until(lambda: written(town) == 1)
        assert not slow.written.is_set(), "it goes on while the poll is written"
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
async def test_after_a_large_poll_the_next_is_waited_for_a_moment(town_of):
    town = town_of()
    slow = Slow(town.ledger)
    async with taking(town, slow) as task:
        slow.planning.set()
        slow.written.set()
        await task
        await is_open(town)
