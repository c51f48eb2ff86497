"""The delivery stage: processes share the receivers by their leases, take over, and give back."""

import asyncio
import contextlib
import os
import threading

import sqlalchemy as sa

from hub.errors import LedgerUnavailable
from hub.ledger.desk import Settlement
from hub.ledger.tables import receiver
from hub.stages.delivery import Delivery

from .town import Shelf, died, listens, until

NAMES = ("kokuho", "koki", "kaigo")


@contextlib.asynccontextmanager
async def serving(town, sinks):
    """Run the delivery stage of one process while the block runs."""
    ports = [town.port(sink, f"{name}.main") for name, sink in sinks.items()]
    stage = Delivery(town.desk, town.reader, ports, town.book.__getitem__)
    stop = asyncio.Event()
    task = asyncio.create_task(stage.run(stop))
    try:
        yield stage
    finally:
        stop.set()
        await asyncio.wait_for(task, 15)


async def test_two_processes_share_the_receivers_and_one_takes_over_from_the_other(town_of):
    town = town_of(*(listens(name) for name in NAMES))
    other = town.again()
    sinks = {name: Shelf() for name in NAMES}
    town.dispatch(*(died(number, str(number % 3), n=number) for number in range(30)))
    async with serving(other, sinks) as second:
        async with serving(town, sinks) as first:
            await until(lambda: len(first.workers) + len(second.workers) == 3)
            await until(lambda: all(len(sink.taken) == 30 for sink in sinks.values()))
        town.dispatch(*(died(number, str(number % 3), n=number) for number in range(30, 40)))
        await until(lambda: all(len(sink.taken) == 40 for sink in sinks.values()))
        assert len(second.workers) == 3
    assert all(len(set(sink.ids)) == 40 for sink in sinks.values())
    assert set(town.rows(receiver, "owner", "until")) == {("", 0)}


class Hanging(Shelf):
    """A sink whose system never answers: its call keeps a thread."""

    def __init__(self):
        super().__init__()
        self.released = threading.Event()

    async def deliver(self, batch):
        self.calls.append([])
        await asyncio.to_thread(self.released.wait, 30)
        return await super().deliver(batch)


async def test_receivers_that_hang_leave_threads_for_the_others_and_for_the_leases(town_of):
    stuck = {f"stuck{number}": Hanging() for number in range((os.cpu_count() or 1) + 6)}
    town = town_of(*(listens(name) for name in (*stuck, "kokuho")))
    town.dispatch(died(1))
    sink = Shelf()
    try:
        async with serving(town, {**stuck, "kokuho": sink}) as stage:
            await until(lambda: all(each.calls for each in stuck.values()))
            await asyncio.to_thread(town.dispatch, died(2, "b"))
            await until(lambda: len(sink.taken) == 2, limit=5)
            before = stage.workers[0].valid_until
            await until(lambda: stage.workers[0].valid_until > before, limit=6)
            for each in stuck.values():
                each.released.set()
    finally:
        for each in stuck.values():
            each.released.set()


async def test_a_stop_finishes_what_is_under_way(town_of):
    town = town_of(listens("kokuho"))
    town.dispatch(*(died(number, str(number)) for number in range(5)))

    async def slow():
        await asyncio.sleep(0.1)

    sink = Shelf(lambda _: slow(), idempotent=False, batch=1)
    async with serving(town, {"kokuho": sink}):
        await until(lambda: sink.calls)
    assert len(sink.taken) == len(town.outcomes()) >= 1
    again = Shelf(idempotent=False, batch=1)
    async with serving(town, {"kokuho": again}):
        await until(lambda: len(again.taken) + len(sink.taken) == 5)
    assert sorted(sink.ids + again.ids) == [str(number) for number in range(5)]


async def test_a_lost_lease_ends_the_worker_and_another_begins(town_of):
    town = town_of(listens("kokuho"))
    sink = Shelf()
    async with serving(town, {"kokuho": sink}) as stage:
        await until(lambda: stage.workers)
        (before,) = stage.workers
        await asyncio.to_thread(town.expire)
        await until(lambda: stage.workers and stage.workers[0] is not before)
        assert stage.workers[0].epoch == before.epoch + 1
        town.dispatch(died(1))
        await until(lambda: sink.ids == ["1"])


def test_renewing_and_settling_at_once_never_meet_in_a_deadlock(town_of):
    names = [f"s{number}" for number in range(12)]
    town = town_of(*(listens(name) for name in names))
    other = town.again()
    numbers = [town.number(f"{name}.main") for name in names]
    _, leases = town.desk.renew("a", numbers)
    with town.ledger.write() as connection:  # rows in another order than their numbers
        for number in reversed(numbers):
            connection.execute(sa.update(receiver).where(receiver.c.no == number).values(state="{}"))
    faults = []
    turns = 20 if town.ledger.sqlite else 150  # its writers wait for one another by sleeping
    done = threading.Event()

    def settle():
        with contextlib.suppress(StopIteration):
            for turn in range(turns):
                settlements = [Settlement(one.no, "a", one.epoch, one.cursor, turn, 1) for one in leases]
                try:
                    town.desk.settle(settlements)
                except LedgerUnavailable as error:
                    faults.append(error)
        done.set()

    thread = threading.Thread(target=settle)
    thread.start()
    while not done.is_set():
        try:
            other.desk.renew("a", list(reversed(numbers)))
        except LedgerUnavailable as error:
            faults.append(error)
    thread.join()
    assert faults == []
