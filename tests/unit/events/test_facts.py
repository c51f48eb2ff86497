from copy import deepcopy

import pytest

from hub.events.catalogue import TYPES
from hub.events.facts import delta, empty, household_of, merge

HOME = {"text": "守口市大日町1丁目1番1号", "postal_code": "570-0003"}
OLD = {"text": "守口市京阪本通2丁目5番5号", "building": "101"}
DAY = {"effective_on": "2026-11-20", "notified_on": "2026-11-21"}
PERSON = {"name": "守口 花子", "kana": "モリグチ ハナコ", "birth_date": "1980-01-02"}


@pytest.mark.parametrize("name", ["resident.moved", "resident.moved-in"])
def test_a_move(name):
    data = {
        **DAY,
        **PERSON,
        "old_address": OLD,
        "new_address": HOME,
        "household_no": "77",
        "relationship": "妻",
        "head": "5",
    }
    assert delta(name, data) == {
        "resident": {
            **PERSON,
            "address": HOME,
            "household_no": "77",
            "relationship": "妻",
            "status": "resident",
            "alive": True,
        }
    }


CASES = {
    "resident.moved-out": (
        {**DAY, "name": "A", "old_address": OLD, "to_municipality": "271004"},
        {"resident": {"name": "A", "status": "moved-out"}},
    ),
    "resident.address-renumbered": ({**DAY, "old_address": OLD, "new_address": HOME}, {"resident": {"address": HOME}}),
    "resident.born": (
        {
            **DAY,
            "name": "A",
            "birth_date": "2026-11-19",
            "sex": "女",
            "address": HOME,
            "household_no": "7",
            "guardian": "5",
        },
        {
            "resident": {
                "name": "A",
                "birth_date": "2026-11-19",
                "sex": "女",
                "address": HOME,
                "household_no": "7",
                "status": "resident",
                "alive": True,
            }
        },
    ),
    "resident.died": (
        {**DAY, "name": "A", "died_on": "2026-11-19", "informant": "B"},
        {"resident": {"name": "A", "status": "dead", "alive": False}},
    ),
    "resident.name-changed": (
        {**DAY, "old_name": "A", "name": "B", "kana": "ビ"},
        {"resident": {"name": "B", "kana": "ビ"}},
    ),
    "resident.married": (
        {**DAY, "name": "B", "registered_on": "2026-11-20", "partner": "5"},
        {"resident": {"name": "B"}},
    ),
    "resident.divorced": ({**DAY, "name": "B", "registered_on": "2026-11-20"}, {"resident": {"name": "B"}}),
    "resident.mailing-changed": ({**DAY, "mailing_address": HOME}, {"resident": {"mailing_address": HOME}}),
    "household.changed": (
        {**DAY, "kind": "split", "from_household": "1", "to_household": "2", "relationship": "世帯主"},
        {"resident": {"household_no": "2", "relationship": "世帯主"}},
    ),
    "resident.protection-started": ({**DAY, "kind": "DV", "provisional": True}, {"protected": True}),
    "resident.protection-ended": ({**DAY, "kind": "DV"}, {"protected": False}),
    "insurance.enrolled": (
        {**DAY, "scheme": "kokuho", "certificate_no": "1-2"},
        {"insurance": {"kokuho": {"since": "2026-11-20", "until": None, "active": True, "certificate_no": "1-2"}}},
    ),
    "insurance.left": (
        {**DAY, "scheme": "kokuho"},
        {"insurance": {"kokuho": {"until": "2026-11-20", "active": False}}},
    ),
    "benefit.granted": (
        {**DAY, "benefit": "jido-teate", "until": "2027-03-31"},
        {"benefits": {"jido-teate": {"since": "2026-11-20", "until": "2027-03-31", "active": True}}},
    ),
    "benefit.ended": (
        {**DAY, "benefit": "jido-teate"},
        {"benefits": {"jido-teate": {"until": "2026-11-20", "active": False}}},
    ),
    "contract.opened": (
        {**DAY, "contract": "water", "contract_no": "W1"},
        {"contracts": {"water": {"since": "2026-11-20", "until": None, "active": True, "contract_no": "W1"}}},
    ),
    "contract.closed": (
        {**DAY, "contract": "water"},
        {"contracts": {"water": {"until": "2026-11-20", "active": False}}},
    ),
}
SILENT = {
    "guardian.appointed",
    "guardian.ended",
    "tax.assessed",
    "application.submitted",
    "application.decided",
    "form.scanned",
    "event.corrected",
    "event.cancelled",
}


