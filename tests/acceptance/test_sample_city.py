"""The sample city, all of it: every system reports by its own transport and is told by its own, on real Kafka."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import openpyxl
import pytest

from hub.kafka.topics import end_offsets
from hub.moriguchi.sample import install_sample, set_water_port
from hub.moriguchi.standins import Kaigo, Suido, write_csv

NUMBER, HOUSEHOLD = "272094000000001", "5000000001"
NAME = "守口\u3000花子"
OLD, NEW = "大阪府守口市本町1丁目1番1号", "大阪府守口市桃町2番2号"
# What each system says of the resident, in its own columns: system → (異動区分, the number's column).
REPORTS = {
    "kokuho": ("取得", "記号番号"),
    "nenkin": ("取得", "種別"),
    "koki": ("取得", "被保険者番号"),
    "kaigo": ("取得", "被保険者番号"),
    "inkan": ("登録", "登録番号"),
    "suido": ("開栓", "お客様番号"),
    "jido-teate": ("認定", "認定番号"),
    "kodomo-iryo": ("交付", "受給者番号"),
    "hoiku": ("認定", "認定番号"),
    "shogai": ("交付", "手帳番号"),
    "kobango": ("交付", "申請書番号"),
    "jido-fuyo": ("認定", "証書番号"),
    "hitorioya": ("交付", "受給者番号"),
    "seiho": ("開始", "ケース番号"),
}
PULLED = {"seiho"}


@pytest.fixture
def city(tmp_path, topic_prefix, kafka_bootstrap, new_shell):
    folder = tmp_path / "city"
    install_sample(folder)
    settings = folder / "hub.yaml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("prefix: hub", f"prefix: {topic_prefix}"), "utf-8")
    with Suido(folder) as suido:
        set_water_port(folder, suido.start(0))
        yield new_shell(folder, HUB_KAFKA=kafka_bootstrap)


def workbook(path, sheet, rows):
    book = openpyxl.Workbook()
    book.active.title = sheet
    for row in rows:
        book.active.append(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)


def report_who_belongs_where(folder):
    for system, (change, number) in REPORTS.items():
        row = {"宛名番号": NUMBER, "異動区分": change, "異動日": "R2.04.01", number: "第1号"}
        write_csv(folder / f"in/{system}/A.csv", [row])
    owns = {"宛名番号": NUMBER, "異動区分": "取得", "異動日": "R2.04.01", "税目": "kotei", "物件番号": "1"}
    write_csv(folder / "in/kotei/A.csv", [owns])
    head = ["宛名番号", "異動区分", "異動日", "住戸番号"]
    workbook(folder / "in/jutaku/A.xlsx", "入退去", [head, [NUMBER, "入居", "2020-04-01", "A-1"]])
    head = ["受付番号", "宛名番号", "種別", "異動日", "送付先", "事由", "後見人番号", "類型"]
    rows = [["1", NUMBER, "送付先", "2026-11-01", "大阪市北区", "入院", "", ""]]
    rows += [["2", NUMBER, "後見開始", "2026-11-02", "", "", "272094000000005", "後見"]]
    workbook(folder / "in/atena/A.xlsx", "送付先・後見", [head, *rows])
    with closing(sqlite3.connect(folder / "var/standins/suido.db")) as suido, suido:
        suido.execute("INSERT INTO keiyaku VALUES (?, ?, ?, '使用中', '')", (NUMBER, NAME, OLD))
    with closing(sqlite3.connect(folder / "var/standins/kaigo.db")) as kaigo, kaigo:
        kaigo.execute("INSERT INTO hihokensha VALUES (?, ?, ?, '有', '')", (NUMBER, NAME, OLD))


def write_history(folder, *lines):
    """Add lines to 住基's history: (履歴番号, 異動事由, more columns)."""
    with closing(sqlite3.connect(folder / "var/standins/juki.db")) as juki, juki:
        for no, reason, more in lines:
            row = {
                "宛名番号": NUMBER,
                "履歴番号": no,
                "異動事由": reason,
                "異動日": "2026-11-20",
                "入力日時": "2026-11-20",
            }
            row |= {"氏名": NAME, "生年月日": "1986-06-01", "住所": NEW, "世帯番号": HOUSEHOLD, **more}
            names, marks = ", ".join(row), ", ".join("?" for _ in row)
            juki.execute(f"INSERT INTO rireki ({names}) VALUES ({marks})", tuple(row.values()))


