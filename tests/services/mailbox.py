"""A small SMTP server (RFC 5321) on loopback that keeps what it is sent."""

from __future__ import annotations

import socketserver
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any


class Mailbox:
    """Takes mail on `port`; `refuse` is the answer to MAIL FROM instead of 250, when it is set."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], EmailMessage]] = []
        self.refuse = ""
        box = self

        class Session(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                box.serve(self)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def serve(self, session: Any) -> None:
        """Speak with one client."""
        people: list[str] = []
        say = lambda text: session.wfile.write(f"{text}\r\n".encode())  # noqa: E731
        say("220 mailbox")
        for line in iter(session.rfile.readline, b""):
            command = line.decode().strip()
            match command[:4].upper():
                case "EHLO" | "HELO":
                    say("250 mailbox")
                case "MAIL":
                    say(self.refuse or "250 ok")
                case "RCPT":
                    people.append(command.partition("<")[2].rstrip(">"))
                    say("250 ok")
                case "DATA":
                    say("354 go on")
                    text = b"".join(iter(session.rfile.readline, b".\r\n"))
                    self.mails.append((people, message_from_bytes(text, policy=policy.default)))
                    say("250 ok")
                case "QUIT":
                    say("221 bye")
                    return
                case _:
                    say("250 ok")

    def stop(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
