"""A file that no source reads is told of, once, after a while, for as long as it lies there."""

import os
from pathlib import Path

import pytest

from hub.ledger import sources
from hub.stages.morning import morning
from hub.stages.unread import GRACE, NAMES, Unread
from tests.unit.stages.extract_city import City, row

TARO = row("1", 3, "守口 太郎", "大日町1-1")
HOUR = 3_600_000


class Folder:
    """A source that finds names with a beginning, beside other files."""

    def __init__(self, begins, **files):
        self.begins = begins
        self.unread = {f"{name}.csv": at for name, at in files.items()}

    def finds(self, label):
        return label.startswith(self.begins)

    def sees(self, label):
        return label in self.unread


def test_a_file_is_told_of_when_it_has_lain_there_for_long():
    source = Folder("a", z=1000)
    told = Unread([source])
    assert told.beside(source, None, 1000 + GRACE - 1) is None
    assert told.beside(source, None, 1000 + GRACE) == {"count": 1, "names": ["z.csv"], "since": 1000}


def test_what_another_source_reads_is_not_told():
    source, other = Folder("a", b1=0, z=0), Folder("b")
    assert Unread([source, other, object()]).beside(source, None, HOUR)["names"] == ["z.csv"]


def test_what_several_see_is_told_by_the_first():
    first, second = Folder("a", z=0), Folder("b", z=0, y=0)
    told = Unread([first, second])
    assert told.beside(first, None, HOUR)["names"] == ["z.csv"]
    assert told.beside(second, None, HOUR)["names"] == ["y.csv"]


def test_where_a_place_tells_no_time_it_is_since_it_was_first_seen():
    source = Folder("a", z=None)
    told = Unread([source])
    seen = told.beside(source, None, HOUR)
    assert seen["since"] == HOUR
    assert told.beside(source, seen, 2 * HOUR) == seen


def test_a_few_are_named_and_all_are_counted():
    source = Folder("a", **{f"z{n}": n for n in range(9)})
    found = Unread([source]).beside(source, None, HOUR)
    assert (found["count"], len(found["names"]), found["since"]) == (9, NAMES, 0)


def test_a_source_without_files_has_none():
    assert Unread([object()]).beside(object(), None, HOUR) is None


@pytest.fixture
def city(tmp_path):
    city = City(tmp_path, shared=True)
    yield city
    city.close()


def _lay(city: City, name: str) -> Path:
    path = city.write(name, TARO)
    at = city.now.timestamp()
    os.utime(path, (at, at))
    return path


def _unread(city: City) -> list:
    return [each.unread and each.unread["names"] for each in sources.listing(city.ledger)]


async def test_it_is_kept_in_the_ledger_until_the_file_is_read(city):
    _lay(city, "ZENKEN_1.csv")
    path = _lay(city, "SABUN_1.CSV")
    await city.drain()
    assert (_unread(city), morning(city.ledger)) == ([None], [])
    city.later(minutes=10)
    await city.drain()
    assert _unread(city) == [["in/SABUN_1.CSV"], None]
    (item,) = morning(city.ledger)
    assert (item["kind"], item["system"], item["name"], item["count"]) == ("unread", "juki", "sabun", 1)
    await city.drain()
    assert len(morning(city.ledger)) == 1
    path.rename(path.with_name("SABUN_1.csv"))
    await city.drain()
    assert (_unread(city), morning(city.ledger)) == ([None, None], [])


async def test_a_baseline_which_sees_one_source_alone_says_nothing_of_it(tmp_path):
    city = City(tmp_path)
    _lay(city, "other.csv")
    city.later(hours=1)
    await city.drain()
    _lay(city, "ZENKEN_1.csv")
    await city.hub.baseline("juki", "zenken")
    assert _unread(city) == [["in/other.csv"]]
    city.close()


async def test_it_is_written_only_when_it_changes(city, monkeypatch):
    _lay(city, "other.csv")
    city.later(hours=1)
    await city.drain()
    monkeypatch.setattr(sources, "set_unread", lambda *_: pytest.fail("nothing has changed"))
    await city.drain()
    assert _unread(city) == [["in/other.csv"]]
