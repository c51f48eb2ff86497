"""Delivery: every delivery once in effect and in order, whatever dies, freezes, fails or refuses."""

import asyncio
import random
import time
from dataclasses import replace

import orjson
import pytest
import sqlalchemy as sa

from hub.adapters.contract import Features, Outcome
from hub.errors import LedgerUnavailable, Malformed, OutcomeUnknown, Rejected, Transient
from hub.ledger import desk as desk_module
from hub.ledger.desk import Desk, Finished, Intent, Settlement
from hub.ledger.status import DEAD_REJECTED, DELIVERED, UNKNOWN, WAITING, delivery_code
from hub.ledger.tables import attempt, outcome, pending, receiver
from hub.settings.models import Receiver, Retry
from hub.stages import receiver as receiver_module
from hub.stages.inquiry import DeliveryFilter
from hub.stages.writer import Writer

from .town import SOON, Died, Fuse, Shelf, Topic, died, listens, report, rule, until

ASK = delivery_code("held", "ask")
INCOMPLETE = delivery_code("held", "incomplete")
EARLIER = delivery_code("held", "earlier-waiting")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("hub.stages.breaker.PROBES", (0.02, 0.03))


def pairs(count, residents=3):
    """Return so many deaths of a few residents, numbered."""
    return [died(number, str(number % residents), n=number) for number in range(count)]


def in_order(deliveries):
    """Say whether each resident's deliveries stand in event order."""
    last = {}
    for delivery in deliveries:
        if last.get(delivery.subject, -1) >= int(delivery.event_id):
            return False
        last[delivery.subject] = int(delivery.event_id)
    return True


# --- leases --------------------------------------------------------------------------------------------------------


def settlement(lease, owner, **more):
    return Settlement(lease.no, owner, lease.epoch, dict(lease.cursor), lease.next_no, lease.next_batch, **more)


def test_a_lease_has_one_owner_until_it_runs_out(town_of):
    town = town_of()
    first = town.lease(owner="a")
    assert town.desk.renew("b", [first.no]) == ({}, [])
    assert town.desk.renew("a", [first.no]) == ({first.no: first.epoch}, [])
    town.expire()
    held, (second,) = town.desk.renew("b", [first.no])
    assert held == {first.no: first.epoch + 1}
    assert second.epoch == first.epoch + 1
    assert town.desk.renew("a", [first.no]) == ({}, [])
    assert town.desk.lease(first.no, "a", first.epoch) is None


def test_a_lease_lasts_ten_seconds_by_the_databases_clock(town_of):
    town = town_of()
    town.lease()
    with town.ledger.read() as connection:
        left = connection.execute(sa.select(receiver.c.until)).scalar_one() - town.ledger.now(connection)
    assert 8_000 < left <= 10_000


def test_an_owner_whose_lease_ran_out_takes_it_anew(town_of):
    town = town_of()
    first = town.lease(owner="a")
    town.expire()
    assert town.lease(owner="a").epoch == first.epoch + 1


def test_leases_given_back_are_free_at_once(town_of):
    town = town_of()
    town.desk.release("a", [town.lease(owner="a").no])
    assert town.lease(owner="b").epoch == 2


def test_a_zombies_settlement_is_left_out_and_the_others_commit(town_of):
    town = town_of(listens("kokuho"), listens("koki"))
    town.dispatch(died(1))
    pos = town.contents()["event"][0][0]
    zombie, other = town.lease("kokuho.main"), town.lease("koki.main")
    town.expire("kokuho.main")
    town.lease("kokuho.main", owner="b")
    done = [Finished(DELIVERED, 0, 1, 1, [pos], [1])]
    fenced = town.desk.settle([settlement(zombie, "a", finished=done), settlement(other, "a", finished=done)])
    assert fenced == {zombie.no}
    assert town.outcomes("kokuho.main") == {}
    assert town.outcomes("koki.main") == {0: (DELIVERED, 1)}


async def test_a_second_owner_takes_over_and_the_first_does_no_more(town_of):
    town = town_of()
    town.dispatch(*pairs(6))
    gate = asyncio.Event()

    async def frozen():
        await gate.wait()

    slow, sink = Shelf(lambda _: frozen()), Shelf()
    async with town.working(slow, owner="a") as zombie:
        await until(lambda: slow.calls)
        town.expire()
        async with town.working(sink, owner="b") as worker:
            await until(lambda: not worker.busy)
            gate.set()
            await until(lambda: not zombie._sink.is_open)
    assert sink.ids == [str(number) for number in range(6)]
    assert town.outcomes() == {number: (DELIVERED, number + 1) for number in range(6)}


