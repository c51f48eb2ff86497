"""Questions are answered in the contract's shapes, page by page without loss or repeat."""

import base64
import json

import pytest

from hub.errors import AmbiguousId, NotFound, Transient, UsageError
from hub.ledger.views import EventFilter
from hub.settings.models import Retry
from hub.stages.inquiry import DeliveryFilter

from .town import Shelf, died, listens, report, rule, until

EVENT = {
    *("event", "status", "seen", "duplicate_of", "corrects", "corrected_by", "deliveries", "not_told"),
}
DELIVERY = {
    *("id", "event_id", "type", "subject", "system", "receiver", "no", "batch", "status", "reason", "rule", "action"),
    *("attempts", "next_attempt_at", "planned_at", "delivered_at", "payload", "error"),
}


def pages(ask, **named):
    """Return the items of all pages, and how many pages there were."""
    items, cursor, count = [], None, 0
    while True:
        page = ask(cursor=cursor, **named)
        assert set(page) == {"items", "next"}
        items += page["items"]
        cursor, count = page["next"], count + 1
        assert count < 200
        if cursor is None:
            return items, count


async def test_an_event_is_told_in_the_contracts_shape(town_of):
    town = town_of(listens("kokuho"), listens("koki", rule("koki", when="facts.insurance.koki.active")))
    town.dispatch(report("resident.died", 1, "9", died(1)["data"], batchid="B1", sequence=4))
    told = town.inquiry.event("1")
    assert set(told) >= EVENT
    assert told["event"] == {**died(1, "9"), "type": "resident.died", "batchid": "B1", "sequence": 4}
    assert (told["status"], told["seen"], told["duplicate_of"]) == ("accepted", 1, None)
    assert [set(each) >= {"system", "why"} for each in told["not_told"]] == [True]
    assert told["not_told"][0]["system"] == "koki"
    (delivery,) = told["deliveries"]
    assert set(delivery) >= DELIVERY
    assert delivery["id"] == "juki/1:kokuho.main:0"
    assert (delivery["status"], delivery["reason"], delivery["no"], delivery["batch"]) == ("planned", None, None, None)
    assert (delivery["attempts"], delivery["delivered_at"], delivery["error"]) == (0, None, None)


async def test_a_delivery_is_told_as_it_was_sent(town_of):
    town = town_of()
    town.dispatch(died(1, reason="x"))
    sink = Shelf()
    await town.deliver(sink)
    told = town.inquiry.delivery("juki/1:kokuho.main:0")
    assert set(told) >= DELIVERY
    assert told["payload"] == sink.taken[0].event
    assert told["payload"]["data"] == {"name": "守口 1", "died_on": "2026-04-01"}
    assert (told["status"], told["attempts"], told["no"], told["batch"]) == ("delivered", 1, 1, 1)
    assert told["planned_at"] <= told["delivered_at"]
    assert told["planned_at"].endswith("Z")
    assert (told["event_id"], told["rule"], told["action"]) == ("1", "r", "new")


def test_events_page_without_loss_or_repeat(town_of):
    town = town_of()
    for start in range(0, 23, 5):
        town.dispatch(*(died(number, str(number)) for number in range(start, start + 5)))
    items, count = pages(lambda **named: town.inquiry.events(EventFilter(), **named), limit=4)
    assert sorted(int(item["id"]) for item in items) == list(range(25))
    assert count == 7


def test_events_are_filtered(town_of):
    town = town_of()
    town.dispatch(
        died(1, "a"), died(2, "b", system="koseki"), report("resident.born", 3, "a", {"effective_on": "2026-01-01"})
    )
    town.dispatch(report("resident.born", 4, "c", {"effective_on": "2026-01-01"}, batchid="B7"))

    def ids(**filters):
        return sorted(item["id"] for item in town.inquiry.events(EventFilter(**filters))["items"])

    assert ids(subject="a") == ["1", "3"]
    assert ids(types=("resident.died",)) == ["1", "2"]
    assert ids(types=("no.such",)) == []
    assert ids(source_systems=("koseki",)) == ["2"]
    assert ids(batch="B7") == ["4"]
    recorded = {item["id"]: item["recorded_at"] for item in town.inquiry.events(EventFilter())["items"]}
    assert set(recorded) == {"1", "2", "3", "4"}
    moments = {row[1]: row[5] for row in town.contents()["event"]}
    assert ids(since=moments["4"]) == sorted(id_ for id_, at in moments.items() if at >= moments["4"])
    assert ids(until=moments["4"]) == sorted(id_ for id_, at in moments.items() if at < moments["4"])


