"""The generated city: the same from the same seed, plausible, and consistent with the law."""

import time
from collections import Counter
from datetime import date
from itertools import groupby

import pytest

from hub.events.envelope import event_from
from hub.moriguchi import names
from hub.moriguchi.generator import (
    AS_OF,
    age_on,
    birthday,
    initial_facts,
    is_child,
    reaches,
    residents,
    schemes,
)

PEOPLE = list(residents(8000))


def test_the_same_seed_gives_the_same_city():
    assert list(residents(300, seed=7)) == list(residents(300, seed=7))
    assert list(residents(300, seed=7)) != list(residents(300, seed=8))


@pytest.mark.parametrize("count", [0, 1, 2, 299, 300])
def test_a_small_city_is_the_beginning_of_a_large_one(count):
    small = list(residents(count))
    assert len(small) == count
    assert [member.number for member in small] == [member.number for member in PEOPLE[:count]]
    cut = small[-1].household_no if small else ""
    whole = [member for member in small if member.household_no != cut]
    assert whole == PEOPLE[: len(whole)]


def test_numbers_are_used_once_and_are_no_my_numbers():
    numbers = [member.number for member in PEOPLE]
    assert len(set(numbers)) == len(numbers)
    assert {len(number) for number in numbers} == {15}


def test_households_have_one_head_and_one_address():
    for _, members in groupby(PEOPLE, key=lambda member: member.household_no):
        household = list(members)
        assert [member.is_head for member in household] == [True] + [False] * (len(household) - 1)
        assert len({(member.address, member.postal_code, member.head) for member in household}) == 1
        assert all(member.birth_date <= member.since <= AS_OF for member in household)


def test_ages_are_those_of_a_japanese_city():
    ages = [age_on(member.birth_date, AS_OF) for member in PEOPLE]
    shares = Counter("child" if age < 15 else "old" if age >= 65 else "adult" for age in ages)
    assert 0.10 < shares["child"] / len(ages) < 0.16
    assert 0.25 < shares["old"] / len(ages) < 0.34
    assert 1.7 < len(ages) / sum(member.is_head for member in PEOPLE) < 2.2


def test_parents_are_older_than_their_children():
    for _, members in groupby(PEOPLE, key=lambda member: member.household_no):
        head, *others = members
        for child in (member for member in others if member.relationship == "子"):
            assert age_on(head.birth_date, AS_OF) - age_on(child.birth_date, AS_OF) >= 15


def test_insurances_follow_age():
    for member in PEOPLE:
        age = age_on(member.birth_date, AS_OF)
        assert ("koki" in member.insurance) == (birthday(member.birth_date, 75) <= AS_OF)
        assert ("kaigo" in member.insurance) == (age >= 65)
        assert not {"koki", "kokuho"} <= set(member.insurance)
        if "nenkin" in member.insurance:
            assert 20 <= age < 60
        assert ("kodomo_iryo" in member.benefits) == is_child(member.birth_date, AS_OF)
    assert 0.15 < sum("kokuho" in member.insurance for member in PEOPLE) / len(PEOPLE) < 0.30


def test_the_allowance_is_drawn_by_a_head_with_children():
    for _, members in groupby(PEOPLE, key=lambda member: member.household_no):
        head, *others = members
        raising = any(is_child(member.birth_date, AS_OF) for member in others)
        assert ("jido_teate" in head.benefits) == raising


def test_ages_in_law():
    assert reaches(date(1961, 11, 21), 65) == date(2026, 11, 20)
    assert age_on(date(1961, 11, 21), date(2026, 11, 20)) == 65
    assert age_on(date(1961, 11, 22), date(2026, 11, 20)) == 64
    assert birthday(date(1952, 2, 29), 75) == date(2027, 3, 1)
    assert schemes(date(1951, 11, 20), date(2026, 11, 20), kokuho=True) == ("koki", "kaigo")
    assert schemes(date(1951, 11, 21), date(2026, 11, 20), kokuho=True) == ("kokuho", "kaigo")  # koki: on the birthday


def test_a_child_born_on_april_1_leaves_a_year_earlier():
    assert is_child(date(2008, 4, 2), date(2027, 3, 31))
    assert not is_child(date(2008, 4, 1), date(2026, 4, 1))


def test_facts_are_events_the_hub_takes():
    events = list(initial_facts(PEOPLE[:400]))
    assert len({event["id"] for event in events}) == len(events)
    for event in events:
        event_from(event, city="moriguchi", now="2026-04-01T00:00:00+09:00")
    assert {event["type"] for event in events} == {
        "resident.moved-in",
        "insurance.enrolled",
        "benefit.granted",
        "contract.opened",
    }
    first = {event["subject"]: event["type"] for event in reversed(events)}
    assert set(first.values()) == {"resident.moved-in"}


def test_names_can_be_written_by_every_legacy_system():
    for member in PEOPLE[:2000]:
        assert f"{member.name}{member.kana}{member.address}".encode("cp932")
        family, given = member.name.split("\u3000")
        assert family
        assert given


def test_towns_with_and_without_chome():
    assert len({town for town, _ in names.TOWNS}) == len(names.TOWNS) > 60
    assert {town for town, _ in names.TOWNS} >= names.WITH_CHOME
    assert all(code.startswith("570") and len(code) == 7 for _, code in names.TOWNS)


def test_many_residents_come_fast_and_one_by_one():
    began = time.monotonic()
    assert sum(1 for _ in residents(14_000)) == 14_000
    assert time.monotonic() - began < 5  # a tenth of the city