async def test_a_lapsed_owner_calls_nobody(town_of):
    town = town_of()
    town.dispatch(*pairs(6, residents=6))
    sink = Shelf(batch=1)

    def lapse(_):
        worker.valid_until = 0.0

    sink.answer = lapse
    async with town.working(sink) as worker:
        await until(lambda: not worker._sink.is_open and sink.calls)
    assert len(sink.taken) == 1


# --- crashes -------------------------------------------------------------------------------------------------------


class MortalDesk(Desk):
    """A desk whose process may die before or after a settlement is committed."""

    def __init__(self, ledger, fuse):
        super().__init__(ledger)
        self.fuse = fuse

    def settle(self, settlements):
        self.fuse.step("before settle")
        fenced = super().settle(settlements)
        self.fuse.step("after settle")
        return fenced


class MortalSink:
    """A sink whose process may die around every step, with half of a line written as well."""

    def __init__(self, sink, fuse):
        self._sink = sink
        self._fuse = fuse

    async def prepare(self, batch):
        self._fuse.step("before prepare")
        token = await self._sink.prepare(batch)
        self._fuse.step("after prepare")
        return token

    async def commit(self, batch, token):
        self._fuse.step("before commit")
        outcomes = await self._sink.commit(batch, token)
        self._fuse.step("after commit")
        return outcomes

    async def recover(self, batch, token):
        self._fuse.step("before recover")
        outcomes = await self._sink.recover(batch, token)
        self._fuse.step("after recover")
        return outcomes

    async def close(self):
        await self._sink.close()


def told(folder, adapter):
    """Return the event ids a reader finds in the files of a receiver, in order."""
    if adapter == "jsonl":
        lines = (folder / "out" / "a.jsonl").read_bytes().splitlines() if (folder / "out" / "a.jsonl").exists() else []
        return [orjson.loads(line)["id"] for line in lines]
    files = sorted((folder / "out").glob("[!.]*.csv"))
    return [line.split(",")[1] for file in files for line in file.read_text("utf-8").splitlines()[1:]]


FILES = {"jsonl": {"path": "out/a.jsonl"}, "csv": {"path": "out/", "encoding": "utf-8"}}


def lent(town, opened):
    """Return the port of the town's receiver with another way to open its sink."""
    real = town.port()
    return real, type(real)(real.no, real.settings, lambda: opened(real.open()), real.features, real.timezone)


async def until_it_dies(town, point, **more):
    """Deliver, and die at this step of the process; return the fuse. `more` is of the receiver's port."""
    fuse = Fuse(point)
    _, port = lent(town, lambda sink: MortalSink(sink, fuse))
    port = replace(port, **more)
    async with town.working(port=port, desk=MortalDesk(town.ledger, fuse)) as worker:
        await until(lambda: fuse.blown or not worker.busy)
    return fuse


@pytest.mark.parametrize("few", [2_000, 1], ids=["in one statement", "each by itself"])
def test_settlements_of_many_receivers_say_what_each_says(town_of, monkeypatch, few):
    """Intents are recorded, left and cleared, endings and what waits are each receiver's own."""
    monkeypatch.setattr(desk_module, "FEW", few)
    town = town_of(listens("kokuho"), listens("kaigo"), listens("koki"))
    numbers = list(town.rules.keys)
    _, leases = town.desk.renew("a", numbers)
    first, second, third = sorted(leases, key=lambda lease: lease.no)
    intent = Intent(7, {"file": 'a "quoted" \\ name'}, [(5, 0, 1, False)], "2026-11-20")
    stale = replace(third, epoch=third.epoch - 1)
    done = Finished(DELIVERED, 0, 17, 3, [5, 6], [1, 2], first=True)
    other = Finished(DEAD_REJECTED, 0, 18, 3, [5], [1], first=True)
    state = '{"shut": "保守 \'x\'"}'
    fenced = town.desk.settle([
        settlement(second, "a", finished=[other, replace(other, positions=[9], numbers=[2])], state=state),
        settlement(stale, "a", finished=[done], intent=intent),
        settlement(first, "a", finished=[done], intent=intent),
    ])  # fmt: skip
    assert fenced == {third.no}
    with town.ledger.read() as connection:
        found = connection.execute(sa.select(outcome).order_by(outcome.c.receiver, outcome.c.pos)).all()
    assert [(row.receiver, row.pos, row.status, row.at, row.batch, row.no) for row in found] == [
        *((first.no, 5, DELIVERED, 17, 3, 1), (first.no, 6, DELIVERED, 17, 3, 2)),
        *((second.no, 5, DEAD_REJECTED, 18, 3, 1), (second.no, 9, DEAD_REJECTED, 18, 3, 2)),
    ]
    kept = town.desk.lease(first.no, "a", first.epoch)
    assert (kept.intent.batch, kept.intent.token, kept.intent.date) == (7, intent.token, "2026-11-20")
    assert town.desk.lease(second.no, "a", second.epoch).state == state
    # Left as it is, then cleared; of two of one receiver the later one is what stands.
    moved = {1: 4}
    town.desk.settle([settlement(first, "a"), settlement(second, "a")])
    assert town.desk.lease(first.no, "a", first.epoch).intent is not None
    town.desk.settle([settlement(first, "a", intent=False), replace(settlement(first, "a"), cursor=moved)])
    kept = town.desk.lease(first.no, "a", first.epoch)
    assert (kept.intent, kept.cursor) == (None, moved)


