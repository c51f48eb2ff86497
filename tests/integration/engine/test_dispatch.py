"""Dispatch is exactly once: one poll, one transaction, whatever dies, repeats or is poisonous."""

import random
import threading
import time

import orjson
import pytest
import sqlalchemy as sa

from hub.errors import ConfigurationError, Fenced, LedgerUnavailable
from hub.events.envelope import encode, event_from
from hub.ledger import batches, quarantine
from hub.ledger import log as log_module
from hub.ledger.batches import Arrival
from hub.ledger.engine import Ledger
from hub.ledger.log import DispatchBatch, EventLog, IdTaken
from hub.ledger.tables import dedup, position, ruleset, standing
from hub.ledger.tables import event as events
from hub.stages.entries import unpack_plan
from hub.stages.known import Known

from .town import Record, Topic, Town, died, listens, report, rule


def seen(town):
    return {row[0]: row[1] for row in town.rows(dedup, "id", "seen")}


def plans(town):
    return {row[1]: unpack_plan(bytes(row[-2])) for row in town.contents()["event"]}


def told(town):
    return {key: len(items) for key, items in plans(town).items()}


# --- one poll, one transaction -------------------------------------------------------------------------------------


def test_a_poll_is_kept_whole_with_its_position(town_of):
    town = town_of()
    town.dispatch(died(1), died(2, "1000002"), died(1))
    assert seen(town) == {"1": 2, "2": 1}
    assert told(town) == {"1": 1, "2": 1}
    assert town.log.positions()[town.generation << 12] == 3


def test_nothing_is_put_together_for_receivers_where_nobody_delivers(town_of):
    town = town_of()
    apart = town.dispatcher(hands_on=False)
    town.topic.add(died(1))
    assert apart.handle(town.topic.since({0: 0})) == []
    assert told(town) == {"1": 1}
    assert town.log.positions()[town.generation << 12] == 1
    assert [chunk.events for chunk in town.dispatch(died(2))] == [1]


def test_an_empty_poll_changes_nothing(town_of):
    town = town_of()
    before = town.contents()
    assert town.dispatcher().handle([]) == []
    assert town.contents() == before


def test_a_poll_that_was_handled_before_changes_nothing(town_of):
    town = town_of()
    town.dispatch(died(1), died(2), died(1))
    before = town.contents()
    zombie = town.dispatcher()
    zombie._next = dict.fromkeys(zombie._next, 0)  # as one that handled it and does not know that it was committed
    with pytest.raises(Fenced):
        zombie.handle(town.topic.since({0: 0}))
    assert town.contents() == before
    assert town.quarantined() == []


def test_a_zombie_leaves_nothing(town_of):
    town = town_of()
    zombie = town.dispatcher()
    town.dispatch(died(1), b"no json")
    town.topic.add(died(2))
    before, quarantined = town.contents(), town.quarantined()
    with pytest.raises(Fenced):
        zombie.handle(town.topic.since({0: 0}))
    assert town.contents() == before
    assert town.quarantined() == quarantined


def test_a_zombie_that_planned_before_the_other_committed_hears_so_at_once(town_of):
    town = town_of()
    commits = []

    class Late(EventLog):
        def commit(self, batch, beside=None):
            if not commits:
                town.dispatch()
            commits.append(batch)
            super().commit(batch, beside)

    zombie = town.dispatcher(log=Late(town.ledger))
    town.topic.add(died(1))
    town.topic.add(died(2))
    with pytest.raises(Fenced):
        zombie.handle(town.topic.since({0: 0}))
    assert len(commits) == 1
    assert seen(town) == {"1": 1, "2": 1}


def test_a_zombie_of_one_partition_keeps_nothing_of_the_others(town_of):
    town = town_of()
    zombie = town.dispatcher([0, 1])
    town.topic.add(died(1), 0)
    town.topic.add(died(2), 1)
    town.dispatch(partition=1)
    before = town.contents()
    with pytest.raises(Fenced):
        zombie.handle(town.topic.since({0: 0, 1: 0}))
    assert town.contents() == before
    zombie.handle(town.topic.since(zombie.assign([0, 1])))
    assert seen(town) == {"1": 1, "2": 1}


