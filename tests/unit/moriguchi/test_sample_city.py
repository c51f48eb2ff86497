"""The sample city loads, covers what it promises, and its rules tell whom they should."""

import csv
from collections import Counter
from pathlib import Path

import pytest

import hub.moriguchi
from hub.adapters import registry
from hub.cli.check import problems_of
from hub.events.catalogue import TYPES
from hub.moriguchi.forms import JIYU
from hub.moriguchi.page import COMMAND, page
from hub.moriguchi.standins import kaigo
from hub.moriguchi.standins.suido import PORT
from hub.routing.ruletest import run_tests
from hub.settings.load import load_city
from hub.settings.yaml import read_yaml

CITY = Path(hub.moriguchi.__file__).parent / "city"


@pytest.fixture(scope="module")
def city():
    return load_city(CITY, environ={})


def rule_tests():
    return [case for path in sorted((CITY / "tests").glob("*.yaml")) for case in read_yaml(path).value]


def test_rules(city):
    results = run_tests(city)
    assert len(results) == len(rule_tests())
    assert [line for result in results if not result.passed for line in result.lines()] == []


def test_lint_finds_nothing_but_provisions_to_confirm(city):
    assert {problem.code for problem in problems_of(city)} <= {"because-unconfirmed"}


def test_every_subscribing_system_has_a_rule_test_for_and_one_against(city):
    cases = rule_tests()
    subscribing = {name for name, system in city.systems.items() if system.subscribes}
    assert subscribing <= {system for case in cases for system in case.get("expect", {})}
    assert subscribing <= {system for case in cases for system in case.get("not", [])}


def test_it_is_as_large_as_promised(city):
    assert len(city.systems) >= 30
    assert len(city.subscriptions()) >= 200
    sources = [source for system in city.systems.values() for source in system.sources.values()]
    used = {each.adapter for each in (*sources, *city.receivers())}
    assert used == set(registry.own_names()), "every transport has a system that uses it"
    places = {str(receiver.options.get("path", "")).partition("://")[0] for receiver in city.receivers()}
    assert {"sftp", "s3"} <= places
    assert any(source.mode == "snapshot" and source.shares_state_with for source in sources)
    assert any(source.guard for source in sources)
    assert any(receiver.acknowledged and receiver.window for receiver in city.receivers())
    assert all(system.owner and system.title.keys() >= {"ja", "en"} for system in city.systems.values())
    assert all(system.protected for system in city.systems.values() if system.subscribes)


def test_every_rule_says_why_and_sends_little(city):
    for rule in city.subscriptions():
        assert rule.because
        assert rule.because.purpose, rule.place
        assert rule.because.provision, rule.place
        fields = {item for item in rule.send if isinstance(item, str)}
        for name in rule.on:
            assert fields <= set(TYPES[name].fields), (rule.place, name)
            assert len(fields) < len(TYPES[name].fields), rule.place


def test_every_type_somebody_waits_for_is_published(city):
    published = {case.event for system in city.systems.values() for one in system.publishes for case in one.cases}
    assert {name for rule in city.subscriptions() for name in rule.on} <= published


def test_adapters_take_the_settings(city):
    for system in city.systems.values():
        for source in system.sources.values():
            registry.settings(source.adapter, "source", source.options, place=source.place)
    for receiver in city.receivers():
        registry.settings(receiver.adapter, "sink", receiver.options, place=receiver.place)


def test_the_table_of_reasons_is_the_stand_ins_own(city):
    table = {row.value: row.code for row in city.tables["jiyu"]}
    assert JIYU.items() <= table.items()
    with (CITY / "tables" / "jiyu.csv").open(encoding="utf-8", newline="") as file:
        codes = Counter(row["code"] for row in csv.DictReader(file))
    assert max(codes.values()) == 1


def test_the_water_service_is_where_its_stand_in_serves(city):
    assert f":{PORT}/" in city.systems["suido"].receives["main"].options["url"]


def test_the_stand_in_of_long_term_care_reads_the_layout_the_hub_writes(city):
    assert [(field.name or "予備", field.width) for field in city.layouts["kaigo"].record] == list(kaigo.RECORD)
    assert city.layouts["kaigo-err"].length == kaigo.ERROR_LENGTH


def test_its_page_says_what_is_in_it(city):
    said = (Path(__file__).parents[3] / "docs" / "moriguchi.md").read_text(encoding="utf-8")
    assert said == page(city), f"mend: {COMMAND}"