@pytest.mark.parametrize("adapter", FILES)
async def test_a_crash_at_any_point_leaves_every_delivery_once_in_the_files(town_of, adapter):
    town = town_of(listens("kokuho", adapter=adapter, options=FILES[adapter], max_rows=3))
    expected, point, blown = [], 0, True
    while blown:
        batch = [died(f"{point}-{number}", str(number % 2), n=number) for number in range(5)]
        expected += [event["id"] for event in batch]
        await asyncio.to_thread(town.dispatch, *batch)
        fuse = await until_it_dies(town, point)
        blown = fuse.blown
        await town.deliver()
        assert told(town.folder, adapter) == expected, fuse.steps
        point += 1
    assert point > 10
    assert [no for _, no in town.outcomes().values()] == list(range(1, len(expected) + 1))


@pytest.mark.parametrize("adapter", FILES)
async def test_a_crash_while_finishing_a_crashed_batch_doubles_nothing(town_of, adapter):
    town = town_of(listens("kokuho", adapter=adapter, options=FILES[adapter]))
    await asyncio.to_thread(town.dispatch, *pairs(5))
    steps = (await until_it_dies(town, 5)).steps
    assert steps[-1] == "before commit" or "after commit" in steps
    for point in range(4):
        await until_it_dies(town, point)
    await town.deliver()
    assert told(town.folder, adapter) == [str(number) for number in range(5)]
    assert len(town.outcomes()) == 5


class Torn:
    """A sink that dies with a line and a half written."""

    def __init__(self, sink, path):
        self.sink = sink
        self.path = path

    async def prepare(self, batch):
        return await self.sink.prepare(batch)

    async def commit(self, batch, _):
        with self.path.open("ab") as file:
            file.write(batch.deliveries[0].body + b"\n" + batch.deliveries[1].body[:20])
        raise Died

    async def close(self):
        await self.sink.close()


async def test_a_line_written_half_is_finished_and_not_repeated(town_of):
    town = town_of(listens("kokuho", adapter="jsonl", options=FILES["jsonl"]))
    await asyncio.to_thread(town.dispatch, *pairs(4))
    _, port = lent(town, lambda sink: Torn(sink, town.folder / "out" / "a.jsonl"))
    async with town.working(port=port) as worker:
        await until(lambda: worker.fault)
    await town.deliver()
    assert told(town.folder, "jsonl") == ["0", "1", "2", "3"]


