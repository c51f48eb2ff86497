"""A process that sleeps past its leases, while another does its work, does nothing of it again when it wakes."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

DEATHS = 30
RULE = "subscribes: [{id: death, on: resident.died, send: [name, died_on], because: 試験}]"
SOON = "retry: {delays: [1s], then: every 1s}"


class Desk(ThreadingHTTPServer):
    """An HTTP service that notes what it is sent, and answers while `open`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.taken: list[str] = []
        self.open = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: Desk

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append(self.headers["Idempotency-Key"])
        self.server.open.wait()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    thread = threading.Thread(target=desk.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield desk
    desk.open.set()
    desk.shutdown()
    desk.server_close()
    thread.join()


@pytest.fixture
def city(tmp_path: Path, topic_prefix: str, desk: Desk) -> Path:
    folder = tmp_path / "city"
    (folder / "systems").mkdir(parents=True)
    (folder / "hub.yaml").write_text(f"city: example\nkafka: {{prefix: {topic_prefix}}}\n")
    (folder / "systems/juki.yaml").write_text("system: juki\nreceives: {}\n")
    web = f"adapter: http, url: 'http://127.0.0.1:{desk.server_address[1]}/', {SOON}"
    table = f"adapter: database, url: 'sqlite:///kaigo.db', table: death, columns: {{no: subject}}, {SOON}"
    (folder / "systems/web.yaml").write_text(f"system: web\n{RULE}\nreceives: {{{web}}}\n")
    (folder / "systems/kaigo.yaml").write_text(f"system: kaigo\n{RULE}\nreceives: {{{table}, mode: insert}}\n")
    with sqlite3.connect(folder / "kaigo.db") as db:
        db.execute("CREATE TABLE death (no TEXT)")
    return folder


def death(number: int) -> str:
    data = {"name": f"守口 {number}", "died_on": "2026-11-20", "effective_on": "2026-11-20"}
    return json.dumps(
        {"specversion": "1.0", "id": f"d{number}", "type": "resident.died", "subject": f"{number}", "data": data}
    )


def eventually(look: Callable[[], Any], limit: float = 30.0) -> Any:
    """Wait until `look` answers something true, and return it."""
    end = time.monotonic() + limit
    while not (found := look()):
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)
    return found


def test_a_process_that_slept_past_its_leases_sends_nothing_more(city, desk, new_shell, kafka_bootstrap, database_url):
    shell = new_shell(city, HUB_KAFKA=kafka_bootstrap, HUB_LEDGER=database_url)
    lines = [death(number) for number in range(DEATHS)]
    shell.json("publish", "-", "--as", "juki", stdin="\n".join(lines))
    locked = sqlite3.connect(city / "kaigo.db", isolation_level=None)
    locked.execute("BEGIN EXCLUSIVE")  # its first rows wait in the middle of the call, as those of the desk do

    zombie = shell.begin("run", "--only", "dispatch,delivery")
    eventually(lambda: desk.taken)
    eventually(lambda: len(shell.json("deliveries", "list", "--limit", "100")["items"]) == 2 * DEATHS)
    os.kill(zombie.pid, signal.SIGSTOP)
    under_way = set(desk.taken)
    locked.execute("ROLLBACK")
    locked.close()
    desk.open.set()

    assert shell.json("drain")["clear"]
    told = list(desk.taken)
    assert len(set(told)) == DEATHS
    assert {key for key in told if told.count(key) > 1} <= under_way  # repeated with the key that tells so

    os.kill(zombie.pid, signal.SIGCONT)
    shell.json("publish", "-", "--as", "juki", stdin=death(DEATHS))
    eventually(lambda: len(desk.taken) > len(told))  # awake, and at work again
    zombie.send_signal(signal.SIGTERM)
    assert zombie.wait(20) == 0
    assert desk.taken[len(told) :] == [f"juki/d{DEATHS}:web.main:0"]
    with sqlite3.connect(city / "kaigo.db") as db:
        rows = [number for (number,) in db.execute("SELECT no FROM death")]
    db.close()
    assert sorted(map(int, rows)) == list(range(DEATHS + 1))
    assert shell.json("drain")["clear"]
