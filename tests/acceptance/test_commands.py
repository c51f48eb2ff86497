"""The command line as a person uses it: real processes, real Kafka, files dropped into folders."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sqlite3
import time
import urllib.error
import urllib.request

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

JUKI = """
system: juki
sources:
  idou: {adapter: csv, path: in/juki/*.csv, encoding: cp932, identity: '[row.宛名番号, row.履歴番号]'}
publishes:
  - from: idou
    subject: row.宛名番号
    event: resident.moved
    map:
      name: row.氏名
      old_address: address(row.旧住所)
      new_address: address(row.住所)
      effective_on: wareki(row.異動日)
receives: {}
"""
KOKUHO = """
system: kokuho
publishes:
  - event: insurance.enrolled
    from: {adapter: csv, path: in/kokuho/*.csv, encoding: cp932}
    subject: row.宛名番号
    map: {scheme: '"kokuho"', effective_on: wareki(row.資格取得日)}
subscribes:
  - id: moved
    on: resident.moved
    when: facts.insurance.kokuho.active
    send: [name, new_address]
    because: 国民健康保険の住所の変更
  - {id: death, on: resident.died, when: facts.insurance.kokuho.active, send: [name, died_on], because: 資格の喪失}
receives:
  adapter: database
  url: sqlite:///kokuho.db
  table: member
  key: {no: subject}
  columns: {name: data.name, address: data.new_address.text}
  mode: upsert
"""
MEMBERS = "宛名番号,資格取得日\n1000001,R2.4.1\n"
MOVES = (
    "宛名番号,履歴番号,氏名,旧住所,住所,異動日\n"
    "1000001,5,守口 太郎,京阪本通1-1,京阪本通2-5,R8.11.20\n"
    "1000002,3,門真 花子,金田町1-1,金田町2-2,R8.11.20\n"
    "1000003,2,淀川 一郎,大日町1-1\n"
)
DELIVERY_KEYS = {
    "id", "event_id", "type", "subject", "system", "receiver", "no", "batch", "status", "reason", "rule", "action",
    "attempts", "next_attempt_at", "planned_at", "delivered_at", "payload", "error",
}  # fmt: skip


@pytest.fixture
def city(tmp_path, topic_prefix):
    """Two systems: CSV in cp932 in, a database out."""
    folder = tmp_path / "city"
    (folder / "systems").mkdir(parents=True)
    (folder / "hub.yaml").write_text(f"city: example\nkafka: {{prefix: {topic_prefix}}}\n")
    (folder / "systems" / "juki.yaml").write_text(JUKI, encoding="utf-8")
    (folder / "systems" / "kokuho.yaml").write_text(KOKUHO, encoding="utf-8")
    with sqlite3.connect(folder / "kokuho.db") as db:
        db.execute("CREATE TABLE member (no TEXT PRIMARY KEY, name TEXT, address TEXT)")
        db.execute("INSERT INTO member VALUES ('1000001', '守口 太郎', '京阪本通1-1')")
    return folder


@pytest.fixture
def shell(city, kafka_bootstrap, new_shell):
    return new_shell(city, HUB_KAFKA=kafka_bootstrap)


def drop(city, name, text):
    path = city / "in" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".part").write_bytes(text.encode("cp932"))
    path.with_suffix(".part").rename(path)


def addresses(city):
    with sqlite3.connect(city / "kokuho.db") as db:
        return dict(db.execute("SELECT no, address FROM member"))


def eventually(look, limit=30.0):
    """Wait until `look` answers something true, and return it."""
    end = time.monotonic() + limit
    while not (found := look()):
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.05)
    return found


def death(subject, event_id):
    data = {"name": "守口 太郎", "died_on": "2026-11-20", "effective_on": "2026-11-20"}
    return json.dumps({"specversion": "1.0", "id": event_id, "type": "resident.died", "subject": subject, "data": data})


def test_a_dropped_file_changes_the_other_systems_table(shell, city):
    drop(city, "kokuho/1.csv", MEMBERS)
    drop(city, "juki/1.csv", MOVES.replace("1000001,5", "1000009,5"))
    first = shell.json("drain")
    assert (first["read"]["quarantined"], first["clear"]) == (1, True)  # the broken row; the rest goes on
    assert addresses(city) == {"1000001": "京阪本通1-1"}

    drop(city, "juki/2.csv", MOVES)
    second = shell.json("drain")
    assert second["duplicates"] == 1  # 1000002's row was read before
    assert addresses(city) == {"1000001": "京阪本通2-5"}

    again = shell.json("drain")
    assert (again["events"], again["read"]["rows"], again["clear"]) == (0, 0, True)

    (entry,) = [each for each in shell.json("quarantine", "list")["items"] if each["status"] == "open"]
    assert entry["place"] == "in/juki/1.csv:4"
    assert entry["seen"] == 2
    assert "大日町" in shell.json("quarantine", "show", str(entry["no"]))["raw"]

    (item,) = shell.json("events", "list", "--resident", "1000001", "--type", "resident.moved")["items"]
    shown = shell.json("events", "show", item["id"])
    assert shown.keys() >= {
        "event", "status", "seen", "duplicate_of", "corrects", "corrected_by", "deliveries", "not_told",
    }  # fmt: skip
    explained = shell("explain", item["id"]).stdout
    rules = (city / "systems/kokuho.yaml").read_text("utf-8").split("\n")
    line = next(no for no, text in enumerate(rules, 1) if "id: " in text)
    assert f"systems/kokuho.yaml:{line} kokuho." in explained
    (delivery,) = shown["deliveries"]
    assert delivery.keys() == DELIVERY_KEYS
    assert delivery["status"] == "delivered"
    assert delivery["payload"]["data"] == {"name": "守口 太郎", "new_address": {"text": "京阪本通2-5"}}
    assert [each["system"] for each in shown["not_told"]] == ["juki"]
    assert shown["not_told"][0]["why"]

    stranger = shell.json("events", "list", "--resident", "1000002")["items"][0]
    why = {each["system"]: each["why"] for each in shell.json("events", "show", stranger["id"])["not_told"]}
    assert "facts.insurance.kokuho.active" in why["kokuho"]
    assert shell.json("deliveries", "show", delivery["id"])["log"] == []


def test_lists_are_filtered_and_paged(shell, city):
    drop(city, "kokuho/1.csv", MEMBERS)
    shell.json("drain")
    drop(city, "juki/1.csv", MOVES)
    shell.json("drain")

    def ids(*words):
        return [each["id"] for each in shell.json("events", "list", *words)["items"]]

    everything = ids()
    assert len(everything) == 3
    assert len(ids("--system", "juki")) == 2
    assert len(ids("--system", "juki", "--system", "kokuho")) == 3
    assert len(ids("--status", "unmatched")) == 2
    assert len(ids("--type", "jp.lg.example.resident.moved.v1")) == 2
    assert len(ids("--since", "1h", "--until", "2999-01-01")) == 3
    assert ids("--until", "1h ago") == []
    paged, cursor = [], []
    while cursor is not None:
        page = shell.json("events", "list", "--limit", "1", *cursor)
        paged += [each["id"] for each in page["items"]]
        cursor = ["--cursor", page["next"]] if page["next"] else None
    assert paged == everything
    deliveries = shell.json("deliveries", "list", "--system", "kokuho", "--status", "delivered")["items"]
    assert [each["subject"] for each in deliveries] == ["1000001"]
    assert shell.json("deliveries", "list", "--system", "juki")["items"] == []


def test_publish_counts_and_quarantines_and_goes_on(shell):
    lines = [death("1000001", "d-1"), '{"specversion": "1.0", "id": ', death("1000002", "d-2"), death("1000001", "d-1")]
    found = shell.json("publish", "-", "--as", "juki", code=1, stdin="\n".join(lines))
    assert (found["accepted"], found["duplicates"]) == (3, 1)
    assert [(each["place"], each["code"]) for each in found["quarantined"]] == [("-:2 at 1:29", "json")]
    assert found["batch"]

    drained = shell.json("drain")
    assert (drained["events"], drained["duplicates"], drained["unmatched"]) == (2, 1, 2)
    assert shell.json("events", "show", "juki/d-1")["seen"] == 2
    assert [each["id"] for each in shell.json("events", "list", "--batch", found["batch"])["items"]]

    other = shell.json(
        "publish", "-", "--as", "juki", code=1, stdin=death("1", "x")[:-1] + ',"source":"/systems/koseki"}'
    )
    assert other["quarantined"][0]["code"] == "source-other"

    shell.json("publish", "-", "--as", "kokuho", stdin=death("1000001", "d-1"))
    shell.json("drain")
    ambiguous = shell.json("events", "show", "d-1", code=2)
    assert ambiguous["error"]["candidates"] == ["juki/d-1", "kokuho/d-1"]


def test_what_was_quarantined_is_put_right_and_resubmitted(shell, city, tmp_path):
    drop(city, "kokuho/1.csv", MEMBERS)
    drop(city, "juki/1.csv", MOVES)
    shell.json("drain")
    (entry,) = shell.json("quarantine", "list")["items"]
    no = str(entry["no"])
    assert shell("quarantine", "resubmit", no).returncode == 1  # as broken as before

    mended, row = tmp_path / "mended.csv", "1000003,2,淀川 一郎,大日町1-1,大日町2-2,R8.11.20\n"
    mended.write_text(row, "utf-8")
    refused = shell("quarantine", "fix", no, str(mended))
    assert refused.returncode == 2
    assert "is not in cp932, as the files of juki." in refused.stderr
    assert "it looks like UTF-8 (save it in cp932" in refused.stderr
    mended.write_bytes(MOVES.splitlines()[1].encode("cp932"))
    other = shell("quarantine", "fix", no, str(mended))  # a row that was taken long ago
    assert (other.returncode, "this was reported before: juki/" in other.stderr) == (2, True)
    mended.write_bytes(row.encode("cp932"))
    would = shell.json("quarantine", "fix", no, str(mended), "--dry-run")
    assert (would["status"], would["items"][0]["subject"]) == ("open", "1000003")
    assert would["changes"] == {"raw": [MOVES.splitlines()[3], row.strip()]}  # it was no row of the file's columns
    assert (would["items"][0]["known"], would["items"][0]["name"]) == (False, "淀川 一郎")
    assert shell.json("quarantine", "show", no)["status"] == "open"
    done = shell.json("quarantine", "fix", no, str(mended), "--by", "甲", "--reason", "元号の誤り")
    shell.json("drain")
    assert shell.json("events", "show", *done["events"])["event"]["data"]["name"] == "淀川 一郎"
    closed = shell.json("quarantine", "show", no)
    assert closed["status"] == "resubmitted"
    note = json.loads(closed["note"])
    assert (note["events"], note["by"], note["replacement"]) == (done["events"], "甲", row)
    assert shell("quarantine", "resubmit", no).returncode == 2
    assert shell.json("quarantine", "list")["items"] == []

    shell("publish", "-", stdin="[{}]")
    (entry,) = shell.json("quarantine", "list")["items"]
    assert shell("quarantine", "discard", str(entry["no"])).returncode == 2  # without a reason
    assert shell("quarantine", "discard", str(entry["no"]), "--reason", "a test").returncode == 0


def test_drain_ends_with_1_while_something_waits(shell, city):
    """A system whose table is missing stands still, and is told when the table is there."""
    drop(city, "kokuho/1.csv", MEMBERS)
    shell.json("drain")
    with sqlite3.connect(city / "kokuho.db") as db:
        db.execute("ALTER TABLE member RENAME TO away")
    drop(city, "juki/1.csv", MOVES)
    waiting = shell.json("drain", "--wait", "1s", code=1)
    assert (waiting["clear"], waiting["behind"]) == (False, ["kokuho.main"])

    with sqlite3.connect(city / "kokuho.db") as db:
        db.execute("ALTER TABLE away RENAME TO member")
    assert shell.json("drain")["clear"]
    assert addresses(city)["1000001"] == "京阪本通2-5"


def test_run_works_serves_and_stops_cleanly(shell, city):
    token = shell.json("token", "new", "juki")["token"]
    running = shell.begin("run", "--port", "0")
    url = eventually(lambda: re.search(r"http://\S+", running.stderr.readline()))[0]

    drop(city, "kokuho/1.csv", MEMBERS)
    eventually(lambda: shell.json("events", "list", "--type", "insurance.enrolled")["items"])
    drop(city, "juki/1.csv", MOVES)
    eventually(lambda: addresses(city)["1000001"] == "京阪本通2-5")

    def ask(path, body=None, **headers):
        request = urllib.request.Request(url + path, data=body, headers=headers)  # noqa: S310 - the server just started
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read())

    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/cloudevents+json"}
    assert ask("/v1/events", death("1000001", "d-1").encode(), **headers) == (
        202,
        {"accepted": ["d-1"], "duplicates": []},
    )
    eventually(lambda: shell("events", "show", "juki/d-1").returncode == 0)
    assert ask("/v1/events", death("1000001", "d-1").encode(), **headers)[1] == {"accepted": [], "duplicates": ["d-1"]}
    assert ask("/v1/events/d-1", **headers)[1]["event"]["subject"] == "1000001"
    assert ask("/readyz")[1]["ready"] is True
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask("/v1/events", death("1", "d-2").encode(), **{"Content-Type": "application/cloudevents+json"})
    assert refused.value.code == 401
    refused.value.close()

    taken = shell("run", "--port", url.rsplit(":", 1)[1])
    assert taken.returncode == 2
    assert "--port" in taken.stderr

    asked = time.monotonic()
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=20) == 0
    assert time.monotonic() - asked < 10
    assert shell.json("drain")["clear"]


def test_without_the_console_and_http_systems_no_port_is_opened(shell):
    running = shell.begin("run", "--only", "intake,dispatch,delivery", "--json")
    assert json.loads("".join(iter(running.stdout.readline, "}\n")) + "}") == {
        "stages": ["intake", "dispatch", "delivery"],
        "url": None,
    }
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=20) == 0


# --- the managed broker ---------------------------------------------------------------------------------------------


def test_commands_at_once_share_one_broker_which_ends_with_the_last(city, new_shell):
    shell = new_shell(city)
    drop(city, "kokuho/1.csv", MEMBERS)
    draining = [shell.begin("drain", "--json") for _ in range(2)]
    publishing = shell.begin("publish", "--as", "juki", "nothing.json")
    results = [process.communicate(timeout=120) for process in draining]
    assert [process.returncode for process in draining] == [0, 0], results
    assert sum(json.loads(out)["events"] for out, _ in results) == 1  # dispatched by one of the two
    assert publishing.wait(timeout=60) == 2
    assert shell.json("kafka", "status", code=3)["running"] is False


def test_kafka_start_outlives_the_command(city, new_shell):
    shell = new_shell(city)
    try:
        started = shell.json("kafka", "start")
        assert started["serving"]
        assert shell.json("kafka", "start")["pid"] == started["pid"]
        drop(city, "kokuho/1.csv", MEMBERS)
        assert shell.json("drain")["clear"]
        with sqlite3.connect(city / "var" / "ledger.db") as ledger:  # `hub morning` knows by this that the hub works
            at_work = [key for (key,) in ledger.execute("SELECT key FROM meta WHERE key LIKE 'at-work:%' ORDER BY key")]
        assert at_work == ["at-work:delivery", "at-work:dispatch", "at-work:intake"]
        assert shell.json("status")["kafka"] == {"bootstrap": started["bootstrap"], "lag": 0}
        assert shell.json("doctor", code=0)["errors"] == 0
        assert shell.json("kafka", "status")["pid"] == started["pid"]
    finally:
        assert shell.json("kafka", "stop") == {"stopped": True}
    assert shell.json("kafka", "stop") == {"stopped": False}
    assert shell("kafka", "status").returncode == 3


def test_a_kafka_that_is_killed_under_a_running_hub_is_started_again_but_not_one_that_was_stopped(city, new_shell):
    shell = new_shell(city)
    running = shell.begin("run", "--port", "0")
    eventually(lambda: "running" in running.stderr.readline())
    before = shell.json("kafka", "status")
    os.kill(before["pid"], signal.SIGKILL)
    eventually(lambda: "started again" in running.stderr.readline())
    after = shell.json("kafka", "status")
    assert (after["bootstrap"], after["serving"]) == (before["bootstrap"], True)
    assert after["pid"] != before["pid"]
    drop(city, "kokuho/1.csv", MEMBERS)
    eventually(lambda: shell.json("events", "list")["items"])
    assert shell.json("morning")["items"] == []

    assert shell.json("kafka", "stop") == {"stopped": True}
    eventually(lambda: shell("morning").returncode == 1)
    (row,) = shell.json("morning", code=1)["items"]
    assert (row["kind"], row["why"], row["do"]) == ("kafka", before["bootstrap"], "hub kafka start")
    assert not shell.json("kafka", "status", code=3)["running"]
    try:
        shell.json("kafka", "start")
        eventually(lambda: shell("morning").returncode == 0)
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=20) == 0
    finally:
        shell.json("kafka", "stop")


def test_a_ledger_that_is_away_is_exit_3(shell):
    shell.environ["HUB_LEDGER"] = "postgresql://nobody@127.0.0.1:1/hub"
    for words in (["status"], ["drain", "--wait", "1s"], ["events", "list"]):
        done = shell(*words)
        assert done.returncode == 3, done.stderr
        assert "Traceback" not in done.stderr


async def add_partitions(bootstrap, topic, count):
    """Give a topic more partitions."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_partitions({topic: NewPartitions(count)})
        while len((await admin.describe_topics([topic]))[0]["partitions"]) < count:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.1)
    finally:
        await admin.close()


def test_a_topic_that_was_given_more_partitions_is_refused_until_it_is_adopted(
    city, shell, kafka_bootstrap, topic_prefix
):
    drop(city, "kokuho/1.csv", MEMBERS)
    shell("drain")
    asyncio.run(add_partitions(kafka_bootstrap, f"{topic_prefix}.events", 8))
    drop(city, "juki/1.csv", MOVES)
    for command, code in (("drain", 2), ("run", 2), ("doctor", 1)):
        refused = shell(command)
        assert refused.returncode == code
        assert "8 partitions" in refused.stdout + refused.stderr
        assert "hub kafka adopt" in refused.stdout + refused.stderr
    assert shell("publish", "-", stdin=death("1000001", "d1")).returncode == 2
    assert shell("kafka", "adopt").returncode == 0
    shell.json("drain")
    assert addresses(city) == {"1000001": "京阪本通2-5"}
