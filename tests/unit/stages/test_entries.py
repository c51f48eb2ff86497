"""Entries: keys, projected events and plans as they are stored."""

import msgspec
import orjson
import pytest

from hub.routing.plan import Planned
from hub.routing.rules import RuleSet
from hub.settings.models import City, Receiver, Subscription, System
from hub.stages.entries import KEY_LIMIT, PIECES, ActiveRules, Chunk, Entry, Item, pack_plan, unpack_plan


def rules_of(system="kokuho", receiver="main", send=("name",)):
    rule = Subscription(id="r", system=system, on=("resident.died",), send=send)
    made = Receiver(name=receiver, system=system, adapter="jsonl")
    city = City(systems={system: System(system=system, subscribes=(rule,), receives={receiver: made})})
    return ActiveRules(1, RuleSet.of(city), {f"{system}.{receiver}": 7})


def entry_of(event_id="1", rules=None, source="/systems/juki", **attributes):
    event = {"id": event_id, "source": source, "type": "jp.lg.m.resident.died.v1", "subject": "9", **attributes}
    data = b'{"name":"\\u5b88","died_on" : "2026-04-01","n":1.0}'
    return Entry.of(5, orjson.dumps(event)[:-1] + b',"data":' + data + b"}", rules or rules_of())


def test_a_key_names_the_event_the_receiver_and_the_job():
    assert entry_of().key(7, 0) == "juki/1:kokuho.main:0"
    assert entry_of().key(7, 12) == "juki/1:kokuho.main:12"
    assert entry_of().delivery(Item(0, 0), 3).key == "juki/1:kokuho.main:0"
    assert entry_of(source="https://other/x").key(7, 0) == "https:%2F%2Fother%2Fx/1:kokuho.main:0"


@pytest.mark.parametrize("length", [150, 179, 180, 181, 200, 500])
@pytest.mark.parametrize("job", [0, 1, 999_999])
def test_a_key_has_at_most_200_characters(length, job):
    entry = entry_of("守" * length)
    key = entry.key(7, job)
    assert len(key) <= KEY_LIMIT == 200
    assert key.endswith(f":kokuho.main:{job}")
    whole = f"juki/{'守' * length}:kokuho.main:{job}"
    assert (key == whole) == (len(whole) <= 200)
    delivery = entry.delivery(Item(0, 0), 1, job)
    assert delivery.key == key
    assert delivery.event["deliverykey"] == key


def test_long_ids_have_different_keys():
    keys = {entry_of("x" * 300 + str(number)).key(7, 0) for number in range(50)}
    keys |= {entry_of("x" * 300 + "1", source="/systems/koseki").key(7, 0)}
    assert len(keys) == 51


def test_long_names_still_fit():
    rules = rules_of("s" * 60, "r" * 60)
    assert len(entry_of("x" * 500, rules, source="https://" + "h" * 190).key(7, 10**9)) <= 200


@pytest.mark.parametrize("event_id", ['quo"te', "back\\slash", "守口", "tab\t", "a:b/c"])
def test_a_projected_event_is_json_whatever_the_id(event_id):
    delivery = entry_of(event_id, batchid="B", sequence=3, time="2026-04-01T00:00:00Z").delivery(Item(0, 0), 1)
    assert delivery.event == {
        "specversion": "1.0",
        "id": event_id,
        "source": "/systems/juki",
        "type": "jp.lg.m.resident.died.v1",
        "subject": "9",
        "time": "2026-04-01T00:00:00Z",
        "sequence": 3,
        "batchid": "B",
        "deliverykey": f"juki/{event_id}:kokuho.main:0",
        "action": "new",
        "data": {"name": "守"},
    }
    assert delivery.type == "resident.died"


def test_values_travel_as_they_were_written():
    delivery = entry_of(rules=rules_of(send=("n", "name", "kana"))).delivery(Item(0, 0), 1)
    assert b'"n":1.0' in delivery.body
    assert b'"\\u5b88"' in delivery.body
    assert delivery.data == {"n": 1.0, "name": "守"}


