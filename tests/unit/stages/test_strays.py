"""A file that no source of the city reads is told of, once, after a while, for as long as it lies there."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from hub.adapters.contract import Survey
from hub.app import Hub
from hub.errors import Transient
from hub.ledger import sources
from hub.settings.load import load_city
from hub.stages import strays
from hub.stages.morning import morning
from hub.stages.strays import GRACE, NAMES, Rest, Strays, plain
from tests.services.blank import blank_ledger
from tests.unit.stages.extract_city import City, Topic, row

TARO = row("1", 3, "守口 太郎", "大日町1-1")
HOUR = 3_600_000


def survey(own=(), **others):
    return Survey({("in", name) for name in own}, {("in", name): (f"in/{name}", at) for name, at in others.items()})


def told(*surveys, now=HOUR, outs=()):
    found = Strays(None, None, {}, Rest(outs=outs)).told({f"juki.{no}": each for no, each in enumerate(surveys)}, now)
    return {key: each["names"] for key, each in found.items()}


def test_a_file_is_told_of_when_it_has_lain_there_for_long():
    assert told(survey(a=1000), now=1000 + GRACE - 1) == {}
    assert told(survey(a=1000), now=1000 + GRACE) == {"juki.0": ["in/a"]}


def test_what_any_source_reads_or_lets_lie_is_not_told():
    assert told(survey(a=0, b=0), survey(["a"], a=0)) == {"juki.0": ["in/b"]}


def test_what_several_see_is_told_by_one():
    assert told(survey(a=0), survey(a=0, b=0)) == {"juki.0": ["in/a"], "juki.1": ["in/b"]}


def test_where_a_receiver_writes_nothing_is_told():
    assert told(survey(a=0), outs={"in"}) == {}


def test_after_the_first_look_time_counts_from_when_a_file_was_seen_and_not_by_its_own():
    looks = Strays(None, None, {}, Rest())
    assert looks.told({"juki.0": survey()}, HOUR) == {}
    moved_here = {"juki.0": survey(a=0)}
    assert looks.told(moved_here, HOUR) == {}
    assert looks.told(moved_here, HOUR + GRACE - 1) == {}
    assert looks.told(moved_here, HOUR + GRACE)["juki.0"]["since"] == HOUR


@pytest.mark.parametrize("written", [None, 9 * HOUR])
def test_a_file_without_a_time_or_from_the_future_is_told_since_it_was_seen(written):
    looks = Strays(None, None, {}, Rest())
    assert looks.told({"juki.0": survey(a=written)}, HOUR) == {}
    assert looks.told({"juki.0": survey(a=written)}, HOUR + GRACE)["juki.0"]["since"] == HOUR


def test_a_few_are_named_and_all_are_counted():
    found = Strays(None, None, {}, Rest()).told({"juki.0": survey(**{f"z{n}": n for n in range(9)})}, HOUR)["juki.0"]
    assert (found["count"], len(found["names"]), found["since"]) == (9, NAMES, 0)


def test_a_name_is_shown_as_it_can_be_stored_and_read():
    label = os.fsdecode("in/異動.CSV".encode("cp932")) + "\x1b[31m\n守"
    shown = plain(label)
    assert shown.encode()
    assert shown.isprintable()
    assert shown.endswith("守")
    looked = Survey(set(), {("in", label): (label, 0)})
    assert told(looked) == {"juki.0": [shown]}


@pytest.fixture
def ledger(tmp_path):
    ledger = blank_ledger(tmp_path)
    yield ledger
    ledger.close()


def unread(ledger):
    return {f"{each.system}.{each.source}": each.unread["names"] for each in sources.listing(ledger) if each.unread}


async def test_what_cannot_be_asked_keeps_what_was_told_and_what_is_gone_loses_it(ledger):
    answer = {"juki.idou": survey(a=0)}

    async def ask():
        if "juki.idou" not in answer:
            raise Transient("away")
        return answer["juki.idou"]

    def clock():
        return datetime.fromtimestamp(HOUR / 1000, UTC)

    def looking(asks):
        return Strays(ledger, clock, asks, Rest())

    await looking({"juki.idou": ask}).look()
    assert unread(ledger) == {"juki.idou": ["in/a"]}
    there = answer.pop("juki.idou")
    await looking({"juki.idou": ask}).look()
    assert unread(ledger) == {"juki.idou": ["in/a"]}
    await looking({}).look()  # the source was taken out of the city
    assert unread(ledger) == {}
    answer["juki.idou"] = there
    await looking({"juki.idou": ask}).look()
    answer["juki.idou"] = survey(["a"])
    await looking({"juki.idou": ask}).look()
    assert unread(ledger) == {}


async def test_it_is_written_only_when_it_changes(ledger, monkeypatch):
    async def ask():
        return survey(a=0)

    looks = Strays(ledger, lambda: datetime.fromtimestamp(HOUR / 1000, UTC), {"juki.idou": ask}, Rest())
    await looks.look()
    monkeypatch.setattr(sources, "set_unread", lambda *_: pytest.fail("nothing has changed"))
    await looks.look()
    assert unread(ledger) == {"juki.idou": ["in/a"]}


async def test_a_place_that_does_not_answer_is_waited_for_no_longer_than_asked(ledger):
    async def hangs():
        await asyncio.sleep(60)

    async def ask():
        return survey(a=0)

    asks = {"juki.one": hangs, "juki.two": hangs, "juki.idou": ask}
    looks = Strays(ledger, lambda: datetime.fromtimestamp(HOUR / 1000, UTC), asks, Rest())
    await asyncio.wait_for(looks.look(0.1), timeout=10)
    assert unread(ledger) == {"juki.idou": ["in/a"]}


async def test_a_fault_is_nobody_elses(ledger):
    async def ask():
        raise ValueError

    await Strays(ledger, lambda: datetime.now(UTC), {"juki.idou": ask}, Rest()).look()
    assert unread(ledger) == {}


async def test_it_goes_on_looking_until_it_is_stopped(ledger, monkeypatch):
    monkeypatch.setattr(strays, "EVERY", 0.01)
    asked, stop = [], asyncio.Event()

    async def ask():
        asked.append(1)
        if len(asked) == 3:
            stop.set()
        return survey()

    await asyncio.wait_for(Strays(ledger, lambda: datetime.now(UTC), {"juki.idou": ask}, Rest()).run(stop), timeout=10)
    assert len(asked) == 3


# --- in a city -------------------------------------------------------------------------------------------------------


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


async def test_it_is_kept_in_the_ledger_until_the_file_is_read(city):
    _lay(city, "ZENKEN_1.csv")
    path = _lay(city, "SABUN_1.CSV")
    await city.drain()
    assert (unread(city.ledger), morning(city.ledger)) == ({}, [])
    city.later(minutes=10)
    await city.drain()
    assert unread(city.ledger) == {"juki.sabun": ["in/SABUN_1.CSV"]}
    (item,) = morning(city.ledger)
    assert (item["kind"], item["system"], item["name"], item["count"]) == ("unread", "juki", "sabun", 1)
    path.rename(path.with_name("SABUN_1.csv"))
    await city.drain()
    assert (unread(city.ledger), morning(city.ledger)) == ({}, [])


async def test_a_baseline_says_nothing_of_it(city):
    _lay(city, "other.csv")
    city.later(hours=1)
    await city.drain()
    _lay(city, "ZENKEN_1.csv")
    await city.hub.baseline("juki", "zenken")
    assert unread(city.ledger) == {"juki.sabun": ["in/other.csv"]}


SYSTEM = """system: zei
owner: 課
sources:
  members: {mode: snapshot, adapter: csv, encoding: utf-8, path: in/ZENKEN_*.csv, key: row.番号, compare: [番号],
    reconcile: {住所: data.new_address.text}}
  unmapped: {adapter: csv, encoding: utf-8, path: in/IDOU_*.csv}
  back: {adapter: csv, encoding: utf-8, path: out/*.csv}
publishes:
  - event: insurance.enrolled
    from: {adapter: csv, path: in/KANYU_*.csv, encoding: utf-8}
    subject: row.番号
    map: {scheme: '"kokuho"', effective_on: '"2026-11-20"', certificate_no: row.番号}
receives: {adapter: csv, path: out/, encoding: utf-8, columns: {番号: key}, enabled: false, acknowledged: {
  from: {adapter: csv, path: in/KEKKA_*.csv, encoding: utf-8}, match: {key: row.番号}, lists: all}}
subscribes:
  - {id: moved, on: resident.moved, send: [name], because: 試験}
"""


async def test_what_a_source_reads_of_which_nothing_is_read_now_is_not_told(tmp_path):
    folder = tmp_path / "city"
    (folder / "systems").mkdir(parents=True)
    (folder / "in").mkdir()
    (folder / "var").mkdir()
    (folder / "hub.yaml").write_text("city: example\n")
    (folder / "systems/zei.yaml").write_text(SYSTEM)
    (folder / "out").mkdir()
    for name in ("ZENKEN_1.csv", "IDOU_1.csv", "KEKKA_1.csv", "KANYU_1.CSV", "leaflet.txt"):
        (folder / "in" / name).write_text("番号\n")
        os.utime(folder / "in" / name, (1_700_000_000, 1_700_000_000))
    (folder / "out/a.txt").write_text("")
    os.utime(folder / "out/a.txt", (1_700_000_000, 1_700_000_000))
    blank_ledger(folder / "var").close()
    hub = Hub(load_city(folder, environ={}))
    await hub.intake(SimpleNamespace(producer=Topic())).drain(wait=5.0)
    assert list(unread(hub.ledger).values()) == [["in/KANYU_1.CSV", "in/leaflet.txt"]]
    hub.close()
