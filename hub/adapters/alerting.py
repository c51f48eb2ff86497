"""Ways to tell people of trouble: webhook, chat and mail. What they are given never holds anything of a resident."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Protocol

import orjson

from hub.adapters import smtp
from hub.errors import HubError, Transient
from hub.settings.models import Alerts, Mail, Webhook

TIMEOUT = 20.0  # seconds

Body = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Channel(Protocol):
    """One configured way."""

    @property
    def name(self) -> str:
        """Return its name in the ledger."""
        ...

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send a message. Raises `Transient` with a code."""
        ...


def channels(alerts: Alerts) -> list[Channel]:
    """Return the ways a city has configured: `webhook`, `webhook-2` …, `chat` …, `mail` …, in written order."""
    return [
        *(Hook(_name("webhook", n), each, dict) for n, each in enumerate(alerts.webhook)),
        *(
            Hook(_name("chat", n), each, lambda message: {"text": message["text"]})
            for n, each in enumerate(alerts.chat)
        ),
        *(Mailer(_name("mail", n), each) for n, each in enumerate(alerts.mail)),
    ]


def _name(kind: str, index: int) -> str:
    return kind if index == 0 else f"{kind}-{index + 1}"


class Hook:
    """Tells by `POST` of a JSON body made from the message; its id goes along as `Idempotency-Key`."""

    def __init__(self, name: str, settings: Webhook, body: Body) -> None:
        self.name = name
        self._settings = settings
        self._body = body

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send; anything but a 2xx raises `Transient`, since a wrong address can be mended."""
        headers = {
            "Content-Type": "application/json; charset=UTF-8",
            "Idempotency-Key": str(message["id"]),
            **self._settings.headers,
        }
        from hub.adapters.http_client import Caller  # noqa: PLC0415 - slow to import, and few messages are sent
        from hub.adapters.http_settings import ConnectionSettings  # noqa: PLC0415

        try:
            reached = ConnectionSettings(timeout=TIMEOUT, proxy=self._settings.proxy)
            async with Caller(reached, Path(), headers=headers) as caller:
                answer = await caller.call("POST", self._settings.url, content=orjson.dumps(self._body(message)))
        except (HubError, ValueError) as error:
            raise Transient(f"{self.name}: {type(error).__name__}", code="unreachable") from None
        if not answer.is_success:
            raise Transient(f"{self.name}: HTTP {answer.status_code}", reached=True, code=f"http-{answer.status_code}")


class Mailer:
    """Tells by mail; the message's id makes the Message-ID, so that a repeat can be known as one."""

    def __init__(self, name: str, settings: Mail) -> None:
        self.name = name
        self._settings = settings

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send to everybody; one refused address raises `Transient` when all were refused."""
        try:
            await asyncio.to_thread(smtp.send, self._settings, self._mail(message), TIMEOUT)
        except HubError as error:
            reached = not isinstance(error, Transient) or error.reached
            raise Transient(f"{self.name}: {error.message}", reached=reached, code=error.code) from None

    def _mail(self, message: Mapping[str, Any]) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"] = message["subject"]
        mail["From"] = self._settings.from_
        mail["To"] = ", ".join(self._settings.to)
        mail["Message-ID"] = f"<{message['id']}.{message['city']}@{self._settings.from_.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answers of absent people
        mail.set_content(str(message["text"]))
        return mail
