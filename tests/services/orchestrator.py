"""A UiPath Orchestrator on loopback: OAuth2, one queue, items that robots end, and its faults."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class Orchestrator:
    """`faults` are answered first: `(status, headers, body)`, None to hang up; `loses`: the next is added unheard."""

    def __init__(self, *, unique: bool = True, queue: str = "転居") -> None:
        self.queue = queue
        self.items: list[dict[str, Any]] = []
        self.faults: list[tuple[int, dict[str, str], bytes] | None] = []
        self.unique, self.loses, self.refuses = unique, False, ""
        self.tokens: set[str] = set()
        self.given = 0
        self.port = 0
        self.start()

    def start(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with suppress(ConnectionError):
                    outer.answer(self, body)

            do_GET = do_POST = _any  # noqa: N815

            def say(self, status: int, value: Any = None, headers: dict[str, str] | None = None) -> None:
                body = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                for name, text in {**(headers or {}), "Content-Length": str(len(body))}.items():
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(body)

            def hang_up(self) -> None:
                self.close_connection = True
                self.connection.close()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = _Listener(("127.0.0.1", self.port), Handler)
        self.port = int(self.server.server_address[1])
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def options(self, **more: Any) -> dict[str, Any]:
        base = f"http://127.0.0.1:{self.port}"
        oauth2 = {"token_url": f"{base}/identity/connect/token", "client_id": "hub", "client_secret": "secret"}
        return {"url": f"{base}/org/tenant", "folder": 7, "queue": self.queue, "oauth2": oauth2, **more}

    def end(self, index: int, status: str, *, seconds_ago: float = 3600) -> None:
        """Let a robot have ended an item."""
        at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        self.items[index] |= {"Status": status, "EndProcessing": f"{at:%Y-%m-%dT%H:%M:%SZ}"}

    @property
    def keys(self) -> list[str]:
        return [item["SpecificContent"]["deliverykey"] for item in self.items]

    def answer(self, handler: Any, body: bytes) -> None:
        parts = urlsplit(handler.path)
        if parts.path == "/identity/connect/token":
            self.given += 1
            self.tokens = {f"t{self.given}"}
            handler.say(200, {"access_token": f"t{self.given}", "expires_in": 3600})
            return
        if self.faults:
            fault = self.faults.pop(0)
            handler.hang_up() if fault is None else handler.say(fault[0], fault[2], fault[1])
            return
        if handler.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            handler.say(401, {"message": "expired"})
        elif handler.headers.get("X-UIPATH-OrganizationUnitId") != "7":
            handler.say(403, {"message": "no such folder", "errorCode": 1101})
        elif parts.path == "/org/tenant/odata/Queues/UiPathODataSvc.AddQueueItem":
            self._add(handler, json.loads(body)["itemData"])
        else:
            self._find(handler, {name: value[0] for name, value in parse_qs(parts.query).items()})

    def _add(self, handler: Any, item: dict[str, Any]) -> None:
        flat = all(isinstance(value, str | int | float | bool) for value in item["SpecificContent"].values())
        if item["Name"] != self.queue:
            handler.say(404, {"message": "the queue does not exist", "errorCode": 1002})
        elif (
            not flat
            or len(item["Reference"]) > 128
            or (self.refuses and self.refuses in json.dumps(item, ensure_ascii=False))
        ):
            handler.say(400, {"message": "invalid", "errorCode": 1003})
        elif self.unique and any(known["Reference"] == item["Reference"] for known in self.items):
            handler.say(409, {"message": "Duplicate Reference.", "errorCode": 1016})
        else:
            self.items.append({**item, "Id": len(self.items) + 1, "Status": "New", "EndProcessing": None})
            handler.hang_up() if self.loses else handler.say(201, self.items[-1])
            self.loses = False

    def _find(self, handler: Any, query: dict[str, str]) -> None:
        wanted = query["$filter"]
        assert f"QueueDefinition/Name eq '{self.queue}'" in wanted
        tests: list[Callable[[dict[str, Any]], bool]] = []
        if found := re.search("Reference eq '([^']*)'", wanted):
            tests.append(lambda item: item["Reference"] == found[1])
        if statuses := re.findall("Status eq '([^']*)'", wanted):
            tests.append(lambda item: item["Status"] in statuses)
        for sign, at in re.findall(r"EndProcessing (le|ge) (\S+)", wanted):
            tests.append(_compares(sign, at))
        items = [item for item in self.items if all(test(item) for test in tests)]
        items.sort(key=lambda item: (item["EndProcessing"] or "", item["Id"]))
        handler.say(200, {"value": items[: int(query["$top"])]})


def _compares(sign: str, at: str) -> Callable[[dict[str, Any]], bool]:
    if sign == "le":
        return lambda item: bool(item["EndProcessing"]) and item["EndProcessing"] <= at
    return lambda item: bool(item["EndProcessing"]) and item["EndProcessing"] >= at
