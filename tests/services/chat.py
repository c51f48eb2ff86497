"""Chat services on loopback, with their checks and their faults: LINE WORKS, Teams, Slack, a plain webhook."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
ACCOUNT = {"client_id": "hub", "client_secret": "secret", "account": "x.serviceaccount@city", "private_key": PEM}


class ChatRoom:
    """Takes messages and keeps their texts. `faults` are answered first: `(status, headers)`, or None to hang up."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.bodies: list[Any] = []
        self.at: list[float] = []
        self.grants: list[str] = []
        self.faults: list[tuple[int, dict[str, str]] | None] = []
        self.refuses = ""  # a text that no message may hold
        self.valid: set[str] = set()
        self.refresh: set[str] = set()
        self.port = 0
        self.start()

    def start(self) -> None:
        room = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with suppress(ConnectionError):
                    room.answer(self, body)

            def say(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
                self.send_response(status)
                for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.port = int(self.server.server_address[1])
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def options(self, service: str) -> dict[str, Any]:
        if service != "line-works":
            return {"service": service, "url": f"{self.base}/{service}/T0/secret"}
        login = {**ACCOUNT, "token_url": f"{self.base}/oauth2/v2.0/token"}
        return {"service": service, "bot": "7", "channel": "c-1", "api": self.base, "login": login}

    def answer(self, handler: Any, body: bytes) -> None:
        if handler.path == "/oauth2/v2.0/token":
            self._token(handler, {name: value[0] for name, value in parse_qs(body.decode()).items()})
            return
        if self.faults:
            fault = self.faults.pop(0)
            if fault is None:
                handler.close_connection = True
                handler.connection.close()
                return
            handler.say(fault[0], fault[1], b"<html>busy</html>")
            return
        self._message(handler, body)

    def _message(self, handler: Any, body: bytes) -> None:
        said = json.loads(body)
        service = handler.path.split("/")[1]
        if service == "v1.0":
            if handler.headers.get("Authorization", "").removeprefix("Bearer ") not in self.valid:
                handler.say(401)
                return
            text, room = said["content"]["text"], handler.path == "/v1.0/bots/7/channels/c-1/messages"
            status = 201 if room and said["content"]["type"] == "text" and len(text) <= 2000 else 400
        elif service == "teams":
            card = said["attachments"][0]["content"]
            assert card["type"] == "AdaptiveCard"
            text = "\n".join(line["inlines"][0]["text"] for line in card["body"])
            status = 202 if len(body) <= 28 * 1024 else 413
        elif service == "slack":
            text = "".join(block["text"]["text"] for block in said["blocks"])
            sound = len(said["blocks"]) <= 50 and all(len(block["text"]["text"]) <= 3000 for block in said["blocks"])
            status = 200 if sound and said["text"] else 400
        else:
            text, status = said["text"], 204
        if self.refuses and self.refuses in text:
            status = 400
        if status < 300:
            self.texts.append(text)
            self.bodies.append(said)
            self.at.append(time.monotonic())
        handler.say(status)

    def _token(self, handler: Any, form: dict[str, str]) -> None:
        self.grants.append(form["grant_type"].rpartition(":")[2])
        if (form.get("client_id"), form.get("client_secret")) != ("hub", "secret"):
            handler.say(401, body=b'{"error": "invalid_client"}')
            return
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] not in self.refresh:
                handler.say(400, body=b'{"error": "invalid_grant"}')
                return
        else:
            claims = jwt.decode(form["assertion"], KEY.public_key(), algorithms=["RS256"])
            assert claims["iss"] == "hub"
            assert claims["sub"] == ACCOUNT["account"]
            assert claims["exp"] - claims["iat"] <= 3600
        token, refresh = f"t{len(self.grants)}", f"r{len(self.grants)}"
        self.valid, self.refresh = {token}, {refresh}
        given = {"access_token": token, "refresh_token": refresh, "token_type": "Bearer", "expires_in": "86400"}
        handler.say(200, body=json.dumps(given).encode())
