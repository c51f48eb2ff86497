"""A city with a receiver of every transport, and everything they were given, kept where a test can search it.

Every locating value of the residents' reports holds `MARK`: what is found of it was told to somebody.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import zipfile
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hub.adapters import registry
from hub.app import Hub, site_of
from hub.events.wire import system_of
from hub.ledger.protected import Discretion
from hub.ledger.views import EventFilter
from hub.routing.expressions import Environment
from hub.stages.foreman import Foreman
from hub.stages.inquiry import DeliveryFilter, Inquiry
from hub.stages.jobs import Plan, start
from hub.stages.morning import morning
from hub.stages.shutters import list_of
from tests.integration.semantics.world import World

MARK = "MARK"
NEW = {
    "text": "守口市MARK町1-1",
    "postal_code": "570-0001",
    "town": "MARK町",
    "block": "MARK番地",
    "building": "MARK荘",
}
OLD = {"text": "守口市旧MARK町2-2", "postal_code": "570-0002"}
POSTAL = ("570-0001", "570-0002")
SEND = """[name, new_address, old_address.text, household_no, {where: data.new_address.text},
      {part: 'data["new_address"].block'}, {built: '"〒" + data.new_address.postal_code + data.new_address.town'},
      {listed: '[data.new_address.text]'}, {dynamic: 'data["new_" + "address"].text'}, {home: facts.resident.address},
      {person: facts.resident}, {lives: facts.household}, {later: after.resident.address.text}, {all: facts}]"""
RULE = "  - {{id: moves, on: resident.moved, send: {send}, because: 試験, protected: {protected}{more}}}"
FLAGGED = "{mode: without-location, send_flag: true}"
COLUMNS = "address: data.new_address.text, home: data.where, flag: data.protected, post: data.do_not_post"
SINKS = {
    "csvs": "{adapter: csv, path: out/csvs}",
    "excels": "{adapter: excel, path: out/excels}",
    "lines": "{adapter: jsonl, path: out/lines.jsonl}",
    "fixeds": "{adapter: fixed_width, path: out/fixeds, layout: layouts/fixed.yaml}",
    "tables": "{{adapter: database, url: 'sqlite:///{folder}/table.db', table: member, key: {{resident: subject}}, "
    f"columns: {{{{name: data.name, {COLUMNS}}}}}, on_cancel: restore}}}}",
    "calls": "{{adapter: http, url: '{url}/{{subject}}', retry: {{delays: [1s], then: 1s}}}}",
    "once": "{{adapter: http, url: '{url}/once', idempotent: false, retry: {{delays: [1s], then: 1s}}}}",
    "topics": "{adapter: kafka}",
}
LAYOUT = """encoding: cp932
newline: crlf
length: 80
record:
  - {name: 宛名番号, width: 10, value: subject}
  - {name: 氏名, width: 20, pad: "　", overflow: cut, value: data.name}
  - {name: 住所, width: 40, overflow: cut, value: data.where}
  - {name: 支援, width: 10, value: data.protected}
