"""A drain ends when nothing is left that time would mend, and not before."""

import time

import pytest

from hub.ledger.desk import now_ms
from hub.ledger.progress import Backlog
from hub.stages.drain import drain


def backlog(**settings):
    fields = {
        "positions": {1: 10},
        "behind": (),
        "cursors": 0,
        "waiting": {},
        "next_due": None,
        "follows": False,
        "person": False,
        **({"shut": frozenset()} if "shut" in Backlog.__dataclass_fields__ else {}),
        **settings,
    }
    return Backlog(**fields)


class Looks:
    """The ledger as one look after another finds it; the last stays."""

    def __init__(self, *found):
        self.found = list(found)
        self.count = 0

    def __call__(self):
        self.count += 1
        return self.found.pop(0) if len(self.found) > 1 else self.found[0]


async def run(*found, ends=({1: 10},), wait=0.3, busy=lambda: False):
    asked = list(ends)

    async def ask():
        return asked.pop(0) if len(asked) > 1 else asked[0]

    looks = Looks(*found)
    begun = time.monotonic()
    drained = await drain(ends=ask, look=looks, busy=busy, wait=wait)
    return drained, looks.count, time.monotonic() - begun


async def test_with_nothing_left_it_returns_at_once():
    drained, looks, took = await run(backlog(), wait=30)
    assert drained.clear
    assert looks == 1
    assert took < 1


async def test_what_is_scheduled_is_not_waited_for():
    drained, _, took = await run(backlog(waiting={"scheduled": 3}), wait=30)
    assert drained.clear
    assert took < 1


async def test_it_waits_for_dispatch_to_reach_every_end():
    short = backlog(positions={1: 9, 2: 5})
    drained, looks, _ = await run(short, short, backlog(positions={1: 10, 2: 5}), ends=({1: 10, 2: 5},), wait=30)
    assert drained.clear
    assert looks == 3


async def test_it_waits_for_receivers_that_have_not_read_to_the_end():
    behind = backlog(behind=("kokuho.main",))
    drained, looks, _ = await run(behind, behind, backlog(), wait=30)
    assert drained.clear
    assert looks == 3


async def test_ends_are_asked_again_before_ending():
    drained, looks, _ = await run(
        backlog(), backlog(), backlog(positions={1: 12}), ends=({1: 10}, {1: 12}, {1: 12}), wait=30
    )
    assert drained.backlog.positions == {1: 12}
    assert looks == 3


async def test_it_waits_for_work_in_hand():
    left = [True, True, False]
    drained, looks, _ = await run(backlog(), busy=lambda: left.pop(0) if left else False, wait=30)
    assert drained.clear
    assert looks == 3


async def test_it_waits_for_a_retry_that_is_due_in_time():
    soon = backlog(waiting={"waiting": 1}, next_due=now_ms() + 5_000)
    drained, looks, _ = await run(soon, soon, backlog(), wait=30)
    assert drained.clear
    assert looks == 3


async def test_it_does_not_wait_for_a_retry_hours_away():
    drained, _, took = await run(backlog(waiting={"waiting": 1}, next_due=now_ms() + 3_600_000), wait=30)
    assert not drained.clear
    assert drained.dispatched
    assert took < 1


@pytest.mark.parametrize("status", ["held", "unknown"])
async def test_what_only_a_person_can_release_ends_it_at_once(status):
    drained, _, took = await run(backlog(waiting={status: 2}), wait=30)
    assert not drained.clear
    assert took < 1


async def test_a_command_that_is_carried_out_is_progress_though_its_delivery_still_waits():
    jobs = [backlog(behind=("suido.main",), waiting={"planned": n, "waiting": 20 - n}) for n in range(20, 0, -1)]
    drained, _, _ = await run(*jobs, backlog(), wait=0.3)
    assert drained.clear


async def test_it_gives_up_after_so_long_without_progress():
    drained, _, took = await run(backlog(positions={1: 3}), wait=0.3)
    assert not drained.clear
    assert not drained.dispatched
    assert 0.3 <= took < 3


async def test_progress_extends_the_wait():
    steps = [backlog(positions={1: number}) for number in range(10)]
    drained, _, took = await run(*steps, backlog(), wait=0.2)
    assert drained.clear
    assert took > 0.4