class Dying(EventLog):
    """A log whose process dies before or after the next commit."""

    when = ""

    def commit(self, batch, beside=None):
        if self.when == "before":
            raise LedgerUnavailable("gone")
        super().commit(batch, beside)
        if self.when == "after":
            raise LedgerUnavailable("gone")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_around_the_commit_loses_and_doubles_nothing(town_of, when):
    town = town_of()
    log = Dying(town.ledger)
    dispatcher = town.dispatcher(log=log)
    for event in (died(1), died(1), died(2, "1000002"), died(1, more="other")):
        town.topic.add(event)
    log.when = when
    with pytest.raises(LedgerUnavailable):
        dispatcher.handle(town.topic.since({0: 0}))
    log.when = ""
    dispatcher.handle(town.topic.since(dispatcher.assign([0])))
    assert seen(town) == {"1": 2, "2": 1}
    assert told(town) == {"1": 1, "2": 1}
    assert town.log.positions()[town.generation << 12] == 4


def test_gaps_between_offsets_are_no_fault(town_of):
    town = town_of()
    dispatcher = town.dispatcher()
    value = orjson.dumps(died(1))
    dispatcher.handle([Record(0, 5, b"", value)])
    dispatcher.handle([Record(0, 9, b"", value)])
    assert seen(town) == {"1": 2}
    assert town.log.positions()[town.generation << 12] == 10


# --- identity ------------------------------------------------------------------------------------------------------


def test_repeats_are_counted_in_a_batch_and_over_batches(town_of):
    town = town_of()
    town.dispatch(died(1), died(1), died(1))
    town.dispatch(died(1), died(2))
    assert seen(town) == {"1": 4, "2": 1}
    assert told(town) == {"1": 1, "2": 1}
    assert town.inquiry.event("1")["seen"] == 4


def test_the_same_id_of_another_source_is_another_event(town_of):
    town = town_of()
    town.dispatch(died(1), died(1, "1000002", system="koseki"))
    assert len(town.contents()["event"]) == 2


def test_the_same_content_written_otherwise_is_a_repeat(town_of):
    town = town_of()
    event = died(1, address={"text": "京阪本通", "town": "京阪本通", "n": [1, {"a": 1, "b": 2}]})
    other = {**event, "time": "2026-05-05T00:00:00Z", "batchid": "B2", "data": dict(reversed(event["data"].items()))}
    other["data"]["address"] = {"n": [1, {"b": 2, "a": 1}], "town": "京阪本通", "text": "京阪本通"}
    spaced = orjson.dumps(other, option=orjson.OPT_INDENT_2).replace("京".encode(), b"\\u4eac")
    town.dispatch(event, spaced)
    town.dispatch(spaced)
    assert seen(town) == {"1": 3}
    assert town.quarantined() == []


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    "change", [{"data": {"died_on": "2026-04-02"}}, {"subject": "9"}, {"type": "jp.lg.moriguchi.resident.born.v1"}]
)
def test_an_id_used_again_for_other_content_is_quarantined_with_its_raw_bytes(town_of, apart, change):
    town = town_of()
    other = orjson.dumps({**died(1), **change}, option=orjson.OPT_INDENT_2)
    if apart:
        town.dispatch(died(1))
        town.dispatch(other, died(2, "1000002"))
    else:
        town.dispatch(died(1), other, died(2, "1000002"))
    assert seen(town) == {"1": 1, "2": 1}
    assert town.quarantined() == [("hub.events/0@1", "id-reused", 1)]
    items, _ = quarantine.listing(town.ledger)
    assert items[0].system == "juki"
    assert quarantine.show(town.ledger, items[0].no).raw == other
    assert items[0].stage == "dispatch"


def test_a_reused_id_says_where_it_came_from_and_where_the_first_did(town_of):
    town = town_of()
    with town.ledger.write() as connection:
        came = [Arrival("juki", "sabun", "f-1", "in/juki/1.csv"), Arrival("juki", "sabun", "f-2", "in/juki/2.csv")]
        batches.record(connection, came, 1)
    town.dispatch({**died(1), "batchid": "f-1"}, {**died(1, more="other"), "batchid": "f-2"})
    town.dispatch({**died(1, more="third"), "batchid": "nowhere"}, died(1, more="fourth"))
    items, _ = quarantine.listing(town.ledger)
    assert [item.place for item in reversed(items)] == [
        "hub.events/0@1, batch f-2 (in/juki/2.csv)",
        "hub.events/0@2, batch nowhere",
        "hub.events/0@3",
    ]
    assert all("for other content, in batch f-1 (in/juki/1.csv) (see whether" in item.message for item in items)


