"""What a sink raises without a name stops one delivery, not its receiver; a stop at a dead letter stands with it."""

import asyncio
from dataclasses import replace

import pytest

from hub.adapters.contract import Outcome
from hub.errors import OutcomeUnknown, Rejected, Transient
from hub.ledger import pauses
from hub.ledger.status import DEAD_REJECTED, DELIVERED, UNKNOWN
from hub.settings.models import Retry
from hub.stages import receiver as receiver_module

from .town import Fuse, Shelf, died, listens, until


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("hub.stages.breaker.PROBES", (0.02, 0.03))


class PreparedShelf(Shelf):
    """A sink in two steps; what it cannot take it says in the first."""

    def __init__(self, answer):
        super().__init__(answer, idempotent=False, prepared=True)

    async def prepare(self, batch):
        self.calls.append([delivery.event_id for delivery in batch.deliveries])
        for delivery in batch.deliveries:
            self.answer(delivery)
        return {}

    async def commit(self, batch, _token):
        self.taken += batch.deliveries
        return [Outcome(delivery.key) for delivery in batch.deliveries]


def breaks(*ids):
    def answer(delivery):
        if delivery.event_id in ids:
            raise ZeroDivisionError("division by zero")

    return answer


SINKS = pytest.mark.parametrize("kind", [Shelf, PreparedShelf])


@SINKS
async def test_the_one_delivery_that_a_sink_cannot_take_is_found_and_the_rest_goes_on(town_of, kind):
    town = town_of()
    town.dispatch(*(died(number, str(number % 6), n=number) for number in range(24)))
    sink = kind(breaks("7"))
    async with town.working(sink) as worker:
        await until(lambda: len(town.outcomes()) >= 21 and not worker.busy)  # all but those behind the one
        town.dispatch(*(died(number, str(number)) for number in range(24, 40)))
        await until(lambda: len(town.outcomes()) == 40 and not worker.busy)
    taken = {each.key: each for each in sink.taken}  # in order; what came again with its key had no second effect
    assert sorted(int(each.event_id) for each in taken.values()) == [number for number in range(40) if number != 7]
    assert [int(each.event_id) for each in taken.values() if each.subject == "1"] == [1, 13, 19]
    assert [no for no, (status, _) in town.outcomes().items() if status == DEAD_REJECTED] == [7]
    shown = town.inquiry.event("7")["deliveries"][0]
    assert (shown["error"]["code"], shown["error"]["message"]) == ("fault", "ZeroDivisionError: division by zero")
    assert town.holds() == []
    assert len(sink.calls) < 40


@SINKS
async def test_a_sink_that_takes_nothing_at_all_is_waited_for(town_of, kind):
    town = town_of(listens("kokuho", retry=Retry(delays=(0.02,), then=0.02)))
    town.dispatch(*(died(number, str(number)) for number in range(20)))
    sink = kind(breaks(*map(str, range(20))))
    async with town.working(sink) as worker:
        await until(lambda: worker._health.breaker is not None)
        sink.answer = lambda _: None
        await until(lambda: len(town.outcomes()) == 20)
    assert {status for status, _ in town.outcomes().values()} == {DELIVERED}
    assert len({each.key for each in sink.taken}) == 20


@SINKS
async def test_a_broken_sink_kills_nothing_however_often_the_hub_starts(town_of, kind):
    town = town_of()
    town.dispatch(*(died(number, str(number)) for number in range(12)))
    sink = kind(breaks(*map(str, range(12))))
    for _ in range(3):
        sink.calls.clear()
        async with town.working(sink) as worker:
            await until(lambda: len(sink.calls) > 3 and worker._health.breaker is not None)
        assert town.outcomes() == {}
    sink.answer = lambda _: None
    async with town.working(sink):
        await until(lambda: len(town.outcomes()) == 12)
    assert {status for status, _ in town.outcomes().values()} == {DELIVERED}


@SINKS
async def test_many_that_a_sink_cannot_take_do_not_stop_what_comes_after_them(town_of, kind):
    town = town_of()
    town.dispatch(*(died(number, str(number)) for number in range(7)))
    sink = kind(breaks(*map(str, range(7))))
    async with town.working(sink) as worker:
        await until(lambda: worker._health.breaker is not None)
        town.dispatch(*(died(number, str(number)) for number in range(7, 12)))
        await until(lambda: len(town.outcomes()) == 12)
    assert {each.event_id for each in sink.taken} == {"7", "8", "9", "10", "11"}
    assert [no for no, (status, _) in town.outcomes().items() if status == DEAD_REJECTED] == list(range(7))


