"""Whom to tell of trouble: `alerts` in hub.yaml."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator

from hub.settings.model import Model


def _as_given(value: Any) -> str:
    """Return a text as the object it is, so that a secret stays hidden."""
    if not isinstance(value, str) or not value:
        raise ValueError("should be text")
    return value


def _address(value: Any) -> str:
    given = _as_given(value)
    if not given.startswith(("http://", "https://")):
        raise ValueError("should begin with https:// or http://")
    return given


Given = Annotated[str, PlainValidator(_as_given)]


class Webhook(Model):
    """An address that is told by `POST`: `webhook` gets the alert as JSON, `chat` gets `{"text": …}`."""

    url: Annotated[str, PlainValidator(_address)]
    headers: dict[str, Given] = {}
    proxy: Given | None = None


class Mail(Model):
    """A mail server and the people it tells."""

    host: str
    from_: str = Field(alias="from")
    to: tuple[str, ...] = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: Given | None = None
    password: Given | None = None


class Alerts(Model):
    """Whom to tell of a receiver's first dead letter, of one that does not answer, and of either's end.

    `breaker_after` is how long (seconds) a receiver may not answer; `quiet` how long (seconds) there must be no further
    dead letter before it has recovered.
    """

    webhook: tuple[Webhook, ...] = ()
    chat: tuple[Webhook, ...] = ()
    mail: tuple[Mail, ...] = ()
    breaker_after: float = Field(default=900.0, gt=0)
    quiet: float = Field(default=1800.0, ge=0)