def test_a_reused_id_that_comes_again_is_counted_not_listed_twice(town_of):
    town = town_of()
    other = died(1, more="other")
    town.dispatch(died(1), {**other, "batchid": "B1"}, {**other, "batchid": "B2", "time": "2026-05-05T00:00:00Z"})
    turned = {**other, "data": dict(reversed(other["data"].items()))}
    town.dispatch(turned, died(1, more="third"), {**other, "source": "/systems/koseki"})
    assert town.quarantined() == [("hub.events/0@1, batch B1", "id-reused", 3), ("hub.events/0@4", "id-reused", 1)]
    quarantine.resolve(town.ledger, 1, "discarded", "seen")
    town.dispatch({**other, "batchid": "B3"})
    assert quarantine.show(town.ledger, 1).status == "discarded"


def test_what_is_called_a_repeat_at_the_door_is_what_dispatch_calls_one(town_of):
    town = town_of()
    documents = [died(1), died(1, kana="モリグチ"), died(1, died_on="2026-04-02"), died(2), died(1, "1000002")]
    documents.append({**died(1), "data": dict(reversed(died(1)["data"].items()))})
    town.dispatch(died(1))
    events = [event_from(each, city="moriguchi", now="2026-04-01T09:00:00Z") for each in documents]
    found = Known(town.ledger).seen(events, [encode(each, "moriguchi") for each in events])
    town.dispatch(*documents)
    assert [each.value for each in found] == ["repeat", "reused", "reused", "new", "reused", "repeat"]
    assert seen(town) == {"1": 3, "2": 1}
    assert len(town.quarantined()) == 3


def test_true_and_one_are_not_the_same_content(town_of):
    town = town_of()
    town.dispatch(died(1, flag=True), died(1, flag=1))
    assert [code for _, code, _ in town.quarantined()] == ["id-reused"]


class Raced(EventLog):
    """A log in which another dispatcher commits between the look-up and the insert."""

    rival = None

    def commit(self, batch, beside=None):
        rival, self.rival = self.rival, None
        if rival is not None:
            rival()
        super().commit(batch, beside)


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("same", [True, False])
def test_two_dispatchers_with_the_same_id_at_once(town_of, same, alone):
    town = town_of()
    other = town.again()
    log = Raced(town.ledger)
    mine, theirs = town.dispatcher([0], log), other.dispatcher([1])
    if not alone:
        town.topic.add(died("x", "1000009"), 0)
    place = town.topic.add(died(1), 0).offset
    town.topic.add(died(1) if same else died(1, more="other"), 1)
    log.rival = lambda: theirs.handle(town.topic.since({1: 0}))
    mine.handle(town.topic.since({0: 0}))
    assert seen(town) == {"1": 2 if same else 1} | ({} if alone else {"x": 1})
    assert told(town) == {"1": 1} | ({} if alone else {"x": 1})
    assert town.quarantined() == ([] if same else [(f"hub.events/0@{place}", "id-reused", 1)])


@pytest.mark.parametrize("more", [0, log_module.FEW])
def test_what_another_dispatcher_has_said_of_a_resident_meanwhile_is_looked_at_again(town_of, more):
    """As after partitions have changed, when a resident's earlier events lie in one that another process has."""
    town = town_of()
    mine = town.dispatcher()
    town.topic.add(report("resident.moved", "m", "1000001", {"effective_on": "2026-03-01", "name": "守口"}))
    mine.handle(town.topic.since({0: 0}))
    town.again().dispatch(died("other"), partition=1)
    first = town.topic.add(died("mine")).offset
    for number in range(more):
        town.topic.add(died(f"x{number}", f"2{number:06d}"))
    assert len(mine.handle(town.topic.since({0: first}))) == 1  # not in halves, as after a fault
    assert town.quarantined() == []
    assert seen(town) == dict.fromkeys(["m", "other", "mine", *(f"x{number}" for number in range(more))], 1)
    current = {(subject, kind): pos for subject, kind, pos, _ in town.rows(standing)}
    assert len(current) == 2 + more
    assert current["1000001", "type:resident.died"] == (town.generation << 52) + first


