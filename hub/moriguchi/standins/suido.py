"""水道: a small HTTP service with its own contracts, which takes each Idempotency-Key once and can be out of order.

`POST /v1/notices` takes a CloudEvent (structured mode) and changes the contract: 200, the same answer for a repeated
key, 409 for a key repeated with another body, 400 for what is no CloudEvent, 404 for someone without a contract, 503
while down. `GET /v1/contracts/<宛名番号>`, `GET /healthz`; `POST /admin/down` and `/admin/up` turn it off and on.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from hub.moriguchi.standins.files import insert, opened

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from hub.moriguchi.generator import Resident

PORT = 18390  # as the sample city's systems/suido.yaml says
LIMIT = 256 * 1024
RESIDENT = re.compile(r"\bresident\.([a-z-]+)")  # in types as on the wire: jp.lg.<city>.resident.moved.v1
SCHEMA = """
CREATE TABLE IF NOT EXISTS keiyaku (
  宛名番号 TEXT PRIMARY KEY, 使用者 TEXT, 使用場所 TEXT, 状態 TEXT NOT NULL, 連絡 TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uketsuke (
  idempotency_key TEXT PRIMARY KEY, 本文 TEXT NOT NULL, 回数 INTEGER NOT NULL DEFAULT 1
) WITHOUT ROWID;
"""
Answer = tuple[int, dict[str, Any]]


class Suido:
    """The water utility: its database, and its server between `start` and `stop`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "var" / "standins" / "suido.db"
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self.is_down = False

    def fill(self, people: Iterable[Resident]) -> None:
        """Take over those who have a contract already."""
        with opened(self._path, SCHEMA) as connection:
            for member in people:
                if "suido" in member.contracts:
                    row = {"宛名番号": member.number, "使用者": member.name, "使用場所": member.address}
                    insert(connection, "keiyaku", {**row, "状態": "使用中"})

    def contract(self, number: str) -> dict[str, str] | None:
        """Return a contract's row as it stands."""
        with opened(self._path, SCHEMA) as connection:
            found = connection.execute("SELECT * FROM keiyaku WHERE 宛名番号 = ?", (number,)).fetchone()
        return dict(found) if found else None

    def notices(self) -> dict[str, int]:
        """Return how often each Idempotency-Key came."""
        with opened(self._path, SCHEMA) as connection:
            return dict(connection.execute("SELECT idempotency_key, 回数 FROM uketsuke").fetchall())

    def take(self, key: str, body: bytes) -> Answer:
        """Take a notice: the key and its effect in one transaction. Returns status and answer."""
        try:
            event = json.loads(body)
            subject, kind, data = str(event["subject"]), str(event["type"]), dict(event["data"])
        except (ValueError, KeyError, TypeError):
            return 400, {"title": "not a CloudEvent"}
        if not key:
            return 400, {"title": "Idempotency-Key is missing"}
        digest = hashlib.sha256(body).hexdigest()
        with opened(self._path, SCHEMA) as connection:
            seen = connection.execute("SELECT 本文 FROM uketsuke WHERE idempotency_key = ?", (key,)).fetchone()
            if seen and seen["本文"] != digest:
                return 409, {"title": "the key was used for another notice"}
            if seen:
                connection.execute("UPDATE uketsuke SET 回数 = 回数 + 1 WHERE idempotency_key = ?", (key,))
                return 200, {"accepted": key}
            if not connection.execute("SELECT 1 FROM keiyaku WHERE 宛名番号 = ?", (subject,)).fetchone():
                return 404, {"title": "no contract"}
            _apply(connection, subject, kind, data, taken_back=event.get("action") == "cancel")
            insert(connection, "uketsuke", {"idempotency_key": key, "本文": digest})
        return 200, {"accepted": key}

    # --- the server ------------------------------------------------------------------------------------------------

    def start(self, port: int = PORT) -> int:
        """Serve on loopback; return the port, another one when that is taken."""
        service = self

        class Handler(_Handler):
            suido = service

        try:
            self._server = _Server(("127.0.0.1", port), Handler)
        except OSError:
            self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="suido", daemon=True)
        self._thread.start()
        return int(self._server.server_address[1])

    def stop(self) -> None:
        """Stop serving; the data stays."""
        if self._server and self._thread:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = self._thread = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _apply(connection: sqlite3.Connection, subject: str, kind: str, data: dict[str, Any], *, taken_back: bool) -> None:
    """Change the contract: a move changes where water is used, a death or a departure asks for closing."""
    change: dict[str, str] = {}
    short = found[1] if (found := RESIDENT.search(kind)) else ""
    if "event.cancelled" in kind:  # it says the wrong values; what it was shows in the contract's own row
        query = "SELECT 連絡 FROM keiyaku WHERE 宛名番号 = ?"
        short = {"転出": "moved-out", "死亡": "died"}.get(connection.execute(query, (subject,)).fetchone()[0], "moved")
    address = data.get("old_address" if taken_back else "new_address")
    if short in {"moved", "address-renumbered"} and address:
        change["使用場所"] = address["text"]
    if short in {"name-changed", "married", "divorced"} and "name" in data:
        change["使用者"] = data["name"]
    if short in {"moved-out", "died"}:
        change["状態"] = "使用中" if taken_back else "閉栓予定"
        change["連絡"] = "" if taken_back else {"moved-out": "転出", "died": "死亡"}[short]
    for column, value in change.items():
        connection.execute(f'UPDATE keiyaku SET "{column}" = ? WHERE 宛名番号 = ?', (value, subject))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


class _Handler(BaseHTTPRequestHandler):
    """HTTP for one `Suido`."""

    suido: Suido
    protocol_version = "HTTP/1.1"
    server_version = "suido"

    def do_POST(self) -> None:
        """Take a notice, or turn the service off and on."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > LIMIT:
            self.close_connection = True
            self._answer(413, {"title": "too large"})
            return
        body = self.rfile.read(length)
        if self.path in {"/admin/down", "/admin/up"}:
            self.suido.is_down = self.path == "/admin/down"
            self._answer(200, {"down": self.suido.is_down})
        elif self.suido.is_down:
            self._answer(503, {"title": "maintenance"})
        elif self.path == "/v1/notices":
            self._answer(*self.suido.take(self.headers.get("Idempotency-Key") or "", body))
        else:
            self._answer(404, {"title": "not found"})

    def do_GET(self) -> None:
        """Show a contract, or the service's health."""
        kind, _, number = self.path.rpartition("/")
        if self.suido.is_down:
            self._answer(503, {"title": "maintenance"})
        elif self.path == "/healthz":
            self._answer(200, {"status": "ok"})
        elif kind == "/v1/contracts" and (found := self.suido.contract(number)):
            self._answer(200, found)
        else:
            self._answer(404, {"title": "not found"})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        """Keep silent: the demo has its own words."""

    def _answer(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
