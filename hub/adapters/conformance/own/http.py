"""The adapter `http` against a server of a departmental system."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from hub.adapters import registry
from hub.adapters.conformance.cases import SinkCase
from hub.adapters.conformance.own.common import EXPRESSIONS, site
from hub.adapters.contract import Delivery


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # who calls for eight residents side by side waits for no lost SYN


class Server:
    """A departmental system behind HTTP, on loopback. It honours `Idempotency-Key` unless told not to."""

    def __init__(self, *, honours_key: bool = True) -> None:
        self.applied: list[str] = []
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answer: Callable[[str], tuple[int, dict[str, str], bytes] | None] = lambda _key: (204, {}, b"")
        self.honours_key = honours_key
        self.port = 0
        self.start()

    def start(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                with suppress(ConnectionError):  # the hub no longer waits for the answer
                    outer.handle(self)

            do_POST = do_PUT = do_DELETE = _any  # noqa: N815

            def do_GET(self) -> None:
                there = unquote(self.path.removeprefix("/applied/")) in outer.applied
                self.send_response(200 if there else 404)
                self.send_header("Content-Length", "0")
                self.send_header("Connection", "close")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = _Listener(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        key = handler.headers["Idempotency-Key"]
        self.requests.append((handler.command, handler.path, dict(handler.headers), body))
        answer = self.answer(key)
        if answer is None:  # applied, but the answer is lost
            self.apply(key)
            handler.close_connection = True
            handler.connection.close()
            return
        status, headers, content = answer
        if status < 300:
            self.apply(key)
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content)), "Connection": "close"}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)
        handler.close_connection = True

    def apply(self, key: str) -> None:
        if not (self.honours_key and key in self.applied):
            self.applied.append(key)


class HttpCase(SinkCase):
    """A request for each delivery, to a server of the case's own."""

    adapter = registry.find("http")

    def __init__(self, folder: Path, server: Server, **options: Any) -> None:
        self.folder, self.server, self.options = folder, server, options

    secrets = ("s3cret-of-the-case",)

    def close(self) -> None:
        self.server.stop()

    def open(self) -> Any:
        headers = {"Authorization": f"Bearer {self.secrets[0]}"}
        url = f"http://127.0.0.1:{self.server.port}/v1/residents/{{subject}}"
        return registry.open_sink(
            "http", {"url": url, "headers": headers, **self.options}, site(self.folder), EXPRESSIONS
        )

    def seen(self) -> list[str]:
        return list(self.server.applied)

    @contextmanager
    def away(self) -> Iterator[None]:
        self.server.stop()
        yield
        self.server.start()

    def refused(self, delivery: Delivery) -> Delivery:
        key = delivery.key
        self.server.answer = lambda asked: (422, {}, b"no such resident") if asked == key else (200, {}, b"")
        return delivery


def sink(folder: Path) -> SinkCase:
    """Return a sink whose server honours `Idempotency-Key`."""
    return HttpCase(folder, Server())


def repeating(folder: Path) -> SinkCase:
    """Return a sink whose server does not."""
    return HttpCase(folder, Server(honours_key=False), idempotent=False)


CASES = (sink, repeating)