async def test_deliveries_page_and_are_filtered(town_of):
    never = Retry(delays=(3600,), then=3600)
    town = town_of(*(listens(name, retry=never) for name in ("kokuho", "koki", "kaigo")))
    town.dispatch(*(died(number, str(number), n=number) for number in range(20)))
    failing = Shelf(
        lambda one: Transient("busy", reached=True, code="http-503") if int(one.event_id) % 5 == 0 else None
    )
    await town.deliver(failing, "kokuho.main")
    await town.deliver(Shelf(), "koki.main")

    def ids(limit=7, **filters):
        items, _ = pages(lambda **named: town.inquiry.deliveries(DeliveryFilter(**filters), **named), limit=limit)
        found = [item["id"] for item in items]
        assert len(found) == len(set(found))
        return set(found)

    assert len(ids()) == 60
    assert len(ids(limit=1)) == 60
    for limit in (1, 2, 7):
        sizes, cursor = [], None
        while not sizes or cursor is not None:
            page = town.inquiry.deliveries(DeliveryFilter(), limit=limit, cursor=cursor)
            cursor = page["next"]
            sizes.append(len(page["items"]))
        assert max(sizes) <= limit
        assert sum(sizes) == 60
    assert len(ids(systems=("koki",))) == 20
    assert len(ids(statuses=("delivered",))) == 36
    assert len(ids(statuses=("planned",))) == 20
    assert ids(statuses=("waiting",), limit=2) == {f"juki/{number}:kokuho.main:0" for number in (0, 5, 10, 15)}
    assert ids(statuses=("waiting",), systems=("koki",)) == set()
    assert ids(error="http-503") == ids(statuses=("waiting",))
    assert len(ids(resident="7")) == 3
    assert ids(resident="5", statuses=("waiting",)) == {"juki/5:kokuho.main:0"}
    assert ids(types=("resident.born",)) == set()
    with pytest.raises(UsageError):
        ids(statuses=("gone",))
    with pytest.raises(UsageError):
        town.inquiry.deliveries(DeliveryFilter(), cursor="no cursor")