"""


class Listening(ThreadingHTTPServer):
    """A service that keeps every request, and answers with `status`, or not at all while that is 0."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.heard: list[bytes] = []
        self.status = 200
        self.before: Any = None  # called before an answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    server: Listening

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.status
        self.server.heard.append(f"{self.path}\n{self.headers}\n".encode() + body)
        if status == 0:
            self.close_connection = True
            return
        if self.server.before is not None:
            self.server.before()
        said = b""
        if status >= 400:  # a system that quotes what it was given
            said = json.dumps({"title": f"refused: {body.decode()[-150:]}"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/problem+json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Topic:
    """An outgoing topic."""

    def __init__(self) -> None:
        self.records: list[bytes] = []

    async def publish(self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> None:
        self.records.append(b"\n".join((topic.encode(), key, value, *(part for _, part in headers))))


class Office(World):
    """The city; `told()` reads what a system has, whatever its transport."""

    def __init__(self, folder: Path, ledger_url: str, server: Listening, hub: str = "", **more: str) -> None:
        self.server, self.topic, self.wrapped = server, Topic(), {}
        (folder / "layouts").mkdir(parents=True)
        (folder / "layouts" / "fixed.yaml").write_text(LAYOUT)
        with contextlib.closing(sqlite3.connect(folder / "table.db")) as db:
            db.execute(
                "CREATE TABLE member (resident TEXT PRIMARY KEY, name TEXT, address TEXT, home TEXT, flag, post)"
            )
            db.commit()
        self._put = {
            name: sink.format(folder=folder, url=server.url) if "{{" in sink else sink for name, sink in SINKS.items()
        }
        super().__init__(folder, ledger_url, {name: self.rule(**more) for name in SINKS}, hub)
        discretion = Discretion(self.ledger, list_of(self.ledger, self.city.protection))
        self.inquiry = Inquiry(self.ledger, self.book, discretion=discretion)

    @staticmethod
    def rule(protected: str = FLAGGED, more: str = "") -> str:
        return "subscribes:\n" + RULE.format(send=SEND, protected=protected, more=more and ", " + more)

    def _write(self, systems: dict[str, str]) -> None:
        for name, rules in systems.items():
            receives = self._put.get(name, f"{{adapter: jsonl, path: out/{name}.jsonl}}")
            (self.folder / "systems" / f"{name}.yaml").write_text(
                f"system: {name}\nowner: 課\n{rules}\nreceives: {receives}\n"
            )

    def _opener(self, receiver: Any) -> Any:
        hub = Hub.__new__(Hub)  # for the expressions that sinks are lent, as the composition root makes them
        hub.city, hub.environment = self.city, Environment()
        port = self.topic if receiver.adapter == "kafka" else hub._lent(receiver, None, 0)
        site = site_of(self.city, receiver.system, receiver.name)
        wrap = self.wrapped.get(receiver.system, lambda sink: sink)
        return lambda: wrap(registry.open_sink(receiver.adapter, receiver.options, site, port))

    def moved(self, subject: str = "1", **more: Any) -> dict:  # type: ignore[override]
        said = {"old_address": OLD, "new_address": NEW, "household_no": "MARK-7", **more}
        return self.event("resident.moved", subject, name="守口 太郎", **said)

    def protects(self, subject: str = "1", **more: Any) -> dict:
        return self.event("resident.protection-started", subject, kind="DV", **more)

    # --- jobs ---------------------------------------------------------------------------------------------------

    @property
    def foreman(self) -> Foreman:
        return Foreman(self.ledger, self.city, self.rules, self.book)

    def do(self, plan: Plan) -> int:
        return start(self.ledger, plan, by="係員", reason="試験")

    # --- what was given -----------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Take away what everybody was given so far, as their readers do."""
        self.server.heard.clear()
        self.topic.records.clear()
        for path in self.files():
            path.unlink()
        with contextlib.closing(sqlite3.connect(self.folder / "table.db")) as db:
            db.execute("DELETE FROM member")
            db.commit()

    def files(self) -> list[Path]:
        hidden = {".hub"}
        found = (self.folder / "out").rglob("*") if (self.folder / "out").exists() else ()
        return [path for path in found if path.is_file() and path.suffix not in hidden]

    def given(self) -> dict[str, list[str]]:
        """Return the texts that each system was given."""
        found: dict[str, list[str]] = {name: [] for name in SINKS}
        for path in self.files():
            name = path.relative_to(self.folder / "out").parts[0].removesuffix(".jsonl")
            found.setdefault(name, []).append(_text(path))
        for request in self.server.heard:
            found["once" if request.startswith(b"/once") else "calls"].append(request.decode())
        found["topics"] = [record.decode() for record in self.topic.records]
        with contextlib.closing(sqlite3.connect(self.folder / "table.db")) as db:
            found["tables"] = [str(row) for row in db.execute("SELECT * FROM member")]
        return found

    def shown(self) -> str:
        """Return everything that lists and pages show, but for what was reported by whom."""
        events = self.inquiry.events(EventFilter(), limit=200)["items"]
        pages = [self.inquiry.event(f"{system_of(each['source'])}/{each['id']}") for each in events]
        told = self.inquiry.deliveries(DeliveryFilter(), limit=500)["items"]
        single = [self.inquiry.delivery(each["id"]) for each in told]
        return json.dumps(
            [events, pages, told, single, self.inquiry.status(), morning(self.ledger)], ensure_ascii=False
        )


def _text(path: Path) -> str:
    data = path.read_bytes()
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(path) as book:
            return "\n".join(book.read(name).decode() for name in book.namelist())
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp932")


@contextlib.contextmanager
def listening() -> Iterator[Listening]:
    server = Listening()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