def test_computed_values_are_laid_over_the_events_own():
    send = ("name", {"kana": "facts.resident.kana"})
    delivery = entry_of(rules=rules_of(send=send)).delivery(Item(0, 0, {"kana": "モリ"}), 1)
    assert delivery.data == {"name": "守", "kana": "モリ"}


def fields(item):
    return {name: getattr(item, name) for name in Item.__slots__}


@pytest.mark.parametrize(
    "items",
    [
        [],
        [Item(0, 0)],
        [Item(3, 9, {"a": {"b": [1, None, True]}})],
        [Item(0, 1, None, "ask", "kokuho.r: 守口")],
        [Item(0, 1, None, None, "", "disabled"), Item(1, 1), Item(2, 5, {}, "incomplete", "kana")],
        [Item(0, 1, {"a": 1}, made={"action": "cancel", "data": {}, "corrects": "juki/1", "target": 4})],
        [Item(0, 1, due=1_800_000_000_000), Item(1, 2)],
    ],
)
def test_a_plan_comes_back_as_it_was_stored(items):
    assert [fields(item) for item in unpack_plan(pack_plan(items))] == [fields(item) for item in items]


def test_a_plain_plan_is_small():
    assert pack_plan([Item(0, 1), Item(12, 34)]) == b"[[0,1],[12,34]]"


def test_a_stretch_keeps_each_receivers_deliveries_in_order():
    rules = rules_of()
    chunk = Chunk(1, 0, 3, 0)
    entries = [Entry(pos, entry_of().wire, rules) for pos in (1, 2, 3)]
    for entry, items in zip(entries, ([Item(0, 0)], [], [Item(0, 0)]), strict=True):
        chunk.add(entry, rules.plan(items), 10)
    assert (chunk.events, chunk.size) == (3, 30)
    assert [entry.pos for entry, _ in chunk.planned[7]] == [1, 3]
    assert chunk.planned[7].odd == []


@pytest.mark.parametrize("item", [Item(0, 0, hold="ask"), Item(0, 0, due=5), Item(0, 0, suppressed="disabled")])
def test_a_share_knows_to_which_there_is_more(item):
    rules = rules_of()
    chunk = Chunk(1, 0, 2, 0)
    for pos, one in enumerate((Item(0, 0), item), 1):
        chunk.add(Entry(pos, entry_of().wire, rules), rules.plan([one]), 10)
    assert chunk.planned[7].odd == [1]


def test_plans_that_events_share_are_packed_as_any_other():
    active = rules_of()
    planned = tuple(active.router.ready)
    shared = active.common(planned)
    assert active.plan(shared) is active.plan(active.common(planned))
    assert active.plan(shared).packed == pack_plan([Item.of(one) for one in planned])
    own = [Item.of(one) for one in planned]
    own[0].detail, own[0].hold = "why", "ask"
    assert active.plan(own).packed == pack_plan(own) != active.plan(shared).packed


def test_what_is_planned_for_one_event_alone_is_not_shared():
    active = rules_of()
    assert active.common(active.router.ready) is None  # a list may be another's next time
    assert active.common((Planned(0, 0, {"kana": "モリ"}),)) is None


def test_a_stored_plan_is_read_once_unless_something_of_its_event_is_in_it():
    active = rules_of()
    plain, own = pack_plan([Item(0, 0)]), pack_plan([Item(0, 0, {"kana": "モリ"})])
    assert active.stored(plain) is active.stored(bytes(bytearray(plain)))
    assert active.stored(own) is not active.stored(own)
    assert [fields(item) for item in active.stored(own).items] == [fields(Item(0, 0, {"kana": "モリ"}))]


@pytest.mark.parametrize("event_id", ["1", "e" * 300])
@pytest.mark.parametrize("values", [None, {"kana": "モリ"}])
def test_a_body_alone_is_that_of_the_delivery(event_id, values):
    item = Item(0, 0, values)
    assert entry_of(event_id).body(item) == entry_of(event_id).delivery(item, 1).body


