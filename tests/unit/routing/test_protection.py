"""What a rule leaves out of a protected resident's data, also where a newer hub's rule names what nobody here knows."""

from __future__ import annotations

import pytest

from hub.routing.protection import cut_of, told
from hub.routing.rules import RuleSet
from hub.settings.models import Protected, Subscription, System


def names(*send, on=("resident.moved",)):
    plain = {"systems": ["kaigo"], "rules": [{"id": "r", "system": "kaigo", "on": on, "send": send}]}
    return cut_of(RuleSet.load(plain), 0).names


def test_what_locates_a_person_is_left_out():
    assert names("name", "new_address", "household_no") == {"new_address", "household_no"}
    assert names({"kana": "facts.resident.kana"}, {"at": "facts.resident.address.text"}) == {"at"}


@pytest.mark.parametrize(
    "item",
    ["whereabouts", "whereabouts.text", {"whereabouts": "data.whereabouts"}, {"whereabouts": "facts.stay.place"}],
)
def test_what_nobody_here_knows_may_locate(item):
    assert names("name", item) == {"whereabouts"}


def test_a_field_that_one_of_the_types_has_is_known():
    assert names("died_on", on=("resident.moved", "resident.died")) == set()
    assert names("name", on=("resident.vanished",)) == {"name"}  # of a type that is not known nothing is


def told_to(receiver, *rules, protected=None):
    subscribes = [Subscription(system="kokuho", on=("resident.moved",), **rule) for rule in rules]
    return told(System(system="kokuho", owner="保険課", subscribes=subscribes, protected=protected), receiver)


def test_a_receiver_is_told_what_its_rules_send_each_once_as_written():
    moved = {"id": "moved", "send": ("name", "new_address.town", {"kana": "facts.resident.kana"})}
    died = {"id": "died", "send": ("died_on", "name"), "to": ("main",)}
    desk = {"id": "desk", "send": ("head",), "to": ("desk",)}
    assert told_to("main", moved, died, desk) == [("name",), ("new_address", "town"), ("kana",), ("died_on",)]


@pytest.mark.parametrize("protected", [Protected(send_flag=True), Protected(mode="flag-only")])
def test_the_flags_are_told_when_one_rule_to_the_receiver_sends_them(protected):
    plain, flagged = {"id": "a", "send": ("name",)}, {"id": "b", "send": ("name",), "protected": protected}
    flags = [("protected",), ("do_not_post",)]
    assert told_to("main", plain, flagged) == [("name",), *flags]
    assert told_to("main", plain, protected=protected) == [("name",), *flags]
    assert told_to("main", {"id": "c", "send": ("do_not_post", "name")}, flagged) == [
        ("do_not_post",), ("name",), ("protected",)
    ]  # fmt: skip
    assert told_to("main", plain, {**flagged, "to": ("desk",)}) == [("name",)]
