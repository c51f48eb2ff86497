"""A rule set is its content: same rules, same hash, wherever they are written."""

import json

import orjson

from hub.routing.rules import RuleSet
from hub.settings.models import Because, City, Protected, Receiver, Subscription, System, TableRow, Within


def city(**changes):
    rule = {
        "id": "death",
        "system": "kokuho",
        "on": ("resident.died",),
        "send": ("name", {"kana": "facts.resident.kana"}),
        "because": Because(purpose="資格喪失", provision="要確認"),
        "within": Within(days=14),
        "place": "systems/kokuho.yaml:9:5",
    } | changes
    receivers = {n: Receiver(name=n, system="kokuho", adapter="csv") for n in ("main", "desk")}
    return City(
        systems={
            "juki": System(system="juki"),
            "kokuho": System(
                system="kokuho",
                subscribes=(Subscription(**rule),),
                receives=receivers,
                protected=Protected(mode="full"),
            ),
        },
        tables={"jiyu": (TableRow(code="01", value="転居", until="2026-03-31"),)},
    )


def test_a_rule_feeds_all_receivers_of_its_system_unless_it_names_some():
    assert RuleSet.of(city()).receivers == ("kokuho.main", "kokuho.desk")
    assert RuleSet.of(city()).rules[0].receivers == (0, 1)
    assert RuleSet.of(city(to=("desk",))).rules[0].receivers == (1,)


def test_load_gives_back_what_dump_took():
    original = RuleSet.of(city())
    again = RuleSet.load(original.dump())
    assert again.hash == original.hash
    assert again.rules == original.rules
    assert again.tables == original.tables
    assert again.systems == ("juki", "kokuho")
    assert again.rules[0].within == {"days": 14, "from": "known", "roll": "none"}
    assert again.rules[0].protected == {"mode": "full", "send_flag": False}
    assert (original.places, again.places) == (("systems/kokuho.yaml:9:5",), ("kokuho.death",))


def test_the_hash_follows_content_and_not_place():
    first = RuleSet.of(city()).hash
    assert RuleSet.of(city(place="systems/kokuho.yaml:99:5")).hash == first
    for change in ({"when": "true"}, {"enabled": False}, {"send": ("name",)}, {"because": Because(purpose="別")}):
        assert RuleSet.of(city(**change)).hash != first
    other = city()
    assert RuleSet.of(other.model_copy(update={"tables": {}})).hash != first
    receivers = other.systems["kokuho"].receives
    closed = {**receivers, "desk": receivers["desk"].model_copy(update={"enabled": False})}
    systems = {**other.systems, "kokuho": other.systems["kokuho"].model_copy(update={"receives": closed})}
    assert RuleSet.of(other.model_copy(update={"systems": systems})).hash != first


def test_an_older_set_has_the_lines_of_rules_that_stand_as_they_were():
    older = RuleSet.load(json.loads(orjson.dumps(RuleSet.of(city()).dump(), option=orjson.OPT_SORT_KEYS)))
    assert older.placed_by(RuleSet.of(city(place="systems/kokuho.yaml:31:5"))).places == ("systems/kokuho.yaml:31:5",)
    assert older.placed_by(RuleSet.of(city(to=("desk",)))).places == ("systems/kokuho.yaml:9:5",)
    for change in ({"when": "true"}, {"id": "died"}, {"enabled": False}):
        assert older.placed_by(RuleSet.of(city(**change))).places == ("kokuho.death",)
    assert older.placed_by(RuleSet.of(city())).hash == older.hash