@pytest.mark.parametrize("name", CASES)
def test_what_each_type_says(name):
    data, said = CASES[name]
    TYPES[name].check(data)
    before = deepcopy(data)
    assert delta(name, data) == said
    assert data == before


def test_every_type_is_decided():
    assert set(CASES) | SILENT | {"resident.moved", "resident.moved-in"} == set(TYPES)


@pytest.mark.parametrize("name", sorted(SILENT))
def test_types_that_say_nothing(name):
    assert delta(name, {**DAY, "guardian": "5", "name": "A", "data": {"name": "B"}}) == {}


def test_a_null_field_says_nothing_and_an_absent_mailing_address_does():
    moved = {**DAY, "name": "A", "kana": None, "old_address": OLD, "new_address": HOME}
    assert "kana" not in delta("resident.moved", moved)["resident"]
    assert delta("resident.mailing-changed", DAY) == {"resident": {"mailing_address": None}}


def test_deltas_share_nothing_that_can_change():
    delta("resident.died", {"name": "A"})["resident"]["status"] = "changed"
    assert delta("resident.died", {"name": "A"})["resident"]["status"] == "dead"


def test_merging_leaves_the_base_and_replaces_addresses_whole():
    base = merge(
        empty(),
        {"resident": {"name": "A", "address": OLD, "household_no": "1"}, "insurance": {"kaigo": {"active": True}}},
    )
    before = deepcopy(base)
    merged = merge(base, {"resident": {"address": HOME, "household_no": None}, "protected": True})
    assert base == before
    assert merged["resident"] == {"name": "A", "address": HOME}
    assert merged["protected"] is True
    assert merged["insurance"] == {"kaigo": {"active": True}}


def test_an_entry_stays_after_its_end_and_opens_again():
    facts = empty()
    left = {"effective_on": "2025-03-31", "scheme": "kokuho"}
    enrolled = {"effective_on": "2020-04-01", "scheme": "kokuho", "certificate_no": "1"}
    facts = merge(facts, delta("insurance.enrolled", enrolled))
    facts = merge(facts, delta("insurance.left", left))
    assert facts["insurance"]["kokuho"] == {
        "since": "2020-04-01",
        "until": "2025-03-31",
        "active": False,
        "certificate_no": "1",
    }
    facts = merge(facts, delta("insurance.enrolled", {"effective_on": "2026-01-01", "scheme": "kokuho"}))
    assert facts["insurance"]["kokuho"] == {"since": "2026-01-01", "active": True, "certificate_no": "1"}


def test_none_takes_away_groups_entries_and_keys():
    base = {"insurance": {"kaigo": {"active": True, "until": "x"}, "koki": {"active": False}}, "household": {"no": "1"}}
    assert merge(base, {"insurance": {"kaigo": {"until": None}, "koki": None}, "household": None}) == {
        "insurance": {"kaigo": {"active": True}}
    }
    assert merge({}, {"insurance": {"kaigo": {"until": None, "active": True}}}) == {
        "insurance": {"kaigo": {"active": True}}
    }


def test_empty_has_every_group_and_is_new_each_time():
    assert set(empty()) == {"resident", "insurance", "benefits", "contracts", "household", "protected"}
    empty()["resident"]["name"] = "A"
    assert empty()["resident"] == {}


def test_the_household():
    assert household_of(merge(empty(), {"resident": {"household_no": "77"}})) == "77"
    assert household_of(empty()) is None
    assert household_of({}) is None
