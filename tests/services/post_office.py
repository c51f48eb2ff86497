"""A mail server on loopback (aiosmtpd), with STARTTLS by a private authority, a login, and its faults."""

from __future__ import annotations

import asyncio
import ssl
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.smtp import SMTP, AuthResult


class PostOffice:
    """Keeps the mails it takes; `answer` is what it says to DATA, `refused` whom it does not know."""

    def __init__(self, folder: Path) -> None:
        self.mails: list[EmailMessage] = []
        self.people: list[list[str]] = []
        self.answer = "250 OK"
        self.refused: set[str] = set()
        self.hangs_up = False
        self.spoils = ""  # a text that no mail may hold
        authority = trustme.CA()
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.ca)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(self._context)
        self.port = 0
        self.start()

    def start(self) -> None:
        office = self

        class Handler:
            async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _: Any) -> str:  # noqa: N802
                if address in office.refused:
                    return "550 no such user"
                envelope.rcpt_tos.append(address)
                return "250 OK"

            async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
                mail = message_from_bytes(envelope.content, policy=policy.default)
                if office.spoils and office.spoils in str(mail.get_body().get_content()):
                    return "554 no"
                if office.answer.startswith("250"):
                    office.mails.append(mail)
                    office.people.append(list(envelope.rcpt_tos))
                if office.hangs_up:
                    server.transport.abort()
                return office.answer

        self._handler = Handler()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._up = threading.Event()
        self._thread.start()
        assert self._up.wait(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        made = self._loop.create_server(self._server, "127.0.0.1", self.port)
        listening = self._loop.run_until_complete(made)
        self.port = listening.sockets[0].getsockname()[1]
        self._loop.call_soon(self._up.set)
        self._loop.run_forever()
        listening.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def _server(self) -> SMTP:
        return SMTP(
            self._handler,
            hostname="localhost",
            tls_context=self._context,
            authenticator=self._login,
            auth_required=True,
            enable_SMTPUTF8=False,
            loop=self._loop,
        )

    @staticmethod
    def _login(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"hub", b"secret"), handled=False)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def options(self, **more: Any) -> dict[str, Any]:
        login = {"user": "hub", "password": "secret", "tls": {"ca": str(self.ca)}}
        people = {"from": "hub@city.example", "to": ["desk@city.example", "chief@city.example"]}
        return {"host": "localhost", "port": self.port, **login, **people, **more}
