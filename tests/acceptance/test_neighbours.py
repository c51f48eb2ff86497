"""Systems behind HTTP, feeds, topics and MariaDB, through the command line alone, over a real broker."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from hub.kafka.producer import Producer
from hub.kafka.topics import create_topic
from tests.services.rest import Rest

MAP = "{name: row.name, died_on: row.on, effective_on: row.on}"
RULE = "{id: died, on: resident.died, send: [name, died_on], because: 試験}"
SYSTEMS = {
    "juki": f"""sources:
  ido:
    adapter: http
    url: $REST/rows
    every: 1s
    rows: result
    pages: {{by: next, path: _links.next.href}}
    since: {{column: changed, parameter: since}}
    oauth2: {{token_url: $REST/token, client_id: hub, client_secret: env:JUKI_SECRET}}
publishes:
  - {{from: ido, event: resident.died, id: row.no, subject: row.no, map: {MAP}}}
""",
    "shinsei": f"""publishes:
  - from: {{adapter: http, webhook: {{secret: env:HOOK}}}}
    event: resident.died
    id: row.no
    subject: row.no
    map: {MAP}
""",
    "koseki": """publishes:
  - from: {adapter: kafka, topic: $TOPIC, format: outbox, every: 1s}
    event: resident.died
    id: row.id
    subject: row.key
    map: {name: row.payload.name, died_on: row.payload.on, effective_on: row.payload.on}
""",
    "kokuho": f"subscribes: [{RULE}]\nreceives: {{adapter: pull}}\n",
    "suido": f"""subscribes: [{RULE}]
receives:
  adapter: http
  url: $REST/told/{{subject}}
  method: PUT
  body: {{shimei: data.name}}
  oauth2: {{token_url: $REST/token, client_id: hub, client_secret: env:JUKI_SECRET}}
""",
    "zei": f"""subscribes: [{RULE}]
receives: {{adapter: database, url: env:ZEI, table: dead, key: {{no: subject}}, columns: {{name: data.name}}}}
""",
}


def row(no: str) -> dict[str, str]:
    return {"no": no, "changed": no, "name": f"守口 {no}", "on": "2026-11-20"}


@pytest.fixture
def rest() -> Any:
    rest = Rest()
    rest.oauth2()
    yield rest
    rest.stop()


@pytest.fixture
def city(tmp_path: Path, rest: Rest, topic_prefix: str) -> Path:
    folder = tmp_path / "city"
    (folder / "systems").mkdir(parents=True)
    (folder / "hub.yaml").write_text(f"city: test\nkafka: {{prefix: {topic_prefix}}}\n")
    for name, text in SYSTEMS.items():
        written = text.replace("$REST", rest.url).replace("$TOPIC", f"{topic_prefix}.outbox")
        (folder / "systems" / f"{name}.yaml").write_text(f"system: {name}\nowner: 課\n{written}")
    return folder


def eventually(look: Any, limit: float = 60.0) -> Any:
    end = time.monotonic() + limit
    while not (found := look()):
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.05)
    return found


async def publish(bootstrap: str, topic: str) -> None:
    await create_topic(bootstrap, topic, partitions=2)
    producer = Producer(bootstrap)
    value = json.dumps({"name": "守口 3", "on": "2026-11-20"}).encode()
    await producer.publish(topic, [(b"3", value)], [("id", b"o-3"), ("eventType", b"Died")])
    await producer.stop()


def test_every_neighbour_reports_and_is_told_once(
    new_shell: Any, city: Path, rest: Rest, kafka_bootstrap: str, topic_prefix: str, mariadb_url: str
) -> None:
    engine = sa.create_engine(mariadb_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE dead (no VARCHAR(10) PRIMARY KEY, name VARCHAR(20) CHARSET utf8mb4)")
    environ = {"HUB_KAFKA": kafka_bootstrap, "JUKI_SECRET": rest.client[1], "HOOK": "0123456789abcdef"}
    shell = new_shell(city, **environ, ZEI=mariadb_url)
    rest.rows = [row("1")]
    asyncio.run(publish(kafka_bootstrap, f"{topic_prefix}.outbox"))
    assert shell("check").returncode == 0
    token = shell.json("token", "new", "kokuho")["token"]
    running = shell.begin("run", "--only", "intake,dispatch,delivery", "--port", "0")
    url = eventually(lambda: re.search(r"http://\S+", running.stderr.readline()))[0]
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        body, stamp = json.dumps([row("2")]).encode(), str(int(time.time()))
        proof = hmac.new(b"0123456789abcdef", f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {"X-Timestamp": stamp, "X-Signature": proof}
        assert client.post("/v1/hooks/shinsei/main", content=body, headers=headers).json()["accepted"] == ["2"]
        mine = {"Authorization": f"Bearer {token}"}

        def offered() -> list[dict[str, Any]]:
            return client.get("/v1/feeds/kokuho?wait=5", headers=mine).json()["items"]

        eventually(lambda: len(offered()) == 3)
        items = offered()
        assert {each["subject"] for each in items} == {"1", "2", "3"}
        assert {each["data"]["name"] for each in items} == {"守口 1", "守口 2", "守口 3"}
        assert client.get("/v1/feeds/zei", headers=mine).status_code == 403
        said = {
            "keys": [items[0]["deliverykey"]],
            "refused": [{"key": items[1]["deliverykey"], "code": "E0001", "message": "不明"}],
        }
        answer = client.post("/v1/feeds/kokuho/ack", json=said, headers=mine).json()
        assert (answer["delivered"], answer["refused"], answer["settled"]) == (1, 1, True)
        assert [each["deliverykey"] for each in offered()] == [items[2]["deliverykey"]]

    statuses = {each["id"]: each["status"] for each in shell.json("deliveries", "list", "--system", "kokuho")["items"]}
    assert [statuses[each["deliverykey"]] for each in items] == ["delivered", "dead", "sending"]
    eventually(lambda: len(rest.kept) == 3)
    assert sorted(rest.asked("/told/1") + rest.asked("/told/2") + rest.asked("/told/3")) == [
        f"/told/{no}" for no in (1, 2, 3)
    ]

    def told() -> list[Any]:
        with engine.connect() as connection:
            return [tuple(each) for each in connection.exec_driver_sql("SELECT no, name FROM dead ORDER BY no")]

    eventually(lambda: told() == [(no, f"守口 {no}") for no in "123"])
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=20) == 0
    assert shell.json("drain", "--wait", "5s", code=1)["clear"] is False  # one delivery is still on offer
