"""What a rule leaves out of a protected resident's data, also where a newer hub's rule names what nobody here knows."""

from __future__ import annotations

import pytest

from hub.routing.protection import cut_of
from hub.routing.rules import RuleSet


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
