"""Files that sources should have read long ago are told by `hub morning`, though nothing runs."""

import os
import time

import orjson
import pytest

from hub.cli import unread
from hub.ledger import sources
from hub.ledger.sources import Tally

JUKI = """
system: juki
sources:
  idou: {adapter: csv, path: in/juki/*.csv, encoding: utf-8}
  kept: {adapter: csv, path: in/kept/*.csv, encoding: utf-8, after: keep}
  zenken: {adapter: csv, path: in/zen/*.csv, encoding: utf-8, mode: snapshot, key: row.no, compare: [name]}
publishes:
  - {event: resident.died, from: idou, subject: row.no, map: {name: row.name, died_on: row.day, effective_on: row.day}}
  - {event: resident.died, from: kept, subject: row.no, map: {name: row.name, died_on: row.day, effective_on: row.day}}
receives:
  nightly:
    adapter: csv
    path: out/juki/
    acknowledged: {from: {adapter: csv, path: in/ack/*.csv, encoding: utf-8}, match: {key: row.key}, lists: all}
"""


@pytest.fixture
def juki(city, ledger):
    (city / "systems" / "juki.yaml").write_text(JUKI, encoding="utf-8")
    return city


def lay(city, name, hours=48):
    path = city / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"no,name,day\n")
    os.utime(path, (time.time() - hours * 3600,) * 2)


def told(hub, city):
    items = orjson.loads(hub("morning", "--city", city, "--json").stdout)["items"]
    return {(item["system"], item["name"]): item["why"] for item in items if item["kind"] == "left"}


def test_a_file_of_two_days_ago_that_nothing_has_read_is_told_with_what_to_do(hub, juki, japanese):
    lay(juki, "in/juki/old.csv")
    lay(juki, "in/juki/new.csv", hours=2)
    lay(juki, "in/ack/answer.csv")
    answers = ("juki", "nightly.acknowledged")
    assert told(hub, juki) == {("juki", "idou"): "in/juki/old.csv", answers: "in/ack/answer.csv"}
    shown = hub("morning", "--city", juki)
    assert shown.exit_code == 1
    assert "一日より長く、まだ読まれていないファイル" in shown.stdout
    assert "hub drain" in shown.stdout
    assert "juki.idou: 置かれたファイルが、まだ読まれていません" in shown.stdout


def test_a_file_that_is_kept_once_it_was_read_is_not_told(hub, juki, ledger):
    lay(juki, "in/kept/read.csv")
    lay(juki, "in/kept/left.csv")
    with ledger.write() as connection:
        position = {"kept": {"in/kept/read.csv": ["digest", 1, 2, 3]}}
        sources.advance(connection, "juki", "kept", position=position, tally=Tally(), at=1)
    assert told(hub, juki) == {("juki", "kept"): "in/kept/left.csv"}


def test_an_extract_that_only_reconcile_reads_is_not_told(hub, juki):
    lay(juki, "in/zen/all.csv")
    assert told(hub, juki) == {}


def test_a_mount_that_hangs_is_not_waited_for(hub, juki, monkeypatch):
    lay(juki, "in/juki/old.csv")
    monkeypatch.setattr(unread, "PATIENCE", 0.01)
    monkeypatch.setattr(unread, "_look", lambda *_: time.sleep(1))
    shown = hub("morning", "--city", juki)
    assert shown.exit_code == 0
    assert "a folder does not answer" in shown.stderr


def test_nothing_is_told_of_a_city_whose_files_are_broken(hub, juki):
    lay(juki, "in/juki/old.csv")
    (juki / "systems" / "broken.yaml").write_text("system: [", encoding="utf-8")
    assert hub("morning", "--city", juki).exit_code == 0