def town():
    """Return rules of three systems, of which the first two are sent the same, with receivers numbered 7, 8 and 9."""
    subscriptions = {
        system: Subscription(id="r", system=system, on=("resident.died",), send=send)
        for system, send in {"kokuho": ("name",), "nenkin": ("name",), "zei": ({"kana": "data.name"}, "n")}.items()
    }
    systems = {
        name: System(
            system=name, subscribes=(rule,), receives={"main": Receiver(name="main", system=name, adapter="jsonl")}
        )
        for name, rule in subscriptions.items()
    }
    ruleset = RuleSet.of(City(systems=systems))
    assert ruleset.receivers == ("kokuho.main", "nenkin.main", "zei.main")
    return ActiveRules(1, ruleset, {key: number for number, key in enumerate(ruleset.receivers, 7)})


def made(rules, entries, plans, receivers=(7, 8, 9)):
    chunk = Chunk(1, 0, len(entries), 0)
    for entry, items in zip(entries, plans, strict=True):
        chunk.add(entry, rules.plan(items), entry.size)
    chunk.make(receivers)
    return chunk


def test_what_is_made_for_all_at_once_is_what_each_would_make():
    rules = town()
    everybody = [Item(0, 0), Item(1, 1), Item(2, 2)]
    plans = [everybody, everybody, [Item(2, 2, {"kana": "モリ"}), Item(0, 0)], []]
    entries = [entry_of(str(number), rules) for number in range(4)]
    chunk = made(rules, entries, plans)
    bodies = {number: [entry.body(item) for entry, item in share] for number, share in chunk.planned.items()}
    assert {number: len(each) for number, each in bodies.items()} == {7: 3, 8: 2, 9: 3}
    assert {number: b"".join(pieces) for number, pieces in chunk.pieces.items()} == {
        number: b"\n".join((*each, b"")) for number, each in bodies.items()
    }
    assert all(len(chunk.pieces[number]) == PIECES * len(each) for number, each in bodies.items())
    assert chunk.pieces[7][2] is chunk.pieces[8][2], "what is sent alike is made once"
    assert set(made(rules, entries, plans, (8, 11)).pieces) == {8}


def test_nothing_is_made_beforehand_of_what_has_more_to_it():
    rules = town()
    entries = [entry_of(str(number), rules) for number in range(3)]
    plain = [Item(0, 0), Item(1, 1)]
    plans = [plain, [Item(0, 0, hold="ask"), Item(1, 1)], plain]
    pieces = made(rules, entries, plans).pieces
    assert b"".join(pieces[8]) == b"".join(entry.body(Item(1, 1)) + b"\n" for entry in entries)
    assert b"".join(pieces[7]) == b"".join(entries[at].body(Item(0, 0)) + b"\n" for at in (0, 2))
    assert pieces[7][PIECES : 2 * PIECES] == [b"", b"", b""]


@pytest.mark.parametrize("unusual", ["a key too long to be shared", "a line break in the data"])
def test_nothing_is_made_beforehand_where_an_event_is_unusual(unusual):
    rules, entries = town(), [entry_of("1"), entry_of("e" * 300)]
    if "break" in unusual:
        entries[1] = entry_of("2")
        entries[1].wire.data["name"] = msgspec.Raw(b'{\n"text": "x"}')
    assert made(rules, entries[:1], [[Item(0, 0)]]).pieces
    assert made(rules, entries, [[Item(0, 0)]] * 2).pieces == {}


def test_nothing_is_made_beforehand_where_an_event_cannot_be_projected():
    rules = rules_of(send=("name", "address.city"))
    entries = [entry_of(str(number), rules) for number in range(3)]
    entries[1].wire.data["address"] = msgspec.Raw(b'{"x\xff":1,"city":"M"}')
    assert made(rules, entries[:1], [[Item(0, 0)]]).pieces
    assert made(rules, entries, [[Item(0, 0)]] * 3).pieces == {}
    with pytest.raises(UnicodeDecodeError):
        entries[1].body(Item(0, 0))


def test_nothing_is_made_beforehand_where_a_receiver_is_told_twice():
    rules = town()
    assert made(rules, [entry_of("1", rules)], [[Item(0, 0), Item(0, 2)]]).pieces == {}