async def test_what_a_party_sees_are_whole_pages_that_say_nothing_of_others(town_of, monkeypatch):
    monkeypatch.setattr("hub.stages.inquiry.PAGE", 3)  # events looked at together
    monkeypatch.setattr("hub.stages.inquiry.LOOKED", 4)  # own events
    never, born = Retry(delays=(3600,), then=3600), rule("zei", on=("resident.born",), send=("name",))
    town = town_of(listens("kokuho", retry=never), listens("suido", retry=never), listens("zei", born, retry=never))
    data = {"name": "門真", "birth_date": "2026-04-01", "effective_on": "2026-04-01"}
    for no in range(20):
        other = report("resident.born", no, str(no), data, system="koseki")
        town.dispatch(died(no, str(no)) if no % 7 == 2 else other)
    for name in ("kokuho.main", "suido.main", "zei.main"):
        await town.deliver(Shelf(lambda _: Transient("busy", reached=True, code="http-503")), name)
    everything = town.inquiry.deliveries(DeliveryFilter(), limit=500)
    while everything["next"] is not None:
        more = town.inquiry.deliveries(DeliveryFilter(), limit=500, cursor=everything["next"])
        everything = {"items": everything["items"] + more["items"], "next": more["next"]}
    known = {party: [each["id"] for each in everything["items"] if concerns(each, party)] for party in SEEN}
    assert {party: len(ids) for party, ids in known.items()} == SEEN
    own = {row[0] for row in town.contents()["event"] if row[1] in {"2", "9", "16"}}  # of juki, told to two
    for statuses in ((), ("waiting",)):
        for party, limit in [("juki", 1), ("suido", 1), ("suido", 2), ("koki", 1)]:
            found, cursor = [], None
            while not found or cursor is not None:
                page = town.inquiry.deliveries(
                    DeliveryFilter(party=party, statuses=statuses), limit=limit, cursor=cursor
                )
                found.append([each["id"] for each in page["items"]])
                cursor = page["next"]
                assert cursor is None or len(found[-1]) == limit
                assert cursor is None or json.loads(base64.urlsafe_b64decode(cursor))[1] in own
            assert [each for part in found for each in part] == known[party]
            assert len(found) == max(1, -(-len(known[party]) // limit)), "nothing follows the last"


SEEN = {"juki": 6, "suido": 3, "koki": 0, "zei": 17}


def concerns(delivery, party):
    return delivery["system"] == party or delivery["id"].startswith(f"{party}/")


def test_a_system_that_asks_for_its_event_finds_no_other_systems(town_of):
    town = town_of()
    town.dispatch(died("juki/1", "a", system="koseki"), died(2, "b", system="koseki"))
    for reference in ("juki/1", "2", "koseki/2", "koseki/juki/1"):
        with pytest.raises(NotFound):
            town.inquiry.event(reference, by="juki")
        assert town.inquiry.event(reference)["event"]["source"] == "/systems/koseki"
    town.dispatch(died(1, "c"), died(2, "d"))
    for reference, subject in (("juki/1", "c"), ("1", "c"), ("2", "d"), ("juki/2", "d")):
        assert town.inquiry.event(reference, by="juki")["event"]["subject"] == subject


def test_a_bare_id_of_several_sources_is_ambiguous(town_of):
    town = town_of()
    town.dispatch(died(1, "a"), died(1, "b", system="koseki"))
    with pytest.raises(AmbiguousId) as caught:
        town.inquiry.event("1")
    assert caught.value.candidates == ["juki/1", "koseki/1"]
    assert caught.value.exit_code == 2
    assert town.inquiry.event("koseki/1")["event"]["subject"] == "b"


@pytest.mark.parametrize("event_id", ["2026/04/01/7", "a/b", "juki/1", "a:b", "守/口", "/", "1/"])
def test_ids_may_hold_slashes_and_colons(town_of, event_id):
    town = town_of()
    town.dispatch(died(event_id, "a"), died("other", "b"))
    assert town.inquiry.event(event_id)["event"]["id"] == event_id
    assert town.inquiry.event(f"juki/{event_id}")["event"]["id"] == event_id
    key = f"juki/{event_id}:kokuho.main:0"
    assert town.inquiry.event(event_id)["deliveries"][0]["id"] == key
    assert town.inquiry.delivery(key)["event_id"] == event_id


def test_what_is_not_there_is_not_found(town_of):
    town = town_of()
    town.dispatch(died(1))
    for ask in (lambda: town.inquiry.event("2"), lambda: town.inquiry.event("koseki/1")):
        with pytest.raises(NotFound) as caught:
            ask()
        assert caught.value.exit_code == 1
    with pytest.raises(NotFound):
        town.inquiry.delivery("juki/1:koki.main:0")
    with pytest.raises(UsageError):
        town.inquiry.delivery("nonsense")


def test_why_not_is_answered_by_the_event_applied_where_a_rule_asks_after(town_of):
    moved = rule("kokuho", on=("resident.moved",), send=("name",), when="after.resident.household_no == '8'")
    town = town_of(listens("kokuho", moved))
    data = {"name": "守口", "effective_on": "2026-04-01", "old_address": {"text": "a"}, "new_address": {"text": "b"}}
    town.dispatch(report("resident.moved", 1, "1", {**data, "household_no": "8"}))
    told = town.inquiry.event("1")
    assert [each["system"] for each in told["deliveries"]] == ["kokuho"]
    assert told["not_told"] == []


def written(source, number, subject="1000001", **more):
    return {**died(number, subject, **more), "source": source}


async def test_a_source_written_two_ways_is_one(town_of):
    town = town_of()
    town.dispatch(written("juki", 1), written("/systems/juki", 1))
    town.dispatch(written("juki", 1), written("/systems/juki", 1, n="other"))
    assert town.inquiry.event("juki/1")["seen"] == 3
    assert [code for _, code, _ in town.quarantined()] == ["id-reused"]
    target = {"event_id": "juki/1", "reason": "試験", "effective_on": "2026-04-01"}
    town.dispatch({**report("event.cancelled", 2, "1000001", target), "source": "https://portal.example/x"})
    assert town.inquiry.event("juki/1")["corrected_by"] == "https://portal.example/x/2"
    sink = Shelf()
    await town.deliver(sink)
    assert len({each.key for each in sink.taken}) == len(sink.taken)


async def test_sources_and_ids_with_slashes_share_no_key(town_of):
    town = town_of()
    pairs = [("a", "b/c"), ("a/b", "c"), ("a%2Fb", "c"), ("a%2Fb/x", "c"), ("a/b/x", "c"), ("a", "b/x/c")]
    pairs += [("a", "b/" + "c" * 300), ("a/b", "c" * 300), ("s" * 198, "1"), ("s" * 196, "t/1")]
    town.dispatch(*(written(source, number, str(no)) for no, (source, number) in enumerate(pairs)))
    sink = Shelf()
    await town.deliver(sink)
    assert len({each.key for each in sink.taken}) == len(pairs)
    assert {town.inquiry.delivery(each.key)["subject"] for each in sink.taken} == {str(no) for no in range(len(pairs))}
    for each in sink.taken:
        assert town.inquiry.delivery(each.key)["id"] == each.key
        assert town.inquiry.delivery(each.key)["subject"] == each.subject


async def test_what_arrived_has_no_error_and_counts_what_reached_its_system(town_of, monkeypatch):
    monkeypatch.setattr("hub.stages.breaker.PROBES", (0.02,))
    town = town_of()
    town.dispatch(died(1))
    errors = [
        Transient("away", reached=False),
        Transient("away", reached=False),
        Transient("busy", reached=True, code="http-503"),
    ]
    sink = Shelf(lambda _: errors.pop(0) if errors else None)
    async with town.working(sink) as worker:
        await until(lambda: town.outcomes() and not worker.busy)
    shown = town.inquiry.delivery("juki/1:kokuho.main:0")
    assert (shown["status"], shown["error"]) == ("delivered", None)
    assert shown["attempts"] == 1
    assert shown["log"]