async def test_a_batch_is_finished_on_another_day_as_it_was_begun(town_of, monkeypatch):
    columns = {"key": "delivery.key", "day": "batch.date"}
    town = town_of(listens("kokuho", adapter="csv", options={**FILES["csv"], "columns": columns}))
    await asyncio.to_thread(town.dispatch, died(1))
    dates = []

    class Dated(Shelf):
        async def prepare(self, batch):
            dates.append(batch.date)
            return {}

        async def commit(self, _batch, _token):
            raise Died

        async def recover(self, batch, _):
            dates.append(batch.date)
            return [Outcome(delivery.key) for delivery in batch.deliveries]

    sink = Dated(prepared=True, idempotent=False)
    async with town.working(sink) as worker:
        await until(lambda: worker.fault)

    class Tomorrow(receiver_module.dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return super().now(tz) + receiver_module.dt.timedelta(days=1)

    monkeypatch.setattr(receiver_module.dt, "datetime", Tomorrow)
    await town.deliver(sink)
    assert dates == [dates[0]] * 2


PLAIN = {"idempotent": False, "batch": 1}


class Mute(Shelf):
    """A sink in which the process dies: nobody hears the answer."""

    def __init__(self, fuse, **features):
        super().__init__(**features)
        self.fuse = fuse

    async def deliver(self, batch):
        outcomes = await super().deliver(batch)
        self.fuse.blown = True
        await asyncio.sleep(3600)
        return outcomes


@pytest.mark.parametrize("confirms", [False, True])
async def test_what_was_being_sent_at_a_crash_is_unknown_unless_the_system_can_say(town_of, confirms):
    town = town_of()
    town.dispatch(died(1, "a"), died(2, "a", n=2))
    fuse = Fuse(99)
    first = Mute(fuse, **PLAIN, confirms=confirms)
    async with town.working(first):
        await until(lambda: fuse.blown)
    assert town.inquiry.event("1")["deliveries"][0]["status"] == "sending"
    sink = Shelf(**PLAIN, confirms=confirms)
    truth = {"1": Outcome("1"), "2": Outcome("2", Transient("never came"))}
    sink.truth = lambda delivery: truth[delivery.event_id]
    await town.deliver(sink)
    if confirms:
        assert sink.asked == [["1", "2"]]
        async with town.working(sink):
            await until(lambda: len(town.outcomes()) == 2)
        assert sink.ids == ["2"]
        assert [status for status, _ in town.outcomes().values()] == [DELIVERED, DELIVERED]
    else:
        assert sink.calls == []
        assert [hold.status for hold in town.holds()] == [UNKNOWN, UNKNOWN]  # both were in the call


class Scripted(Shelf):
    """A sink that answers as it is told, by event."""

    async def deliver(self, batch):
        return [Outcome(delivery.key, self.answer(delivery)) for delivery in batch.deliveries]


@pytest.mark.parametrize("took", [OutcomeUnknown("no answer"), None])
async def test_what_may_have_been_taken_behind_an_unknown_one_is_not_sent_again(town_of, took):
    town = town_of()
    town.dispatch(died(1, "a"), died(2, "a", n=2), died(3, "a", n=3))
    answers = {"1": OutcomeUnknown("no answer"), "2": took, "3": Transient("an earlier one is not through yet")}
    await town.deliver(Scripted(lambda delivery: answers[delivery.event_id], idempotent=False))
    stands = UNKNOWN if took else DELIVERED
    found = {hold.pos & 0xFF: hold.status for hold in town.holds()}
    found |= {offset: status for offset, (status, _) in town.outcomes().items()}
    assert found == {0: UNKNOWN, 1: stands, 2: EARLIER}


async def test_nothing_is_sent_before_the_intent_is_recorded(town_of):
    town = town_of()
    town.dispatch(died(1))
    seen = []
    sink = Shelf(lambda _: seen.append(town.inquiry.event("1")["deliveries"][0]["status"]), **PLAIN)
    await town.deliver(sink)
    assert seen == ["sending"]
    assert town.inquiry.event("1")["deliveries"][0]["status"] == "delivered"


async def test_settings_may_take_back_what_the_transport_promises(town_of):
    town = town_of()
    town.dispatch(died(1))
    seen = []
    sink = Shelf(lambda _: seen.append(town.inquiry.event("1")["deliveries"][0]["status"]), **PLAIN)
    port = town.port(sink)
    wide = type(port)(port.no, port.settings, port.open, Features(sink=True, idempotent=True), port.timezone)
    async with town.working(port=wide):
        await until(town.outcomes)
    assert seen == ["sending"]


class Away(Desk):
    """A desk that fails at times: once it has written (or not), and then to say who owns what."""

    fails: list

    def settle(self, settlements):
        if self.fails and self.fails[0] == "settle":
            self.fails.pop(0)
            raise LedgerUnavailable("gone")
        return super().settle(settlements)

    def lease(self, number, owner, epoch):
        if self.fails and self.fails[0] == "lease":
            self.fails.pop(0)
            raise LedgerUnavailable("gone")
        return super().lease(number, owner, epoch)


async def test_a_worker_never_starts_again_from_what_the_ledger_said_long_ago(town_of):
    town = town_of(listens("kokuho", adapter="jsonl", options=FILES["jsonl"], max_rows=2))
    desk = Away(town.ledger)
    desk.fails = []
    async with town.working(desk=desk) as worker:
        await asyncio.to_thread(town.dispatch, *pairs(4))
        await until(lambda: len(told(town.folder, "jsonl")) == 4 and not worker.busy)
        desk.fails = ["settle", "lease", "lease"]
        await asyncio.to_thread(town.dispatch, died(4), died(5, n=5))
        await until(lambda: not desk.fails)
        await until(lambda: len(told(town.folder, "jsonl")) >= 6 and not worker.busy)
    assert told(town.folder, "jsonl") == [str(number) for number in range(6)]


class Forgetful(Desk):
    """A desk whose ledger goes away while it is told what became of calls, before it has that or after."""

    def __init__(self, ledger, *, written):
        super().__init__(ledger)
        self.written = written
        self.faults = 3

    def settle(self, settlements):
        if self.faults and any(one.intent is False for one in settlements):
            self.faults -= 1
            if self.written and not self.faults:
                super().settle(settlements)
            raise LedgerUnavailable("gone")
        return super().settle(settlements)


@pytest.mark.parametrize("written", [False, True])
async def test_what_became_of_calls_is_kept_while_the_ledger_is_away(town_of, monkeypatch, written):
    monkeypatch.setattr(receiver_module, "KEPT", 0.01)
    town = town_of()
    town.dispatch(*pairs(5))
    sink, desk = Shelf(**PLAIN), Forgetful(town.ledger, written=written)
    async with town.working(sink, desk=desk) as worker:
        await until(lambda: len(town.outcomes()) == 5 and not worker.busy)
        town.dispatch(died(5))
        await until(lambda: len(town.outcomes()) == 6)
    assert desk.faults == 0
    assert town.holds() == []
    assert sorted(sink.ids) == [str(number) for number in range(6)]


# --- how each error ends -------------------------------------------------------------------------------------------


def once(error, event_id="0"):
    """Return an answer that fails the first time for one event."""
    left = {event_id}

    def answer(delivery):
        if delivery.event_id in left:
            left.discard(delivery.event_id)
            return error
        return None

    return answer


BATCHES = pytest.mark.parametrize("batch", [1, 100])


@BATCHES
@pytest.mark.parametrize("error", [Rejected("no", code="http-422"), Malformed("no such place", code="url")])
async def test_a_refusal_is_a_dead_letter_at_once_and_holds_nobody(town_of, batch, error):
    town = town_of()
    town.dispatch(*pairs(4, residents=1))
    sink = Shelf(once(error, "1"), batch=batch)
    await town.deliver(sink)
    assert sink.ids == ["0", "2", "3"]
    assert [status for status, _ in town.outcomes().values()] == [DELIVERED, DEAD_REJECTED, DELIVERED, DELIVERED]
    assert town.holds() == []
    shown = town.inquiry.event("1")["deliveries"][0]
    assert (shown["status"], shown["reason"], shown["error"]["code"]) == ("dead", "rejected", error.code)


@BATCHES
@pytest.mark.parametrize("reached", [True, False])
async def test_what_may_go_later_waits_and_goes(town_of, batch, reached):
    town = town_of()
    town.dispatch(*pairs(6))
    sink = Shelf(once(Transient("busy", reached=reached, code="http-503")), batch=batch)
    async with town.working(sink):
        await until(lambda: len(sink.taken) == 6)
        await until(lambda: not town.holds())
    assert in_order(sink.taken)
    assert sorted(sink.ids) == [str(number) for number in range(6)]
    kinds = town.rows(attempt, "kind", "code", "n")
    assert ("transient" if reached else "unreached", "http-503", 1) in kinds


async def test_a_waiting_delivery_holds_only_its_residents_later_ones(town_of):
    town = town_of(listens("kokuho", retry=Retry(delays=(3600,), then=3600)))
    town.dispatch(*pairs(9))
    sink = Shelf(once(Transient("busy", reached=True)))
    await town.deliver(sink)
    assert sink.ids == ["1", "2", "4", "5", "7", "8"]
    assert [(hold.pos & 0xFFFF, hold.status) for hold in town.holds()] == [(0, WAITING), (3, EARLIER), (6, EARLIER)]
    town.dispatch(*(died(number, str(number % 3), n=number) for number in range(9, 12)))
    await town.deliver(sink)
    assert sink.ids[6:] == ["10", "11"]
    shown = town.inquiry.event("0")["deliveries"][0]
    assert shown["status"] == "waiting"
    assert shown["next_attempt_at"] is not None
    assert shown["attempts"] == 1


async def test_what_waits_survives_a_restart_and_goes_in_order(town_of):
    town = town_of(listens("kokuho", retry=Retry(delays=(3600,), then=3600)))
    town.dispatch(*pairs(6, residents=1))
    busy = Shelf(once(Transient("busy", reached=True)))
    async with town.working(busy) as worker:
        await until(lambda: len(town.holds()) == 6 and not worker.busy)
    assert busy.taken == []
    with town.ledger.write() as connection:  # the hour has passed
        connection.execute(sa.update(pending).where(pending.c.due.is_not(None)).values(due=0))
    sink = Shelf()
    async with town.working(sink):
        await until(lambda: len(sink.taken) == 6)
    assert sink.ids == [str(number) for number in range(6)]


async def test_one_refusal_is_one_however_many_of_the_resident_wait_behind_it(town_of):
    town = town_of(listens("kokuho", retry=Retry(delays=(3600,), then=3600)))
    town.dispatch(*(died(number, "1", n=number) for number in range(20)))
    sink = Shelf(lambda delivery: Transient("busy", reached=True) if delivery.subject == "1" else None)
    async with town.working(sink) as worker:
        await until(lambda: len(town.holds()) == 20)
        assert worker._health.breaker is None
        town.dispatch(died(20, "2", n=20))
        await until(lambda: sink.ids == ["20"])
    assert sum("0" in call for call in sink.calls) == 1


async def test_what_followed_goes_out_after_a_crash_between(town_of):
    town = town_of()
    town.dispatch(*pairs(4, residents=1))
    await town.deliver(Shelf(lambda _: Transient("gone")))
    fuse = Fuse(1)  # the first settlement, of the head alone, is the last
    sink = Shelf()
    async with town.working(sink, desk=MortalDesk(town.ledger, fuse)):
        await until(lambda: fuse.blown)
    assert len(town.holds()) == 3
    async with town.working(sink):
        await until(lambda: not town.holds())
    assert list(dict.fromkeys(sink.ids)) == ["0", "1", "2", "3"]


async def test_an_unknown_outcome_is_left_to_a_person(town_of):
    town = town_of()
    town.dispatch(*pairs(4, residents=2))
    sink = Shelf(once(OutcomeUnknown("no answer", code="no-answer")), **PLAIN)
    await town.deliver(sink)
    assert sink.ids == ["1", "3"]
    assert [(hold.status, hold.due) for hold in town.holds()] == [(UNKNOWN, None), (EARLIER, None)]
    assert town.inquiry.event("0")["deliveries"][0]["status"] == "unknown"


@pytest.mark.parametrize("took", [True, False])
async def test_an_unknown_outcome_is_asked_before_anything_is_sent_again(town_of, took):
    town = town_of()
    town.dispatch(died(0))
    sink = Shelf(once(OutcomeUnknown("no answer")), **PLAIN, confirms=True)
    sink.truth = lambda delivery: Outcome(delivery.key, None if took else Transient("never came", reached=True))
    async with town.working(sink):
        await until(town.outcomes)
    assert sink.asked == [["0"]]
    assert sink.ids == ([] if took else ["0"])


async def test_a_fault_of_the_adapter_with_one_delivery_does_not_stop_the_others(town_of):
    town = town_of(listens("kokuho", retry=Retry(delays=(3600,), then=3600)))
    town.dispatch(*pairs(6, residents=6))

    def answer(delivery):
        if delivery.event_id == "2":
            raise ZeroDivisionError("oops")

    sink = Shelf(answer, batch=1)
    await town.deliver(sink)
    assert sorted(sink.ids) == ["0", "1", "3", "4", "5"]
    assert [hold.status for hold in town.holds()] == [WAITING]


@BATCHES
async def test_an_error_raised_for_a_whole_batch_is_that_of_each(town_of, batch):
    town = town_of()
    town.dispatch(*pairs(3))

    def answer(_):
        raise Rejected("the table is gone", code="table")

    await town.deliver(Shelf(answer, batch=batch))
    assert [status for status, _ in town.outcomes().values()] == [DEAD_REJECTED] * 3


async def test_what_a_system_says_is_stored_whatever_it_is(town_of):
    town = town_of()
    town.dispatch(*pairs(2, residents=1))
    await town.deliver(Shelf(once(Rejected("nul \x00 and \ud800"))))
    assert town.rows(attempt, "message") == [("nul \\u0000 and \\ud800",)]


async def test_a_rejection_after_vain_calls_is_told(town_of):
    town = town_of()
    town.dispatch(died(0))
    answers = [Transient("away"), Rejected("no", code="late")]
    sink = Shelf(lambda _: answers.pop(0))
    async with town.working(sink):
        await until(town.outcomes)
    assert town.rows(attempt, "kind", "code") == [("rejected", "late")]
    assert [item["event_id"] for item in town.inquiry.deliveries(DeliveryFilter(statuses=("dead",)))["items"]] == ["0"]


# --- the breaker ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reached", [True, False])
@BATCHES
async def test_the_breaker_opens_probes_with_the_head_only_and_lets_everything_out(town_of, batch, reached):
    town = town_of(listens("kokuho", retry=Retry(delays=(3600,), then=3600)))
    town.dispatch(*pairs(40, residents=20))
    away = True
    sink = Shelf(lambda _: Transient("away", reached=reached, code="http-503") if away else None, batch=batch)
    async with town.working(sink) as worker:
        await until(lambda: worker._health.breaker is not None)
        calls = len(sink.calls)
        await asyncio.sleep(0.4)
        probes = sink.calls[calls:]
        assert 2 <= len(probes) <= 20  # every 0.03 s at most
        assert {tuple(probe) for probe in probes} == {("0",)}
        assert max(hold.attempts for hold in town.holds()) <= 1
        receivers = town.inquiry.status()["receivers"]
        assert (receivers[0]["breaker"]["error"], receivers[0]["breaker"]["code"]) == ("away", "http-503")
        await asyncio.to_thread(town.dispatch, *(died(number, str(number % 20), n=number) for number in range(40, 60)))
        away = False
        await until(lambda: len(sink.taken) == 60)
        await until(lambda: not town.holds())
        assert worker._health.breaker is None
    assert in_order(sink.taken)
    assert len(set(sink.ids)) == 60


async def test_a_system_that_says_when_is_left_alone_until_then(town_of):
    town = town_of()
    town.dispatch(died(0))
    sink = Shelf(once(Transient("slow down", retry_after=0.3)))
    begun = time.monotonic()
    async with town.working(sink):
        await until(lambda: sink.ids == ["0"])
    assert time.monotonic() - begun >= 0.3


async def test_an_open_breaker_survives_a_restart(town_of):
    town = town_of()
    town.dispatch(*pairs(10))
    async with town.working(Shelf(lambda _: Transient("away"), batch=1)) as worker:
        await until(lambda: worker._health.breaker is not None and not worker.busy)
    sink = Shelf(batch=1)
    async with town.working(sink):
        await until(lambda: len(sink.taken) == 10)
    assert in_order(sink.taken)


async def test_a_receiver_that_fails_does_not_delay_another(town_of):
    town = town_of(listens("kokuho"), listens("koki"))
    town.dispatch(*pairs(10))
    writer = Writer(town.desk)

    async def never():
        await asyncio.sleep(3600)

    stuck, sink = Shelf(lambda _: never()), Shelf()
    async with town.working(stuck, "kokuho.main", writer=writer):
        await until(lambda: stuck.calls)
        async with town.working(sink, "koki.main", writer=writer):
            await until(lambda: len(sink.taken) == 10, limit=3)


class Picky(Desk):
    """A desk to which one receiver says what cannot be stored."""

    bad = 0

    def settle(self, settlements):
        if any(one.receiver == self.bad and one.finished for one in settlements):
            raise ValueError("cannot be stored")
        return super().settle(settlements)


async def test_what_one_receiver_cannot_store_does_not_fail_another(town_of):
    town = town_of(listens("kokuho"), listens("koki"))
    town.dispatch(*pairs(3))
    desk = Picky(town.ledger)
    desk.bad = town.number("kokuho.main")
    writer = Writer(desk)
    leases = [town.lease("kokuho.main"), town.lease("koki.main")]
    pos = town.contents()["event"][0][0]
    done = [Finished(DELIVERED, 0, 1, 1, [pos], [1])]
    answers = await asyncio.gather(
        *(writer.settle(settlement(lease, "a", finished=done)) for lease in leases), return_exceptions=True
    )
    assert isinstance(answers[0], ValueError)
    assert answers[1] is True
    assert town.outcomes("koki.main") == {0: (DELIVERED, 1)}


# --- order ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@BATCHES
async def test_each_residents_order_holds_under_random_failures(town_of, batch, seed):
    town = town_of(listens("kokuho", parallel=8, retry=SOON, max_rows=32))
    chance = random.Random(seed)  # noqa: S311
    running, at_once = set(), []

    async def answer(delivery):
        if delivery.subject in running:
            at_once.append(delivery.key)
        running.add(delivery.subject)
        await asyncio.sleep(chance.random() * 0.002)
        running.discard(delivery.subject)
        drawn = chance.random()
        if drawn < 0.02:
            return Rejected("no")
        if drawn < 0.15:
            return Transient("busy", reached=chance.random() < 0.8)
        return None

    sink = Shelf(answer, batch=batch)
    total = 150
    async with town.working(sink):
        for start in range(0, total, 50):
            events = [died(number, str(number % 7), n=number) for number in range(start, start + 50)]
            await asyncio.to_thread(town.dispatch, *events)
        await until(lambda: len(town.outcomes()) == total, limit=60)
    assert at_once == []
    assert in_order(sink.taken)
    assert len(set(sink.ids)) == len(sink.ids)
    assert len(sink.ids) + town.inquiry._views.died(0)[town.number()] == total
    assert town.holds() == []


# --- what is planned not to go -------------------------------------------------------------------------------------


async def test_what_is_suppressed_or_held_is_recorded(town_of):
    town = town_of(
        listens("kokuho", rule("kokuho", enabled=False)),
        listens("koki", rule("koki", when="facts.resident.kana == 'x'", unknown="ask")),
        listens("kaigo", rule("kaigo", send=("name", {"kana": "facts.resident.kana"}), require=("kana",))),
    )
    town.dispatch(died(1, "a"), died(2, "a", n=2))
    for key in ("kokuho.main", "koki.main", "kaigo.main"):
        sink = Shelf()
        await town.deliver(sink, key)
        assert sink.calls == []
    assert [status for status, _ in town.outcomes("kokuho.main").values()] == [
        delivery_code("suppressed", "disabled")
    ] * 2
    assert [hold.status for hold in town.holds("koki.main")] == [ASK, ASK]
    assert [hold.status for hold in town.holds("kaigo.main")] == [INCOMPLETE, INCOMPLETE]
    shown = {each["system"]: (each["status"], each["reason"]) for each in town.inquiry.event("1")["deliveries"]}
    assert shown == {"kokuho": ("suppressed", "disabled"), "koki": ("held", "ask"), "kaigo": ("held", "incomplete")}


# --- rule sets -----------------------------------------------------------------------------------------------------


async def test_older_plans_are_sent_as_the_rules_were(town_of):
    town = town_of(listens("kokuho"))
    town.dispatch(died(1))
    later = town.again(listens("kokuho", rule("kokuho", id="later", send=("died_on",))))
    later.dispatch(died(2, "1000002"))
    sink = Shelf()
    await later.deliver(sink)
    assert [sorted(delivery.data) for delivery in sink.taken] == [["died_on", "name"], ["died_on"]]


async def test_a_new_receiver_starts_at_the_end_of_the_log(town_of):
    town = town_of(listens("kokuho"))
    town.dispatch(died(1))
    later = town.again(listens("kokuho"), listens("koki"))
    cursors = {key: orjson.loads(cursor) for key, cursor in town.rows(receiver, "key", "cursor")}
    stream = town.generation << 12
    assert cursors["koki.main"][str(stream)] == stream << 40
    assert cursors["kokuho.main"][str(stream)] < stream << 40
    later.dispatch(died(2, "1000002"))
    sink = Shelf()
    await later.deliver(sink, "koki.main")
    assert sink.ids == ["2"]
    old = Shelf()
    await later.deliver(old, "kokuho.main")
    assert old.ids == ["1", "2"]


async def test_a_round_that_a_death_ends_takes_nothing_from_a_later_log(town_of):
    moves = rule("kokuho", id="moves", on=("resident.moved",), send=("new_address",), deliver="on-effective-date")
    town = town_of(listens("kokuho", moves, rule("kokuho")))
    address = {"new_address": "大阪府守口市本町一丁目", "effective_on": "2999-04-01"}
    town.dispatch(report("resident.moved", 1, "1000001", address))
    town.dispatch(died(2))
    town.dispatch(died(3, "1000002"))
    town.generation, _ = town.log.adopt(town.generation, dict.fromkeys(range(6), (0, 0)))
    town.topic = Topic()
    town.dispatch(died(4, "1000002"))
    sink = Shelf()
    await town.deliver(sink)
    assert sink.ids == ["2", "3", "4"]


async def test_numbers_grow_and_stay_with_their_delivery(town_of):
    town = town_of(
        listens("kokuho", receives={"main": Receiver(name="main", system="kokuho", adapter="jsonl", retry=SOON)})
    )
    town.dispatch(*pairs(5))
    numbers = {}

    def answer(delivery):
        numbers.setdefault(delivery.event_id, set()).add(delivery.no)
        return failing(delivery)

    failing = once(Transient("busy", reached=True), "3")
    sink = Shelf(answer)
    async with town.working(sink):
        await until(lambda: len(sink.taken) == 5)
    town.dispatch(died(5))
    await town.deliver(sink)
    assert numbers == {str(number): {number + 1} for number in range(6)}
