"""Full extracts, reviews and reconciliation by the command line: real processes, real Kafka, files dropped in."""

from __future__ import annotations

import sqlite3

import pytest

JUKI = """
system: juki
sources:
  zenken: {adapter: csv, path: in/juki/*.csv, mode: snapshot, key: row.宛名番号, compare: [氏名, 住所],
           on_change: publish, on_new: report, on_missing: review}
publishes:
  - from: zenken
    subject: row.宛名番号
    otherwise: ignore
    cases:
      - event: resident.moved
        when: '"住所" in changed'
        map: {name: row.氏名, old_address: address(was.住所), new_address: address(row.住所), effective_on: batch.date}
      - event: resident.moved-out
        when: change == "missing"
        map: {name: row.氏名, old_address: address(was.住所), effective_on: batch.date}
receives: {}
"""
KOKUHO = """
system: kokuho
sources:
  members: {adapter: database, url: sqlite:///kokuho.db, table: member, cursor: no, mode: snapshot, key: row.no,
            compare: [name, address]}
subscribes:
  - {id: moved, on: [resident.moved, resident.moved-out], send: [name, new_address], because: 国民健康保険の住所の変更}
receives:
  adapter: database
  url: sqlite:///kokuho.db
  table: member
  key: {no: subject}
  columns: {name: data.name, address: data.new_address.text}
"""
HEAD = "宛名番号,氏名,住所\n"
ROWS = ["1000001,守口 太郎,京阪本通1-1\n", "1000002,京阪 花子,金田町1-1\n", "1000003,淀川 次郎,大日町1-1\n"]


@pytest.fixture
def shell(tmp_path, topic_prefix, kafka_bootstrap, new_shell):
    folder = tmp_path / "city"
    (folder / "systems").mkdir(parents=True)
    (folder / "in/juki").mkdir(parents=True)
    (folder / "hub.yaml").write_text(f"city: example\nkafka: {{prefix: {topic_prefix}}}\n")
    (folder / "systems/juki.yaml").write_text(JUKI, encoding="utf-8")
    (folder / "systems/kokuho.yaml").write_text(KOKUHO, encoding="utf-8")
    with sqlite3.connect(folder / "kokuho.db") as db:
        db.execute("CREATE TABLE member (no TEXT PRIMARY KEY, name TEXT, address TEXT)")
    return new_shell(folder, HUB_KAFKA=kafka_bootstrap)


def drop(shell, name, *rows):
    (shell.folder / "in/juki" / name).write_text(HEAD + "".join(rows), encoding="utf-8")


def test_from_the_baseline_to_what_a_system_holds(shell):
    assert shell("check").returncode == 0, shell("check").stdout
    assert shell.json("source", "baseline", "juki.zenken", code=1)["rows"] == 0
    drop(shell, "20261120.csv", *ROWS)
    assert shell.json("source", "baseline", "juki.zenken", "--dry-run")["done"] is False
    assert shell.json("source", "baseline", "juki.zenken")["known"]["counts"]["new"] == 3
    drop(shell, "20261121.csv", "1000001,守口 太郎,京阪本通2-5-5\n", ROWS[1])
    assert shell.json("drain")["read"]["events"] == 1
    (waiting,) = shell.json("review", "list", "--status", "waiting")["items"]
    assert (waiting["subject"], waiting["summary"], waiting["events"]) == ("1000003", "missing", 1)
    shown = shell.json("review", "show", str(waiting["no"]))
    assert shown["would_publish"][0]["type"].endswith("resident.moved-out.v1")
    assert shown["was"]["住所"] == "大日町1-1"
    (listed,) = shell.json("events", "list", "--status", "awaiting-review")["items"]
    assert (listed["type"], listed["subject"]) == ("resident.moved-out", "1000003")
    assert "waiting" in {item["kind"] for item in shell.json("morning", code=1)["items"]}

    accepted = shell.json("review", "accept", str(waiting["no"]), "--reason", "seen in the register")
    assert (accepted["status"], bool(accepted["published_at"])) == ("accepted", True)
    assert shell("review", "accept", str(waiting["no"])).returncode == 2
    shell.json("drain")
    events = shell.json("events", "list", "--type", "resident.moved-out")["items"]
    assert [event["subject"] for event in events] == ["1000003"]
    with sqlite3.connect(shell.folder / "kokuho.db") as db:
        assert db.execute("SELECT address FROM member WHERE no = '1000001'").fetchall() == [("京阪本通2-5-5",)]

    (source,) = shell.json("source", "list", "--system", "juki")["items"]
    assert (source["mode"], source["extract"]["rows"], source["held"]) == ("snapshot", 2, None)
    assert shell.json("reconcile", "kokuho")["counts"]["same"] >= 1
    with sqlite3.connect(shell.folder / "kokuho.db") as db:
        db.execute("UPDATE member SET address = '手で直した' WHERE no = '1000001'")
    found = shell.json("reconcile", "kokuho", code=1)
    (item,) = [each for each in found["items"] if each["kind"] == "differs"]
    assert (item["subject"], item["columns"]) == (
        "1000001",
        {"address": {"told": "京阪本通2-5-5", "has": "手で直した"}},
    )
    with sqlite3.connect(shell.folder / "kokuho.db") as db:
        db.execute("INSERT INTO member VALUES ('1000009', 'x', 'y')")
    assert shell(*item["mend"].split()[1:], "--reason", "reconcile").returncode == 0
    shell.json("drain")
    assert shell.json("reconcile", "kokuho")["items"] == []
    with sqlite3.connect(shell.folder / "kokuho.db") as db:
        db.execute("DELETE FROM member WHERE no = '1000001'")
    (item,) = shell.json("reconcile", "kokuho", code=1)["items"]
    assert (item["kind"], item["subject"]) == ("missing", "1000001")
