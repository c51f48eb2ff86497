"""Mail: one mail a delivery, to the people of a department.

A mail cannot be taken back and cannot be asked for, so one without an answer is an unknown outcome. The Message-ID is
made of the delivery key: a mail that went out twice is known as one by every mailbox.
"""

from __future__ import annotations

import asyncio
import hashlib
from email import policy
from email.message import EmailMessage
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from hub.adapters import smtp
from hub.adapters.contract import (
    AdapterSettings,
    Batch,
    Delivery,
    Duration,
    Expressions,
    Features,
    Outcome,
    Site,
    Transport,
)
from hub.adapters.http_client import context
from hub.adapters.http_settings import TlsSettings
from hub.adapters.messages import MessageSettings, Template, compiled, permitted
from hub.errors import HubError, Malformed, Rejected
from hub.settings.secret import Secret

SUBJECT = "{event.type} {event.id}"
SUBJECT_LENGTH = 200  # characters


def _address(value: str) -> str:
    local, at, domain = value.rpartition("@")
    if not (at and local and domain and value.isascii() and value.isprintable()) or {*value} & {*" ,<>"}:
        raise ValueError("an address is name@host, in ASCII")
    return value


Address = Annotated[str, AfterValidator(_address)]


class MailSettings(MessageSettings):
    """Settings of a `mail` sink."""

    host: str = Field(min_length=1, description="The mail server.")
    port: int = Field(default=587, ge=1, le=65535, description="Its port.")
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="`starttls`, `tls` from the beginning (465), or `none` on this machine."
    )
    user: Secret | str | None = Field(default=None, description="Who logs in; without it nobody does.")
    password: Secret | None = Field(default=None, description="The user's password; `env:NAME` or `file:PATH`.")
    tls: TlsSettings | None = Field(default=None, description="A private authority, a certificate of the hub's own.")
    from_: Address = Field(alias="from", description="Who writes.")
    to: list[Address] = Field(min_length=1, description="Who is told.")
    subject: str = Field(default=SUBJECT, min_length=1, description="The subject line, a template of one part.")
    attach: Literal["json"] | None = Field(
        default=None, description="`json`: the projected CloudEvent goes along, with what `fields` permits."
    )
    timeout: Duration = Field(default=30.0, gt=0, description="How long an answer is waited for.")

    def texts(self) -> tuple[str | None, ...]:
        """Return the texts in which expressions stand."""
        return *super().texts(), self.subject


class MailSink:
    """The people of one receiver."""

    def __init__(self, settings: MailSettings, site: Site, port: Expressions) -> None:
        self._settings = settings
        self._city = site.city
        self._fields = frozenset(settings.fields)
        self._template = Template(settings, site, port)
        self._subject = compiled(settings.subject, port)
        self._context = context(settings.tls, site.folder)

    async def deliver(self, batch: Batch) -> list[Outcome]:
        """Send one after another; the hub hands over one at a time."""
        return [await self._send(delivery, batch) for delivery in batch.deliveries]

    async def confirm(self, batch: Batch) -> list[Outcome | None]:
        """Answer that it cannot be known: mailboxes are not read."""
        return [None] * len(batch.deliveries)

    async def close(self) -> None:
        """Do nothing: a connection lasts for one mail."""

    async def _send(self, delivery: Delivery, batch: Batch) -> Outcome:
        settings = self._settings
        try:
            mail = self._mail(delivery, batch)
            refused = await asyncio.to_thread(smtp.send, settings, mail, settings.timeout, self._context)
        except Malformed as error:
            return Outcome(delivery.key, Rejected(error.message, place=error.place, code=error.code))
        except HubError as error:
            return Outcome(delivery.key, error)
        return Outcome(delivery.key, detail=f"refused: {', '.join(refused)}" if refused else "")

    def _mail(self, delivery: Delivery, batch: Batch) -> EmailMessage:
        seen = permitted(delivery, self._fields)
        mail = EmailMessage(policy=policy.SMTP)
        mail["Subject"] = " ".join(self._subject([seen], batch).split())[:SUBJECT_LENGTH]
        mail["From"] = self._settings.from_
        mail["To"] = ", ".join(self._settings.to)
        mail["Message-ID"] = message_id(delivery.key, self._city, self._settings.from_)
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answers of absent people
        mail.set_content(self._template.text([delivery], batch))
        if self._settings.attach is not None:
            name = f"{seen.type}.json"
            mail.add_attachment(seen.body, maintype="application", subtype="cloudevents+json", filename=name)
        return mail


def message_id(key: str, city: str, sender: str) -> str:
    """Return the Message-ID of a delivery: the same whenever it is sent, and nothing can be read from it."""
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}.{city}@{sender.rpartition('@')[2]}>"


class Mail(Transport):
    """One mail a delivery, with text and, if wanted, the data as an attachment.

    `Message-ID` follows from the delivery key. A mail holds nothing of a resident but what `fields` permits. Set
    `effects: outward` at the receiver: then no bulk replay repeats its mails.
    """

    name: ClassVar[str] = "mail"
    title: ClassVar[dict[str, str]] = {"ja": "メール", "en": "Mail"}
    features: ClassVar[Features] = Features(sink=True, batch=1)
    SinkSettings: ClassVar[type[AdapterSettings]] = MailSettings

    @classmethod
    def sink(cls, settings: MailSettings, site: Site, port: Expressions | Any = None) -> MailSink:
        """Open the sink; `port` compiles the template's expressions. No connection is made yet."""
        return MailSink(settings, site, port)
