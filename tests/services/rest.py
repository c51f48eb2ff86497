"""A system behind REST, as the standard shapes it, on loopback: token endpoint, pages, ETag, faults, TLS.

Source of the shapes: 共通機能標準仕様書, REST 連携: 200 `{metadata,_links,result}`, 400 `{title,detail,_links,errors}`,
and after some time a 5xx that is no JSON.
"""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

Answer = tuple[int, dict[str, str], bytes]

HTML = (503, {"Content-Type": "text/html"}, "<html><body>混み合っています</body></html>".encode())
JSON = {"Content-Type": "application/json"}


class Rest:
    """Rows behind `/rows`, tokens behind `/token`; whatever is posted elsewhere is kept once an `Idempotency-Key`.

    `fault(method, path)` may answer in its place (a number of seconds: it hangs so long first).
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.rows: list[Any] = []
        self.page = 1000
        self.style = "next"
        self.client = ("hub", "s3cret-%/")
        self.needs_token = False
        self.tokens: set[str] = set()
        self.lifetime = 3600
        self.fault: Callable[[str, str], Answer | float | None] = lambda _method, _path: None
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.kept: dict[str, bytes] = {}
        self._tls = tls
        self._issued = 0
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    def oauth2(self, **more: Any) -> dict[str, Any]:
        """Return the settings that log in here."""
        self.needs_token = True
        return {"token_url": f"{self.url}/token", "client_id": self.client[0], "client_secret": self.client[1], **more}

    def asked(self, path: str) -> list[str]:
        """Return what was asked of a path, with its query."""
        return [target for _, target, _, _ in self.requests if urlsplit(target).path == path]

    def start(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                with suppress(ConnectionError, ssl.SSLError):
                    outer._handle(self)

            do_GET = do_POST = do_PUT = _any  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        if self._tls is not None:  # the handshake belongs to the connection's own thread
            self._server.socket = self._tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign, assignment]
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        headers = dict(handler.headers)
        self.requests.append((handler.command, handler.path, headers, body))
        fault = self.fault(handler.command, handler.path)
        if isinstance(fault, (int, float)):
            time.sleep(fault)
            fault = None
        status, given, content = fault or self._answer(handler.command, handler.path, headers, body)
        handler.send_response(status)
        for name, value in {**given, "Content-Length": str(len(content)), "Connection": "close"}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)
        handler.close_connection = True

    def _answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        if path == "/token":
            return self._token(headers, body)
        if self.needs_token and headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'}, b""
        if method != "GET":
            self.kept.setdefault(headers.get("Idempotency-Key", str(len(self.kept))), body)
            return 201, {}, b""
        if path.startswith("/rows"):
            return self._page(query, headers)
        key = path.rpartition("/")[2]
        return (200, JSON, b"{}") if any(unquote_plus(key) == each for each in self.kept) else (404, {}, b"")

    def _token(self, headers: dict[str, str], body: bytes) -> Answer:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        basic = headers.get("Authorization", "").removeprefix("Basic ")
        given = (
            base64.b64decode(basic).decode().split(":") if basic else [form.get("client_id"), form.get("client_secret")]
        )
        if [unquote_plus(str(part)) if basic else part for part in given] != list(self.client):
            return 401, JSON, b'{"error":"invalid_client"}'
        if form.get("grant_type") != "client_credentials":
            return 400, JSON, b'{"error":"unsupported_grant_type"}'
        self._issued += 1
        token = f"token-{self._issued}"
        self.tokens.add(token)
        return (
            200,
            JSON,
            json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime}).encode(),
        )

    def _page(self, query: dict[str, list[str]], headers: dict[str, str]) -> Answer:
        rows = self.rows
        if "since" in query:
            since = query["since"][0]
            rows = [row for row in rows if not isinstance(row, dict) or str(row["changed"]) >= since]
        size = int(query.get("limit", [self.page])[0])
        start = {
            "offset": int(query.get("offset", [0])[0]),
            "page": (int(query.get("page", [1])[0]) - 1) * size,
        }.get(self.style, int(query.get("cursor", [0])[0]))
        part = rows[start : start + size]
        more = start + size < len(rows)
        kept = {name: values[0] for name, values in query.items() if name != "cursor"}
        following = "/rows?" + "&".join(f"{name}={value}" for name, value in {**kept, "cursor": start + size}.items())
        document: dict[str, Any] = {
            "metadata": {"title": "異動", "detail": ""},
            "_links": {"self": {"href": "/rows"}},
            "result": part,
        }
        given = dict(JSON)
        if more and self.style == "next":
            document["_links"]["next"] = {"href": following}
        if more and self.style == "link":
            given["Link"] = f'<{self.url}{following}>; rel="next"'
        if self.style == "cursor":
            document["cursor"] = str(start + size) if more else None
        content = json.dumps(document, ensure_ascii=False).encode()
        given["ETag"] = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        if headers.get("If-None-Match") == given["ETag"]:
            return 304, given, b""
        return 200, given, content