async def test_a_crash_after_a_dead_letter_cannot_lose_the_stop(town_of):
    town = town_of(listens("kokuho", on_dead="stop"))
    town.dispatch(*(died(number, "1", n=number) for number in range(3)))
    sink = Shelf(lambda one: Rejected("no") if one.event_id == "0" else None, batch=1)
    fuse = Fuse(0)
    port = replace(town.port(sink), halt=lambda *_: fuse.step("halt"))
    async with town.working(port=port):
        await until(lambda: fuse.blown)
    assert [status for status, _ in town.outcomes().values()] == [DEAD_REJECTED]
    paused = await asyncio.to_thread(pauses.listing, town.ledger)
    assert [(each.key, each.reason) for each in paused] == [("kokuho.main", "dead letter (on_dead: stop)")]
    assert DELIVERED not in [status for status, _ in town.outcomes().values()]


class Forgetful(Shelf):
    """A sink that forgets the last delivery of a batch."""

    async def deliver(self, batch):
        remembered = batch.deliveries if len(batch.deliveries) == 1 else batch.deliveries[:-1]
        return await super().deliver(replace(batch, deliveries=remembered))


async def test_a_sink_that_answers_too_little_loses_nothing(town_of):
    town = town_of()
    town.dispatch(*(died(number, str(number), n=number) for number in range(8)))
    sink = Forgetful()
    async with town.working(sink) as worker:
        await until(lambda: len(town.outcomes()) == 8 and not worker.busy)
    assert set(sink.ids) == {str(number) for number in range(8)}
    assert {status for status, _ in town.outcomes().values()} == {DELIVERED}


class Mute(Shelf):
    """A sink that may or may not have taken what it was sent, and breaks when it is asked."""

    def __init__(self):
        super().__init__(lambda _: OutcomeUnknown("no answer"), idempotent=False, confirms=True)

    async def confirm(self, batch):
        self.asked.append([delivery.event_id for delivery in batch.deliveries])
        raise ZeroDivisionError("division by zero")


async def test_a_sink_that_breaks_when_it_is_asked_leaves_it_to_a_person(town_of):
    town = town_of()
    town.dispatch(died(1, "1"), died(2, "2"))
    sink = Mute()
    await town.deliver(sink)
    assert {hold.status for hold in town.holds()} == {UNKNOWN}
    assert "ZeroDivisionError" in town.inquiry.delivery("juki/1:kokuho.main:0")["error"]["message"]
    sink.answer = lambda _: None
    town.dispatch(died(3, "3"))
    await town.deliver(sink)
    assert sink.ids == ["3"]
    assert len(sink.calls) == 2


@pytest.mark.parametrize("step", ["commit", "recover"])
async def test_a_receiver_that_stands_still_does_not_say_what_was_sent(town_of, monkeypatch, step):
    class Quoting(PreparedShelf):
        failing = True

        async def commit(self, batch, token):
            if self.failing and step == "commit":
                raise Transient(f"cannot rename for {batch.deliveries[0].data['name']}")
            if self.failing:
                raise ZeroDivisionError("division by zero")
            return await super().commit(batch, token)

        async def recover(self, batch, token):
            if self.failing:
                raise Transient(f"cannot rename for {batch.deliveries[0].data['name']}")
            return await super().commit(batch, token)

    monkeypatch.setattr(receiver_module, "STANDS", (0.01, 0.02, 0.03))
    town = town_of()
    town.dispatch(died(1, name="守口太郎"))
    sink = Quoting(lambda _: None)
    async with town.working(sink) as worker:
        await until(lambda: "cannot rename" in worker.fault)
        assert "守口太郎" not in worker.fault
        (shown,) = town.inquiry.status()["receivers"]
        assert "守口太郎" not in str(shown)


async def test_a_sink_that_cannot_recover_is_left_alone_ever_longer_and_loses_nothing(town_of, monkeypatch):
    class Broken(PreparedShelf):
        async def commit(self, *_):
            raise ZeroDivisionError("division by zero")

        async def recover(self, batch, token):
            if self.broken:
                raise ZeroDivisionError("division by zero")
            return await super().commit(batch, token)

    monkeypatch.setattr(receiver_module, "STANDS", (0.01, 0.02, 0.03))
    town = town_of()
    town.dispatch(died(1))
    sink = Broken(lambda _: None)
    sink.broken = True
    async with town.working(sink) as worker:
        await until(lambda: worker._stood > 3)
        await until(lambda: receiver_module.MEND in worker.fault)
        sink.broken = False
        await until(lambda: len(town.outcomes()) == 1)
        await until(lambda: not worker._stood)
    assert sink.ids == ["1"]
    assert worker.fault == ""
