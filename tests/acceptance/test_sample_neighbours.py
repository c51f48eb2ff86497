"""The sample city's other neighbours: the robots, the rooms, the mail, the printer, and servers outside the hall."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pypdf
import pytest

from hub.moriguchi.sample import install_sample, set_water_port
from hub.moriguchi.standins import Suido, write_csv
from tests.acceptance.test_neighbours import eventually
from tests.acceptance.test_sample_city import HOUSEHOLD, NAME, NEW, NUMBER, OLD, read, told, write_history
from tests.services.chat import ChatRoom
from tests.services.mailbox import Mailbox
from tests.services.orchestrator import Orchestrator
from tests.services.sftp import PASSWORD, SftpServer
from tests.services.storage import ACCESS_KEY, SECRET_KEY, StorageServer

MOVED, DIED = ("resident.moved", "new"), ("resident.died", "new")
KEPT = {  # system: what the resident begins, and the number's column
    "inu": ("登録", "鑑札番号"),
    "boen": ("許可", "区画番号"),
    "nogyo": ("取得", "地番"),
    "enjo": ("認定", "認定番号"),
    "gakudo": ("入会", "会員番号"),
    "tokuji": ("認定", "証書番号"),
    "jiritsu": ("認定", "受給者番号"),
}
FORM = "ItemName,Page,GID,RID,Value,conf,x,y,w,h\n" + "".join(
    f"{name},{page},1,1,{value},{sure},0,0,9,9\n"
    for page, number, sure in ((1, NUMBER, 99.9), (2, NUMBER[:-1] + "7", 80))
    for name, value, sure in (
        ("様式", "異動届", 99),
        ("宛名番号", number, sure),
        ("フリガナ", "モリグチ ハナコ", 99),
        ("生年月日", "昭和61年6月1日", 99),
        ("届出日", "令和8年11月20日", 99),
    )
)


@dataclass
class Neighbours:
    """The servers behind the sample city, each on a port of its own."""

    mail: Mailbox
    rooms: ChatRoom
    robots: Orchestrator
    prefecture: SftpServer
    storage: StorageServer

    def reach(self, folder: Path) -> None:
        """Write where they are, and how the hub logs in, into the city."""
        places = {"inu": (18391, self.mail), "gakudo": (18393, self.robots)}
        places |= {"tokuji": (18394, self.prefecture), "jiritsu": (18395, self.storage)}
        for system, (port, server) in places.items():
            path = folder / f"systems/{system}.yaml"
            text = path.read_text("utf-8")
            assert str(port) in text
            path.write_text(text.replace(str(port), str(server.port)), "utf-8")
        secrets = {"boen-chat": f"{self.rooms.base}/teams/T0/secret", "gakudo-uipath": "secret"}
        secrets |= {"tokuji-sftp": PASSWORD, "tokuji.pub": self.prefecture.host_key}
        secrets |= {"jiritsu-s3-key": ACCESS_KEY, "jiritsu-s3-secret": SECRET_KEY}
        for name, value in secrets.items():
            assert (folder / "secrets" / name).stat().st_mode & 0o077 == 0
            (folder / "secrets" / name).write_text(value, "utf-8")


@pytest.fixture
def neighbours(tmp_path: Path) -> Iterator[Neighbours]:
    made = Neighbours(
        Mailbox(), ChatRoom(), Orchestrator(queue="児童クラブ"), SftpServer(tmp_path / "prefecture"), StorageServer()
    )
    (tmp_path / "prefecture/tokuji").mkdir()
    made.storage.client.create_bucket(
        Bucket="renkei", CreateBucketConfiguration={"LocationConstraint": "ap-northeast-1"}
    )
    yield made
    for stop in (made.mail.stop, made.rooms.stop, made.robots.stop, made.prefecture.close, made.storage.stop):
        stop()


@pytest.fixture
def city(
    tmp_path: Path, topic_prefix: str, kafka_bootstrap: str, new_shell: Any, neighbours: Neighbours
) -> Iterator[Any]:
    folder = tmp_path / "city"
    install_sample(folder)
    settings = folder / "hub.yaml"
    settings.write_text(settings.read_text("utf-8").replace("prefix: hub", f"prefix: {topic_prefix}"), "utf-8")
    neighbours.reach(folder)
    with Suido(folder) as suido:
        set_water_port(folder, suido.start(0))
        yield new_shell(folder, HUB_KAFKA=kafka_bootstrap)


def test_every_neighbour_is_told_in_its_own_way_and_answers(city: Any, neighbours: Neighbours) -> None:
    folder = city.folder
    for system, (change, number) in KEPT.items():
        name = "NOCHI_1.csv" if system == "nogyo" else "A.csv"
        row = {"宛名番号": NUMBER, "異動区分": change, "異動日": "R2.04.01", number: "第1号"}
        write_csv(folder / f"in/{system}/{name}", [row])
    city.json("drain", "--close-windows")
    write_history(folder, (2, "21", {"カナ": "モリグチ ハナコ", "生年月日": "1986-06-01", "旧住所": OLD}))
    city.json("drain", "--close-windows")
    assert {system: told(city, system) for system in KEPT} == {each: {MOVED: "delivered"} for each in KEPT}
    scan_a_form(city)
    write_history(folder, (3, "13", {"死亡日": "2026-11-20", "世帯番号": HOUSEHOLD}))
    city.json("drain", "--close-windows")

    to, mail = neighbours.mail.mails[-1]
    assert (to, NUMBER in mail.get_body().get_content()) == (["kankyo@moriguchi.example"], True)
    assert not any(NAME in each.as_string() or NEW in each.as_string() for _, each in neighbours.mail.mails)
    assert [text.count("墓園の使用者に 1 件") for text in neighbours.rooms.texts] == [1, 1]
    assert not any(NUMBER in text or NAME in text for text in neighbours.rooms.texts)
    assert [each["SpecificContent"]["type"] for each in neighbours.robots.items] == ["resident.moved", "resident.died"]
    sent = [row for path in (neighbours.prefecture.folder / "tokuji").glob("*.csv") for row in utf8(path)]
    assert {(row["新住所"], row["死亡日"]) for row in sent} == {(NEW, ""), ("", "2026-11-20")}
    objects = neighbours.storage.client.list_objects_v2(Bucket="renkei", Prefix="jiritsu/in/")["Contents"]
    assert len([each for each in objects if each["Key"].endswith(".csv")]) == 2
    (sheet,) = (folder / "out/okuyami").glob("*.pdf")
    text = pypdf.PdfReader(sheet).pages[0].extract_text()
    assert told(city, "okuyami") == {DIED: "delivered"}, "no character of a name lacks in the font"
    assert NUMBER in text
    assert NAME in text
    assert "2026-11-20" in text
    answer_by_file(city)
    answer_by_robot(city)
    assert not city.json("quarantine", "list")["items"]


def scan_a_form(city: Any) -> None:
    """What is sure and agrees with what is known of the resident goes on, what was misread waits for a person."""
    folder = city.folder
    (folder / "in/madoguchi/scan1.csv").write_bytes(FORM.encode("cp932"))
    assert city.json("drain", "--close-windows")["unsure"] == 1
    (unsure,) = city.json("review", "list", "--kind", "unsure")["items"]
    city.json("review", "fix", str(unsure["no"]), "--set", f"宛名番号={NUMBER}")
    city.json("drain", "--close-windows")
    items = city.json("deliveries", "list", "--system", "shinsei")["items"]
    assert {(each["type"], each["subject"], each["status"]) for each in items} == {
        ("form.scanned", NUMBER, "delivered")
    }
    assert (folder / "out/shinsei/kekka.jsonl").read_text("utf-8").count(".form.scanned.v1") == 2


def answer_by_file(city: Any) -> None:
    """WinActor leaves a file with the results."""
    rows = [row for path in sorted((city.folder / "out/nogyo").glob("*.csv")) for row in read(path)]
    assert [row["処理"] for row in rows] == ["異動", "異動"]
    write_csv(city.folder / "in/nogyo/KEKKA_1.csv", [{"連番": row["連番"], "結果": "OK"} for row in rows])
    city.json("drain", "--close-windows")
    assert told(city, "nogyo") == {MOVED: "confirmed", DIED: "confirmed"}


def answer_by_robot(city: Any) -> None:
    """The school board's robot fetches its work over HTTP, in order, and completes it."""
    token = city.json("token", "new", "enjo")["token"]
    running = city.begin("run", "--port", "0")
    url = eventually(lambda: re.search(r"http://\S+", running.stderr.readline()))[0]
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=url, trust_env=False, timeout=30, headers=headers) as robot:
        for kind, _ in (MOVED, DIED):
            job = claimed(robot)
            assert (job["type"], job["event"]["subject"]) == (kind, NUMBER)
            done = robot.post(f"/v1/jobs/enjo/{job['job']}/complete", json={"lease": job["lease"]})
            assert done.status_code == 200
    eventually(lambda: set(told(city, "enjo").values()) == {"confirmed"})


def claimed(robot: httpx.Client) -> dict[str, Any]:
    (job,) = eventually(lambda: robot.post("/v1/jobs/enjo/claim", json={}).json().get("jobs"))
    return job


def utf8(path: Path) -> list[dict[str, str]]:
    lines = path.read_text("utf-8").splitlines()
    head = lines[0].split(",")
    return [dict(zip(head, line.split(","), strict=True)) for line in lines[1:]]
