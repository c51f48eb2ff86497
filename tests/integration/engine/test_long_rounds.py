"""A round may be hundreds of calls and last for minutes: what changes meanwhile counts from the next call on."""

import asyncio
import threading
from dataclasses import replace

import pytest

from hub.errors import LedgerUnavailable, Transient
from hub.ledger.protected import Register, protect_early
from hub.stages.shutters import Shut
from hub.stages.watch import Watch

from .town import Shelf, died, listens, rule, until

ADDRESS = {"text": "大阪府守口市京阪本通二丁目5番5号"}


@pytest.fixture
def town(town_of):
    made = town_of(listens("kokuho", rule("kokuho", send=("name", "address"))))
    made.dispatch(*(died(number, str(number), address=ADDRESS) for number in range(3)))
    return made


@pytest.mark.parametrize("features", [{"batch": 1}, {"batch": 1, "idempotent": False}])
async def test_who_becomes_protected_during_a_round_is_not_located_by_it(town, features):
    sink = Shelf(lambda _: protect_early(town.ledger, [("2", "/systems/juki/x")]), **features)
    port = replace(town.port(sink), protection=Register(town.ledger))
    async with town.working(port=port) as worker:
        await until(lambda: len(sink.taken) == 3 and not worker.busy)
    told = {delivery.subject: sorted(delivery.data) for delivery in sink.taken}
    assert told == {"0": ["address", "name"], "1": ["address", "name"], "2": ["name"]}
    assert town.holds() == []


async def test_an_answer_serves_only_those_who_asked_before_it_was_put():
    going, asked = threading.Event(), []

    def ask(subjects):
        asked.append(sorted(subjects))
        going.wait(10)
        return {}

    watch = Watch(ask)
    first = asyncio.create_task(watch.flags(["1"]))
    await until(lambda: asked)
    later = [asyncio.create_task(watch.flags([subject])) for subject in ("2", "3")]
    await asyncio.sleep(0)
    going.set()
    await asyncio.gather(first, *later)
    assert asked == [["1"], ["2", "3"]]


async def test_whoever_waited_for_an_answer_that_failed_asks_anew():
    going, asked = threading.Event(), []

    def ask(subjects):
        asked.append(sorted(subjects))
        going.wait(10)
        if len(asked) == 2:
            raise LedgerUnavailable("away")
        return dict.fromkeys(asked[-1], True)

    watch = Watch(ask)
    first = asyncio.create_task(watch.flags(["1"]))
    await until(lambda: asked)
    later = [asyncio.create_task(watch.flags([subject])) for subject in ("2", "3")]
    await asyncio.sleep(0)
    going.set()
    await first
    assert isinstance((await asyncio.gather(*later, return_exceptions=True))[0], LedgerUnavailable)
    assert later[1].result()["3"]


async def test_questions_that_fail_again_and_again_take_no_more_room():
    def ask(_):
        raise LedgerUnavailable("away")

    watch = Watch(ask)
    for _ in range(5):
        with pytest.raises(LedgerUnavailable):
            await watch.flags(["1", "2"])
    assert watch._wanted == [{"1", "2"}]


@pytest.mark.parametrize("waits", [[], ["2"]])
async def test_whoever_comes_while_an_answer_fails_is_not_given_an_older_one(waits):
    going, asked = threading.Event(), []

    def ask(subjects):
        asked.append(sorted(subjects))
        if len(asked) == 2:
            going.wait(10)
            raise LedgerUnavailable("away")
        return dict.fromkeys(asked[-1], True)

    watch = Watch(ask)
    await watch.flags(["0"])
    fails = asyncio.create_task(watch.flags(["1"]))
    before = [asyncio.create_task(watch.flags([subject])) for subject in waits]
    await until(lambda: len(asked) == 2)
    late = asyncio.create_task(watch.flags(["3"]))
    await asyncio.sleep(0)
    going.set()
    assert isinstance((await asyncio.gather(fails, *before, return_exceptions=True))[0], LedgerUnavailable)
    assert (await late)["3"]


async def test_a_pause_counts_from_the_next_call_on(town):
    shut = []
    sink = Shelf(lambda _: shut.append(Shut("paused", None)), batch=1)
    port = replace(town.port(sink), shut=lambda _: shut[0] if shut else None)
    async with town.working(port=port) as worker:
        await until(lambda: sink.taken and not worker.busy)
        await until(town.holds)
        assert len(sink.taken) == 1
        shown = town.inquiry.event("1")["deliveries"][0]
        assert (shown["status"], shown["reason"]) == ("held", "paused")
        sink.answer = lambda _: None
        shut.clear()
        await until(lambda: len(sink.taken) == 3)


async def test_what_was_not_tried_goes_out_when_the_system_is_open_and_back(town, monkeypatch):
    monkeypatch.setattr("hub.stages.breaker.PROBES", (0.02, 0.03))
    shut = []

    def goes(_):
        shut.append(Shut("maintenance", None))
        return Transient("gone", reached=False)

    sink = Shelf(goes, batch=1)
    port = replace(town.port(sink), shut=lambda _: shut[0] if shut else None)
    async with town.working(port=port):
        await until(lambda: len(town.holds()) == 3)
        sink.answer = lambda _: None
        shut.clear()
        await until(lambda: len(sink.taken) == 3)
    assert sorted(sink.ids) == ["0", "1", "2"]
