"""Life at plausible rates, in forms the sample city maps to events."""

from collections import Counter
from datetime import date, timedelta

import pytest

from hub.events.envelope import Event
from hub.moriguchi import forms
from hub.moriguchi.generator import residents
from hub.moriguchi.life import life
from hub.routing.expressions import Environment
from hub.routing.mapping import Mapper
from hub.settings.load import load_city

from .test_sample_city import CITY

START = date(2026, 4, 1)
COUNT = 25_000
YEAR = life(residents(COUNT), 365, seed=3, start=START)
# Per 1,000 residents and year, and how far a city of 25,000 may be from it (about three standard deviations).
RATES = {
    "birth": (6.5, 1.8),
    "death": (12, 2.2),
    "marriage": (4, 1.4),
    "moved-in": (40, 6),
    "moved-out": (40, 6),
    "moved": (30, 6),
}


def test_the_same_seed_gives_the_same_life():
    again = life(residents(2000), 365, seed=3, start=START)
    assert again == life(residents(2000), 365, seed=3, start=START)
    assert again != life(residents(2000), 365, seed=4, start=START)


@pytest.mark.parametrize("kind", RATES)
def test_rates(kind):
    happened = Counter()
    for change in YEAR:
        happened[change.kind] += len(change.subjects)
    rate, off = RATES[kind]
    assert abs(happened[kind] * 1000 / COUNT - rate) < off


def test_changes_come_by_day_within_the_period():
    days = [change.day for change in YEAR]
    assert days == sorted(days)
    assert days[0] >= START
    assert days[-1] < START + timedelta(days=365)


def test_nothing_happens_to_the_dead_and_the_gone():
    ended: dict[str, str] = {}
    for change in YEAR:
        assert not ended.keys() & set(change.subjects), change
        if change.kind in {"death", "moved-out"}:
            ended.update(dict.fromkeys(change.subjects, change.kind))


def test_newcomers_get_numbers_of_their_own():
    new = [number for change in YEAR if change.kind in {"birth", "moved-in"} for number in change.subjects]
    assert len(set(new)) == len(new)
    assert not set(new) & {member.number for member in residents(COUNT)}


def test_a_death_is_reported_by_two_systems_the_first_without_household():
    death = next(change for change in YEAR if change.kind == "death")
    heard, struck = death.rows
    assert (heard.system, struck.system) == ("koseki", "juki")
    assert heard.values["世帯番号"] == ""
    assert struck.values["世帯番号"]


def test_every_row_becomes_an_event_of_the_sample_city():
    city = load_city(CITY, environ={})
    env = Environment(city.tables)
    mappers = {
        name: Mapper(system, system.publishes[0], system.sources[system.publishes[0].source], env, city.city)
        for name, system in city.systems.items()
        if system.publishes
    }
    expected = {
        "birth": "resident.born",
        "death": "resident.died",
        "marriage": "resident.married",
        "moved": "resident.moved",
        "moved-in": "resident.moved-in",
        "moved-out": "resident.moved-out",
    }
    kinds = set()
    for change in YEAR[:400]:
        for row in change.rows:
            event = mappers[row.system].map(_stored(row), as_of_time="2027-04-01T00:00:00+09:00")
            assert isinstance(event, Event)
            assert event.subject in change.subjects
            assert row.system == "kokuho" or event.type == expected[change.kind]
            assert event.data["effective_on"] == change.day.isoformat()
            kinds.add(event.type)
    assert kinds >= set(expected.values()) | {"insurance.enrolled", "insurance.left"}


def _stored(row):
    """Return a row as its system hands it out."""
    if row.system == "juki":
        empty = ("旧住所", "転入元コード", "転出先", "転出先コード", "旧世帯番号", "死亡日", "旧氏名", "取消履歴番号")
        return {**dict.fromkeys(empty), **row.values, "履歴番号": 2}
    return {"受理番号": "2026-000001", **row.values} if row.system == "koseki" else row.values


@pytest.mark.parametrize(
    ("day", "long", "short"),
    [
        (date(2026, 11, 20), "令和8年11月20日", "R8.11.20"),
        (date(2019, 5, 1), "令和元年5月1日", "R1.05.01"),
        (date(2019, 4, 30), "平成31年4月30日", "H31.04.30"),
        (date(1989, 1, 7), "昭和64年1月7日", "S64.01.07"),
        (date(1926, 12, 24), "大正15年12月24日", "T15.12.24"),
    ],
)
def test_eras(day, long, short):
    assert forms.era_long(day) == long
    assert forms.era_short(day) == short