def test_dispatchers_side_by_side_count_every_repeat_once(town_of):
    town = town_of()
    towns = [town, town.again(), town.again(), town.again()]
    for partition in range(4):
        for number in range(60):
            town.topic.add(died(number if partition % 2 else 59 - number, str(number)), partition)

    faults = []

    def run(mine, partition):
        dispatcher = mine.dispatcher([partition])
        while records := town.topic.since(dispatcher.assign([partition])):
            try:
                dispatcher.handle(records[:7])
            except LedgerUnavailable:  # a deadlock or a lock: waited out
                continue
            except Exception as error:  # noqa: BLE001
                faults.append(error)
                return

    for event in town.topic.partitions.values():  # one subject an id, so that all four say the same
        event[:] = [Record(r.partition, r.offset, r.key, _subject_by_id(r.value)) for r in event]
    threads = [threading.Thread(target=run, args=(each, number)) for number, each in enumerate(towns)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert seen(town) == {str(number): 4 for number in range(60)}
    assert told(town) == {str(number): 1 for number in range(60)}


def _subject_by_id(value):
    event = orjson.loads(value)
    return orjson.dumps({**event, "subject": event["id"]})


def test_an_id_taken_is_an_error_of_the_transaction_only(town_of):
    town = town_of()
    town.dispatch(died(1))
    stream = town.generation << 12
    source = town.rows(dedup, "source")[0][0]
    before = town.contents()
    with pytest.raises(IdTaken):
        town.log.commit(DispatchBatch({stream: (1, 2)}, ids=[("1", source, 99, b"x", 1)]))
    assert town.contents() == before


def test_only_an_id_that_is_taken_is_told_as_such(town_of):
    town = town_of()
    town.dispatch(died(1))
    stream = town.generation << 12
    ((pos,),) = town.rows(events, "pos")
    row = (pos, "2", 1, 1, "1", 0, 0, 1, None, b"", b"")
    with pytest.raises(town.ledger.engine.dialect.dbapi.IntegrityError, match="event"):
        town.log.commit(DispatchBatch({stream: (1, 2)}, events=[row]))


def test_a_log_that_was_cut_is_adopted_as_a_new_generation_whose_offsets_collide_with_nothing(town_of):
    town = town_of()
    town.dispatch(*(died(number) for number in range(5)))
    stream = town.generation << 12
    assert town.log.positions()[stream] == 5
    held = dict.fromkeys(range(6), (0, 0)) | {0: (0, 2)}
    number, moved = town.log.adopt(town.generation, held)
    assert number == town.generation + 1
    assert moved == dict.fromkeys(range(6), 0)
    assert town.log.open_generation("hub.events", "uuid-1", 6) == number
    other = town.again()
    other.topic = Topic()
    other.dispatch(died(0), died(1), died(7))  # two it knows, and a new one where another was
    assert seen(town)["0"] == seen(town)["1"] == 2
    assert len({row[0] for row in town.rows(events, "pos")}) == 6
    assert other.log.positions()[number << 12] == 3


def test_a_topic_with_more_partitions_is_refused_until_it_is_adopted_and_goes_on_where_it_was(town_of):
    town = town_of()
    town.dispatch(*(died(number) for number in range(5)))
    with pytest.raises(ConfigurationError, match="it has 8 partitions, and the ledger recorded 6"):
        town.log.open_generation("hub.events", "uuid-1", 8)
    with pytest.raises(ConfigurationError, match=r"partition 6 of .* was added since"):
        town.dispatcher([0, 6])
    number = town.log.open_generation("hub.events", "uuid-1", 8, adopt=True)
    assert number == town.generation + 1
    assert town.log.open_generation("hub.events", "uuid-1", 8) == number
    assert [town.log.positions()[(number << 12) + part] for part in (0, 5, 6, 7)] == [5, 0, 0, 0]


def test_a_log_whose_begin_went_past_the_ledger_goes_on_in_its_generation(town_of):
    town = town_of()
    town.dispatch(died(1))
    held = dict.fromkeys(range(6), (0, 0)) | {0: (4, 9)}
    assert town.log.adopt(town.generation, held) == (town.generation, {0: 4})
    assert town.log.positions()[town.generation << 12] == 4


# --- poison --------------------------------------------------------------------------------------------------------

POISON = {
    "no json": b'{"id": "x", "source": ',
    "no object": b"[1, 2]",
    "nothing": b"",
    "not UTF-8": b'{"id": "\xff\xfe"}',
    "no data": b'{"id":"x","source":"/systems/juki","type":"jp.lg.m.resident.died.v1","subject":"1"}',
    "unknown type": orjson.dumps({**died("x"), "type": "com.example.other"}),
    "lone surrogate": orjson.dumps(died("x")).replace(b'"name":"', b'"name":"\\ud800'),
    "number beyond 64 bits twice": orjson.dumps(died("x", n=7)).replace(b":7", b":123456789012345678901234567890"),
    "endless number": orjson.dumps(died("x", effective_on=7)).replace(b":7", b":1e999"),
    "deep": b'{"id":' + b"[" * 100_000,
}


@pytest.mark.parametrize("poison", POISON)
@pytest.mark.parametrize("place", [0, 3, 6])
def test_a_poisonous_record_is_quarantined_alone(town_of, poison, place):
    town = town_of()
    events = [died(number, str(number)) for number in range(6)]
    if poison == "number beyond 64 bits twice":  # carried as it is; comparing it with other content is what cannot be
        town.dispatch(POISON[poison])
        events.insert(place, POISON[poison].replace(b"{", b"{ "))
        events.insert(place, POISON[poison].replace(b"890", b"891"))
        town.dispatch(*events)
        assert len(town.contents()["event"]) == 7
        return
    events.insert(place, POISON[poison])
    town.dispatch(*events)
    assert set(told(town)) == {str(number) for number in range(6)}
    assert town.log.positions()[town.generation << 12] == 7
    ((where, _, count),) = town.quarantined()
    assert (where, count) == (f"hub.events/0@{place}", 1)


@pytest.mark.parametrize("field", ["id", "subject", "source", "batchid", "effective_on"])
def test_a_nul_ends_in_quarantine_or_in_the_ledger_and_never_stops_the_rest(town_of, field):
    town = town_of(listens("kokuho", rule("kokuho", when="facts.resident.name == 'x'", unknown="send")))
    event = died("x", "x")
    (event["data"] if field == "effective_on" else event)[field] = "2026-04-01\x00"
    town.dispatch(died(1), event, died(2, "1000002"))
    assert {"1", "2"} <= set(told(town))
    assert town.log.positions()[town.generation << 12] == 3
    kept = len(town.contents()["event"]) + len(town.quarantined())
    assert kept == 3


@pytest.mark.parametrize("field", ["id", "subject", "source", "batchid"])
def test_what_is_too_long_for_an_index_never_stops_the_rest(town_of, field):
    town = town_of()
    chance = random.Random(1)  # noqa: S311
    long = {**died("x", "x"), field: "".join(chr(chance.randrange(0x4E00, 0x9FA5)) for _ in range(4_000))}
    town.dispatch(died(1), long, died(2, "1000002"))
    assert {"1", "2"} <= set(told(town))
    assert town.log.positions()[town.generation << 12] == 3
    kept = len(town.contents()["event"]) + len(town.quarantined())
    assert kept == 3


def test_a_fault_of_the_hub_is_bisected_down_to_its_record(town_of, monkeypatch):
    town = town_of()
    router = town.rules.router
    plan = router.plan

    def faulty(view, facts, after):
        if view.subject == "bad":
            raise ZeroDivisionError("oops")
        return plan(view, facts, after)

    monkeypatch.setattr(router, "plan", faulty)
    chunks = town.dispatch(*(died(number, "bad" if number == 11 else str(number)) for number in range(40)))
    assert told(town) == {str(number): 1 for number in range(40) if number != 11}
    assert town.quarantined() == [("hub.events/0@11", "fault", 1)]
    assert [chunk.after for chunk in chunks[1:]] == [chunk.upto for chunk in chunks[:-1]]


class Armed(EventLog):
    """A log that does something when all is written and not yet committed."""

    before = None

    def commit(self, batch, beside=None):
        sa.event.listen(self.ledger.engine, "commit", self.before, once=True)
        super().commit(batch, beside)


# --- a ledger that is away -----------------------------------------------------------------------------------------


def test_a_locked_ledger_is_unavailable_and_keeps_nothing(town_of):
    town = town_of(lock_timeout=0.3)
    other = town.again()
    town.topic.add(died(1))
    dispatcher = town.dispatcher()
    before = town.contents()
    with other.ledger.write() as connection:
        connection.execute(sa.update(position).values(next_offset=position.c.next_offset))
        with pytest.raises(LedgerUnavailable):
            dispatcher.handle(town.topic.since({0: 0}))
    assert town.contents() == before
    dispatcher.handle(town.topic.since(dispatcher.assign([0])))
    assert seen(town) == {"1": 1}


@pytest.fixture
def postgres_town(postgres_ledger_url, tmp_path):
    town = Town(postgres_ledger_url, tmp_path, listens("kokuho"))
    yield town
    town.close()


def test_a_connection_lost_before_the_commit_keeps_nothing(postgres_town):
    town = postgres_town
    other = town.again()
    town.topic.add(died(1))

    def cut(_):
        with other.ledger.write() as killer:
            killer.exec_driver_sql(
                "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    town.dispatch()  # names are interned in transactions of their own
    armed = Armed(town.ledger)
    armed.before = cut
    dispatcher = town.dispatcher(log=armed)
    with pytest.raises(LedgerUnavailable):
        dispatcher.handle([town.topic.add(died(2, note=2))])
    assert seen(town) == {"1": 1}
    dispatcher.handle(town.topic.since(dispatcher.assign([0])))
    assert seen(town) == {"1": 1, "2": 1}


# --- facts ---------------------------------------------------------------------------------------------------------

KOKUHO = rule("kokuho", when="facts.insurance.kokuho.active")


def enrolled(number, subject="1000001", since="2026-01-01", scheme="kokuho"):
    return report("insurance.enrolled", number, subject, {"scheme": scheme, "effective_on": since})


def left(number, subject="1000001", on="2026-02-01"):
    return report("insurance.left", number, subject, {"scheme": "kokuho", "effective_on": on})


def test_facts_of_the_same_batch_are_seen_by_later_events_of_the_resident_only(town_of):
    town = town_of(listens("kokuho", KOKUHO))
    town.dispatch(died("early"), enrolled(1), died("late", note=1), died("other", "1000002"))
    assert told(town) == {"early": 0, "1": 0, "late": 1, "other": 0}


def test_facts_of_an_earlier_batch_and_another_process_are_seen(town_of):
    town = town_of(listens("kokuho", KOKUHO))
    other = town.again()
    dispatcher = town.dispatcher()
    town.topic.add(died(0, effective_on="2025-12-31"))
    dispatcher.handle(town.topic.since(dispatcher.assign([0])))
    other.dispatch(enrolled(1))
    town.topic.add(died(2, note=2))
    dispatcher.handle(town.topic.since(dispatcher.assign([0])))
    assert told(town) == {"0": 0, "1": 0, "2": 1}


def test_facts_are_those_of_the_effective_date(town_of):
    town = town_of(listens("kokuho", KOKUHO))
    town.dispatch(enrolled(1, since="2026-01-10"), left(2, on="2026-02-10"))
    dates = ["2026-01-09", "2026-01-10", "2026-02-09", "2026-02-10"]
    town.dispatch(*(died(date, effective_on=date, note=date) for date in dates))
    assert {date: told(town)[date] for date in dates} == dict(zip(dates, [0, 1, 1, 0], strict=True))


def test_a_backdated_report_changes_what_is_known_of_that_time(town_of):
    town = town_of(listens("kokuho", KOKUHO))
    town.dispatch(left(1, on="2026-03-01"))
    town.dispatch(enrolled(2, since="2026-01-01"))
    town.dispatch(died("then", effective_on="2026-02-01"), died("now", effective_on="2026-04-01", note=1))
    assert told(town) == {"1": 0, "2": 0, "then": 1, "now": 0}


def test_a_batch_that_failed_teaches_nothing(town_of):
    town = town_of(listens("kokuho", KOKUHO))
    log = Dying(town.ledger)
    dispatcher = town.dispatcher(log=log)
    log.when = "before"
    with pytest.raises(LedgerUnavailable):
        dispatcher.handle([town.topic.add(enrolled(1))])
    log.when = ""
    town.topic = Topic()
    dispatcher.handle([town.topic.add(died(2))])
    assert told(town) == {"2": 0}


def test_after_has_the_event_applied(town_of):
    moved = rule("kokuho", on=("resident.moved",), send=("name",), when="after.resident.household_no == '8'")
    was = rule("koki", on=("resident.moved",), send=("name",), when="facts.resident.household_no == '8'")
    town = town_of(listens("kokuho", moved), listens("koki", was))
    data = {"name": "守口", "effective_on": "2026-04-01", "old_address": {"text": "a"}, "new_address": {"text": "b"}}
    town.dispatch(report("resident.moved", 1, "1", {**data, "household_no": "8"}))
    (item,) = plans(town)["1"]
    assert town.rules.keys[town.rules.numbers[item.receiver]] == "kokuho.main"


def test_household_facts_are_those_of_the_transaction(town_of):
    town = town_of(
        listens("kokuho", rule("kokuho", send=({"head": "facts.household.head"}, {"n": "facts.household.size"})))
    )
    moved = {"effective_on": "2026-01-01", "household_no": "77"}
    town.dispatch(
        report("resident.moved-in", 1, "100", {"name": "父", "relationship": "世帯主", **moved}),
        report("resident.moved-in", 2, "101", {"name": "母", **moved}),
        died(3, "101"),
    )
    town.dispatch(report("resident.moved-in", 4, "102", {"name": "子", **moved}), died(5, "102"))
    assert plans(town)["3"][0].values == {"head": "100", "n": 2}
    assert plans(town)["5"][0].values == {"head": "100", "n": 2}


def test_a_household_has_one_head(town_of):
    town = town_of(listens("kokuho", rule("kokuho", send=({"head": "facts.household.head"},))))
    moved = {"effective_on": "2026-01-01", "household_no": "77"}
    town.dispatch(
        report("resident.moved-in", 1, "100", {"name": "父", "relationship": "世帯主", **moved}),
        report("resident.moved-in", 2, "101", {"name": "母", **moved}),
        report(
            "household.changed",
            3,
            "101",
            {"kind": "head", "to_household": "77", "new_head": "101", "effective_on": "2026-02-01"},
        ),
        died(4, "101"),
    )
    town.dispatch(died(5, "100"))
    assert plans(town)["4"][0].values == {"head": "101"}


# --- rules ---------------------------------------------------------------------------------------------------------


def test_every_plan_records_the_rule_set_it_was_made_by(town_of):
    town = town_of(listens("kokuho"))
    town.dispatch(died(1))
    later = town.again(listens("kokuho", rule("kokuho", send=("died_on",))))
    later.dispatch(died(2, "1000002"))
    hashes = dict(town.rows(ruleset, "no", "hash"))
    assert [hashes[row[7]] for row in town.contents()["event"]] == [town.rules.ruleset.hash, later.rules.ruleset.hash]
    again = town.again(listens("kokuho"))
    assert again.rules.no == town.rules.no


def test_an_event_no_rule_wants_is_listed_as_unmatched(town_of):
    town = town_of()
    town.dispatch(
        report("resident.born", 1, "1", {"name": "子", "effective_on": "2026-01-01"}), died(2, hubfactsonly=True)
    )
    assert town.inquiry.event("1")["status"] == "unmatched"


def test_facts_only_plans_nothing_and_teaches(town_of):
    town = town_of(listens("kokuho", KOKUHO))
    town.dispatch({**enrolled(1), "hubfactsonly": True}, {**died(2), "hubfactsonly": True}, died(3, note=3))
    assert told(town) == {"1": 0, "2": 0, "3": 1}


def test_two_processes_that_meet_a_new_topic_at_once_open_one_generation(postgres_ledger_url, monkeypatch):
    ledgers = [Ledger(postgres_ledger_url), Ledger(postgres_ledger_url)]
    begin, opened = log_module._begin, []
    other = threading.Thread(target=lambda: opened.append(EventLog(ledgers[1]).open_generation("t", "u", 6)))

    def waits():
        with ledgers[0].read() as connection:
            return connection.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted").scalar_one()

    def joined(*arguments):
        monkeypatch.setattr(log_module, "_begin", begin)
        other.start()
        end = time.monotonic() + 30
        while other.is_alive() and not waits() and time.monotonic() < end:
            time.sleep(0.01)
        return begin(*arguments)

    monkeypatch.setattr(log_module, "_begin", joined)
    opened.append(EventLog(ledgers[0]).open_generation("t", "u", 6))
    other.join()
    assert opened == [1, 1]
    assert len(EventLog(ledgers[0]).positions()) == 6
    for ledger in ledgers:
        ledger.close()
