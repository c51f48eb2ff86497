"""Every YAML block of the public surface loads as it stands there (`contract/` holds copies)."""

from pathlib import Path

import pytest

from hub.settings.load import load_city
from hub.settings.models import Case, Protected, Within
from hub.settings.yaml import read_yaml

CONTRACT = Path(__file__).parent / "contract"


@pytest.fixture(scope="module")
def city():
    return load_city(CONTRACT, environ={})


def test_hub_yaml(city):
    assert (city.city, city.timezone, city.calendar, city.prefix) == ("moriguchi", "Asia/Tokyo", "city", "hub")
    assert city.authority == {"resident.died": ("koseki", "juki"), "resident.*": ("juki",)}
    assert city.protection.model_dump(by_alias=True) == {
        "list": "juki.shien",
        "max_age": 26 * 3600.0,
        "empty": "refuse",
        "max_drop": "5%",
        "on_stale": "hold",
    }
    assert list(city.systems) == ["juki", "kaigo", "kokuho"]


def test_the_short_form(city):
    kokuho = city.systems["kokuho"]
    assert kokuho.title == {"ja": "国民健康保険", "en": "National health insurance"}
    source = kokuho.sources["main"]
    assert (source.adapter, source.options) == ("csv", {"path": "in/kokuho/*.csv", "encoding": "cp932"})
    (publication,) = kokuho.publishes
    assert (publication.source, publication.subject, publication.otherwise) == ("main", "row.宛名番号", "quarantine")
    assert [case.event for case in publication.cases] == ["insurance.enrolled"]
    assert publication.cases[0].map["scheme"] == '"kokuho"'
    (rule,) = kokuho.subscribes
    assert (rule.id, rule.system, rule.on, rule.to) == ("death", "kokuho", ("resident.died",), ())
    assert (rule.because.purpose, rule.because.provision) == ("国民健康保険の資格喪失", "要確認")
    assert (rule.within.days, rule.within.from_, rule.within.roll) == (14, "known", "none")
    assert (rule.unknown, rule.deliver, rule.protected) == ("skip", None, None)
    receiver = kokuho.receives["main"]
    assert (receiver.key, receiver.options) == ("kokuho.main", {"path": "out/kokuho/", "encoding": "cp932"})
    assert (receiver.deliver, receiver.on_dead, receiver.order_until) == ("on-report", "pass", "delivered")
    assert receiver.retry.give_up == "never"


def test_several_kinds_of_change(city):
    juki = city.systems["juki"]
    sabun, zenken = juki.sources["sabun"], juki.sources["zenken"]
    assert (sabun.every, sabun.identity, sabun.after) == (600.0, "[row.宛名番号, row.履歴番号]", "keep")
    assert (zenken.mode, zenken.key, zenken.compare) == ("snapshot", "row.宛名番号", ("氏名", "住所", "世帯番号"))
    assert (zenken.shares_state_with, zenken.on_missing) == ("sabun", "review")
    (publication,) = juki.publishes
    assert publication.sequence == "int(row.履歴番号)"
    assert publication.defaults == {"effective_on": "wareki(row.異動日)", "notified_on": "wareki(row.届出日)"}
    moved, cancelled, ignored = publication.cases
    assert moved.when == 'lookup("jiyu", row.異動事由) == "転居"'
    assert cancelled.cancels == {"sequence": "int(row.取消履歴番号)"}
    assert (ignored.event, ignored.ignore) == (None, "宛名出力のみ")
    assert juki.receives == {}


def test_what_is_reserved_is_kept(city):
    kaigo = city.systems["kaigo"]
    assert (kaigo.ids.name, kaigo.ids.pattern, kaigo.ids.missing) == ("被保険者番号", "[0-9]{10}", "hold")
    (rule,) = kaigo.subscribes
    assert rule.on == ("resident.moved", "resident.moved-out")
    assert rule.send == ("new_address", {"kana": "facts.resident.kana"})
    assert rule.require == ("kana",)
    assert rule.within.model_dump(by_alias=True) == {"days": 14, "from": "known", "roll": "next-open"}
    assert rule.protected.model_dump() == {"mode": "without-location", "send_flag": True}
    nightly, desk = kaigo.receives["nightly"], kaigo.receives["desk"]
    assert nightly.options["name"] == '"KAIGO_" + batch.date + "_" + pad(batch.no, 3) + ".DAT"'
    assert (nightly.window.closes, nightly.window.calendar) == ("19:00", "city")
    assert nightly.acknowledged.from_["adapter"] == "fixed_width"
    assert nightly.acknowledged.match == {"no": "int(row.連番)"}
    assert (nightly.acknowledged.by.at, nightly.acknowledged.by.calendar) == ("09:00", "city")
    assert (desk.adapter, desk.effects, desk.options) == ("chat", "outward", {"template": "kaigo-desk"})


def test_rule_tests_are_plain_values(city):
    (test,) = read_yaml(CONTRACT / "tests" / "death.yaml").value
    assert test["given"]["facts"]["insurance"]["kokuho"] == {"since": "2020-04-01", "active": True}
    assert test["event"]["data"]["household_no"] == "77"
    assert test["not"] == ["koki"]


def test_everything_knows_its_place(city):
    kokuho, juki, kaigo = (city.systems[name] for name in ("kokuho", "juki", "kaigo"))
    assert city.place == "hub.yaml:2:1"
    assert kokuho.subscribes[0].place == "systems/kokuho.yaml:11:5"
    assert kokuho.publishes[0].cases[0].place_of("map", "scheme") == "systems/kokuho.yaml:9:19"
    assert juki.sources["zenken"].place == "systems/juki.yaml:6:3"
    assert juki.sources["zenken"].place_of("path") == "systems/juki.yaml:6:32"
    assert juki.publishes[0].cases[1].place_of("when") == "systems/juki.yaml:15:40"
    assert kaigo.receives["nightly"].place_of("window", "closes") == "systems/kaigo.yaml:14:22"
    assert kaigo.subscribes[0].place_of("send", 1, "kana") == "systems/kaigo.yaml:7:122"


def test_loading_twice_gives_equal_cities(city):
    assert load_city(CONTRACT, environ={}) == city


def test_models_can_be_made_without_files():
    assert Protected().place_of("mode") == ""
    assert Within(days=3, place="x:1:1").place_of("days") == "x:1:1"
    assert hash(Case(event="a").event)
