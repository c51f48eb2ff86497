"""A real HTTP service that receivers call, and what it does with them: its own account of what took effect."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import orjson

Taken = tuple[str, dict[str, Any]]  # the idempotency key, the projected CloudEvent
Answer = Callable[["Service", str, str, dict[str, Any]], int]  # path, key, event → the status that is answered


class Service(ThreadingHTTPServer):
    """Several services by their paths. `/keys/…` honour the key: a repeat has no effect; others do each call anew.

    `answers` says by path what is answered; what it answers with 2xx has taken effect, unless `take` was called before.
    """

    request_queue_size = 512
    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answers: dict[str, Answer] = {}
        self.taken: dict[str, list[Taken]] = {}
        self.calls: Counter[tuple[str, str]] = Counter()  # by path and key
        self.victims: dict[str, int] = {}  # by path: the process that the next call of it kills
        self.open = threading.Event()  # services that hang answer when it is set
        self._lock = threading.Lock()
        self._at_work = 0
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def take(self, path: str, key: str, event: dict[str, Any]) -> None:
        """Let a call take effect."""
        with self._lock:
            taken = self.taken.setdefault(path, [])
            if not path.startswith("/keys/") or all(known != key for known, _ in taken):
                taken.append((key, event))

    def answer(self, path: str, key: str, event: dict[str, Any]) -> int:
        """Take one call and return its status."""
        with self._lock:
            self.calls[path, key] += 1
            victim = self.victims.pop(path, None)
        if victim is not None:
            os.kill(victim, signal.SIGKILL)
        how = self.answers.get(path)
        status = how(self, path, key, event) if how else 200
        if 200 <= status < 300:
            self.take(path, key, event)
        return status

    def quiet(self, limit: float = 20.0) -> None:
        """Wait until all that dead processes have sent is dealt with: what they sent came before this call."""
        httpx.get(f"{self.url}/", timeout=limit, trust_env=False)
        end = time.monotonic() + limit
        while self._at_work:
            assert time.monotonic() < end, "a call is still being answered"
            time.sleep(0.005)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._at_work += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._lock:
            self._at_work -= 1

    def handle_error(self, *_: object) -> None:
        """Say nothing of callers that are no more."""

    def stop(self) -> None:
        self.open.set()
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if len(body) == int(self.headers["Content-Length"]):
            self._end(self.server.answer(self.path, self.headers["Idempotency-Key"], orjson.loads(body)))

    def do_GET(self) -> None:
        self._end(200)

    def _end(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