def row_of(folder, system, table):
    with closing(sqlite3.connect(folder / f"var/standins/{system}.db")) as db:
        db.row_factory = sqlite3.Row
        return dict(db.execute(f"SELECT * FROM {table} WHERE 宛名番号 = ?", (NUMBER,)).fetchone())


def told(city, system):
    items = city.json("deliveries", "list", "--system", system, "--limit", "100")["items"]
    return {(each["type"], each["action"]): each["status"] for each in items}


async def test_every_system_reports_and_is_told_by_its_own_transport(city, topic_prefix, kafka_bootstrap):
    folder = city.folder
    report_who_belongs_where(folder)
    assert city.json("drain", "--close-windows", code=1)["left"]["sending"] == 1  # on offer to the one who fetches
    write_history(
        folder, (2, "21", {"旧住所": OLD}), (3, "25", {"旧世帯番号": HOUSEHOLD}), (4, "13", {"死亡日": "2026-11-20"})
    )
    drained = city.json("drain", "--close-windows", code=1)
    assert not drained["quarantined"]

    made = city.json("deliveries", "list", "--limit", "500")["items"]
    assert {each["system"] for each in made if each["status"] != "delivered"} == PULLED
    assert len({each["system"] for each in made}) >= 20

    for system, table, changed in (("koki", "hihokensha", "喪失日"), ("inkan", "toroku", "廃止日")):
        assert row_of(folder, system, table)[changed] == "2026-11-20"
    assert row_of(folder, "suido", "keiyaku")["連絡"] == "死亡"
    for system, kind in (("kokuho", "csv"), ("zei", "csv"), ("shogai", "csv"), ("jido-fuyo", "csv")):
        rows = [row for path in (folder / "out" / system).glob(f"*.{kind}") for row in read(path)]
        assert {"resident.moved", "resident.died"} <= {row["type"] for row in rows}, system
    for system in ("atena", "hoiku", "hitorioya", "kobango", "nenkin", "senkyo"):
        lines = (folder / "out" / system / "ido.jsonl").read_text("utf-8").splitlines()
        assert NUMBER in {json.loads(line)["subject"] for line in lines}, system
    *_, book = sorted((folder / "out/jutaku").glob("*.xlsx"))
    head, *rows = openpyxl.load_workbook(book, read_only=True)["異動"].iter_rows(values_only=True)
    assert NEW in {dict(zip(head, row, strict=True))["新住所"] for row in rows}
    *_, owners = sorted((folder / "out/kotei").glob("*.DAT"))
    assert {len(line) for line in owners.read_bytes().splitlines()} == {330}
    assert sum((await end_offsets(kafka_bootstrap, f"{topic_prefix}.out.shuno")).values()) >= 3

    # Next morning 介護 answers, 住基 takes the death back and gives its nightly extract.
    assert Kaigo(folder).import_files() == 3
    write_history(folder, (5, "91", {"取消履歴番号": 4}))
    night = datetime.now(UTC).strftime("%Y%m%d")
    write_csv(
        folder / f"in/juki/ZENKEN_{night}.csv", [{"宛名番号": NUMBER, "氏名": NAME, "住所": NEW, "世帯番号": HOUSEHOLD}]
    )
    city.json("drain", "--close-windows", code=1)
    assert told(city, "kaigo") == {
        ("resident.moved", "new"): "confirmed",
        ("household.changed", "new"): "confirmed",
        ("resident.died", "new"): "confirmed",
        ("event.cancelled", "cancel"): "delivered",
    }
    inkan = row_of(folder, "inkan", "toroku")
    assert (inkan["廃止日"], inkan["廃止事由"]) == (None, None)
    assert (row_of(folder, "suido", "keiyaku")["状態"], row_of(folder, "suido", "keiyaku")["連絡"]) == ("使用中", "")
    assert Kaigo(folder).import_files() == 1
    assert Kaigo(folder).member(NUMBER)["資格"] == "有"
    assert not city.json("quarantine", "list")["items"]


def read(path):
    with path.open(encoding="cp932", newline="") as file:
        return list(csv.DictReader(file))
