"""A file that no source of the city reads is told of, once, after a while, for as long as it lies there."""

import asyncio
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from hub.app import Hub
from hub.errors import Transient
from hub.ledger import sources
from hub.settings.load import load_city
from hub.stages import strays
from hub.stages.morning import morning
from hub.stages.strays import GRACE, NAMES, Strays
from tests.services.blank import blank_ledger
from tests.unit.stages.extract_city import City, Topic, row

TARO = row("1", 3, "守口 太郎", "大日町1-1")
HOUR = 3_600_000


class Found:
    def __init__(self, strays=(), failed=()):
        self.strays = {("in", name): ("juki.idou", f"in/{name}", at) for name, at in dict(strays).items()}
        self.failed = set(failed)


def looks():
    return Strays(None, None, None)


def told(looking, now, failed=(), **strays):
    return {key: each["names"] for key, each in looking.told(Found(strays, failed), now).items()}


def test_a_file_is_told_of_when_it_has_lain_there_for_long():
    assert told(looks(), 1000 + GRACE - 1, a=1000) == {}
    assert told(looks(), 1000 + GRACE, a=1000) == {"juki.idou": ["in/a"]}


def test_after_the_first_look_time_counts_from_when_a_file_was_seen_and_not_by_its_own():
    looking = looks()
    assert told(looking, HOUR) == {}
    assert told(looking, HOUR, a=0) == {}
    assert told(looking, HOUR + GRACE - 1, a=0) == {}
    assert looking.told(Found({"a": 0}), HOUR + GRACE)["juki.idou"]["since"] == HOUR


def test_a_file_from_the_future_is_told_since_it_was_seen():
    looking = looks()
    assert told(looking, HOUR, a=9 * HOUR) == {}
    assert looking.told(Found({"a": 9 * HOUR}), HOUR + GRACE)["juki.idou"]["since"] == HOUR


def test_what_could_not_be_looked_at_meanwhile_is_as_old_as_before():
    looking = looks()
    assert told(looking, HOUR, a=0) == {"juki.idou": ["in/a"]}
    assert told(looking, HOUR + 1, failed=["juki.idou"]) == {}
    assert told(looking, HOUR + 2, a=0) == {"juki.idou": ["in/a"]}


def test_a_few_are_named_and_all_are_counted():
    found = looks().told(Found({f"z{n}": n for n in range(9)}), HOUR)["juki.idou"]
    assert (found["count"], len(found["names"]), found["since"]) == (9, NAMES, 0)


def test_a_name_is_shown_as_it_can_be_stored_and_read():
    name = os.fsdecode("異動.CSV".encode("cp932")) + "\x1b[31m\n　守"
    (shown,) = told(looks(), HOUR, **{name: 0})["juki.idou"]
    assert shown.encode()
    assert shown.replace("　", "").isprintable()
    assert shown.endswith("　守")


def unread(ledger):
    return {f"{each.system}.{each.source}": each.unread["names"] for each in sources.listing(ledger) if each.unread}


def clock():
    return datetime.fromtimestamp(HOUR / 1000, UTC)


async def test_what_cannot_be_looked_at_keeps_what_was_told_and_what_is_gone_loses_it(ledger):
    for found, expected in (
        (Found({"a": 0}), {"juki.idou": ["in/a"]}),
        (Found(failed=["juki.idou"]), {"juki.idou": ["in/a"]}),
        (Found(), {}),
        (Found({"b": 0}), {"juki.idou": ["in/b"]}),
    ):
        await Strays(ledger, clock, lambda found=found: found).look(10)
        assert unread(ledger) == expected


async def test_it_is_written_only_when_it_changes(ledger, monkeypatch):
    looking = Strays(ledger, clock, lambda: Found({"a": 0}))
    await looking.look(10)
    monkeypatch.setattr(sources, "set_unread", lambda *_: pytest.fail("nothing has changed"))
    await looking.look(10)
    assert unread(ledger) == {"juki.idou": ["in/a"]}


async def test_what_was_read_of_a_source_stays(ledger):
    sources.save(ledger, "juki", "idou", {"file": "a"}, by="係員", reason="試験")
    await Strays(ledger, clock, lambda: Found({"a": 0})).look(10)
    state = sources.load(ledger, "juki", "idou")
    assert (state.position, state.unread["count"]) == ({"file": "a"}, 1)


async def test_a_mount_that_hangs_holds_up_nothing_and_is_not_asked_twice(ledger, caplog):
    release, asked = threading.Event(), []

    def hangs():
        asked.append(1)
        release.wait(30)
        return Found({"a": 0})

    looking = Strays(ledger, clock, hangs)
    for _ in range(2):
        await asyncio.wait_for(looking.look(0.05), timeout=10)
    assert (len(asked), unread(ledger)) == (1, {})
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    stop = asyncio.Event()
    running = asyncio.create_task(looking.run(stop))
    await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait_for(running, timeout=5)
    release.set()
    await looking.look(10)
    assert (len(asked), unread(ledger)) == (1, {"juki.idou": ["in/a"]})


@pytest.mark.parametrize("fault", [ValueError(), TimeoutError(110, "timed out"), Transient("away")])
async def test_a_fault_is_nobody_elses_and_the_next_look_may_do_better(ledger, fault):
    answers = [fault, Found({"a": 0})]

    def look():
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    looking = Strays(ledger, clock, look)
    await looking.look(10)
    assert unread(ledger) == {}
    await looking.look(10)
    assert unread(ledger) == {"juki.idou": ["in/a"]}


async def test_it_goes_on_looking_until_it_is_stopped(ledger, monkeypatch):
    asked, stop, loop = [], asyncio.Event(), asyncio.get_running_loop()

    def look():
        asked.append(1)
        if len(asked) == 3:
            loop.call_soon_threadsafe(stop.set)
        return Found()

    monkeypatch.setattr(strays, "EVERY", 0.1)
    await asyncio.wait_for(Strays(ledger, clock, look).run(stop), timeout=10)
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
  unmapped: {adapter: csv, encoding: utf-8, path: idle/IDOU_*.csv}
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
    (folder / "idle").mkdir()
    (folder / "idle/b.txt").touch()
    os.utime(folder / "idle/b.txt", (1_700_000_000, 1_700_000_000))
    for name in ("ZENKEN_1.csv", "KEKKA_1.csv", "KANYU_1.CSV", "leaflet.txt"):
        (folder / "in" / name).write_text("番号\n")
        os.utime(folder / "in" / name, (1_700_000_000, 1_700_000_000))
    (folder / "out/a.txt").write_text("")
    os.utime(folder / "out/a.txt", (1_700_000_000, 1_700_000_000))
    blank_ledger(folder / "var").close()
    hub = Hub(load_city(folder, environ={}))
    await hub.intake(SimpleNamespace(producer=Topic())).drain(wait=5.0)
    assert list(unread(hub.ledger).values()) == [["in/KANYU_1.CSV", "in/leaflet.txt"]]
    hub.close()
