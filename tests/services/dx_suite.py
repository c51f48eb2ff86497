"""DX Suite on loopback: units of a workflow, read after a while, with its faults."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class DxSuite:
    """`csv` is what is read of each scan by its name; `ready` whose units are done; `failed` of which part failed."""

    def __init__(self) -> None:
        self.units: dict[str, tuple[str, bytes]] = {}
        self.csv: dict[str, str] = {}
        self.ready: set[str] = set()
        self.failed: set[str] = set()
        self.faults: list[tuple[int, dict[str, str]] | None] = []
        self.not_yet = 409
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with suppress(ConnectionError):
                    outer.answer(self, body)

            do_GET = do_POST = _any  # noqa: N815

            def say(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
                self.send_response(status)
                for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/wf/api/standard/v2"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, handler: Any, body: bytes) -> None:
        parts = urlsplit(handler.path)
        steps = parts.path.removeprefix("/wf/api/standard/v2").strip("/").split("/")
        if handler.headers.get("apikey") != "secret":
            handler.say(401)
        elif self.faults:
            fault = self.faults.pop(0)
            if fault is None:
                handler.connection.close()
            else:
                handler.say(fault[0], b"<html>busy</html>", fault[1])
        elif handler.command == "POST" and steps == ["workflows", "wf-1", "units"]:
            self._take(handler, body)
        elif steps == ["units"]:
            unit = parse_qs(parts.query)["unitId"][0]
            status = 600 if unit in self.failed else 400 if unit in self.ready else 100
            handler.say(200, json.dumps([{"unitId": unit, "dataProcessingStatus": status}]).encode())
        elif steps[0] == "units" and steps[2] == "csv" and steps[1] in self.ready:
            handler.say(200, self.csv[self.units[steps[1]][0]].encode("cp932"), {"Content-Type": "text/csv"})
        else:
            handler.say(self.not_yet)

    def _take(self, handler: Any, body: bytes) -> None:
        head = f"Content-Type: {handler.headers['Content-Type']}\r\n\r\n".encode()
        (part,) = message_from_bytes(head + body, policy=policy.HTTP).iter_parts()
        assert part.get_param("name", header="content-disposition") == "files"
        unit = f"u{len(self.units) + 1}"
        self.units[unit] = (str(part.get_filename()), part.get_payload(decode=True))
        handler.say(200, json.dumps({"unitId": unit, "unitName": unit}).encode())
