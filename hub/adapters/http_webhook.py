"""A system that calls by itself: who called is proved by an HMAC over the body and the time, within a window.

The time is part of what is signed, so that a call that was overheard is of no use later; within the window whoever
takes calls remembers what was taken.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from hub.adapters.contract import AdapterSettings, Duration, Row, SourceBatch
from hub.adapters.http_rows import RowsSettings, parse, rows_of
from hub.errors import Rejected
from hub.settings.secret import Secret

if TYPE_CHECKING:
    from hub.adapters.http_source import HttpSourceSettings

PARTS = ("{timestamp}", "{nonce}", "{body}")
MILLISECONDS = 1e11  # a count of seconds is below it until the year 5138


Header = Annotated[str, Field(pattern="^[A-Za-z0-9-]+$")]


class WebhookSettings(AdapterSettings):
    """How a call proves who it is from: HMAC-SHA256."""

    secret: Secret = Field(min_length=16, description="The secret both sides know; `env:NAME` or `file:PATH`.")
    previous: Secret | None = Field(
        default=None, min_length=16, description="The secret before it, taken too while it is being changed."
    )
    signature: Header = Field(default="X-Signature", description="The header with the signature, or several.")
    prefix: str = Field(default="", description="What stands before it, such as `sha256=` or `v1,`.")
    encoding: Literal["hex", "base64"] = Field(default="hex", description="How it is written.")
    timestamp: Header = Field(
        default="X-Timestamp", description="The header with the time: seconds or milliseconds since 1970, or RFC 3339."
    )
    nonce: Header | None = Field(
        default=None, description="The header with the call's own id; without it the signature stands for it."
    )
    signed: str = Field(
        default="{timestamp}.{body}", description="What is signed; `{timestamp}`, `{nonce}` and `{body}` in it."
    )
    window: Duration = Field(
        default=300, gt=0, le=86_400, description="How far the call's time may lie from ours: `5m`."
    )

    @model_validator(mode="after")
    def _all_is_signed(self) -> WebhookSettings:
        for part in ("{timestamp}", "{body}"):
            if self.signed.count(part) != 1:
                raise ValueError(f"`signed` must hold {part} once")
        if ("{nonce}" in self.signed) != (self.nonce is not None):
            raise ValueError("a `nonce` must be signed too: `signed` and `nonce` go together")
        return self


class Webhook:
    """The calls of one system. As a source there is never anything to read: rows come with each call."""

    def __init__(self, settings: HttpSourceSettings, webhook: WebhookSettings) -> None:
        self.window = webhook.window
        self._rows = settings
        self._webhook = webhook
        self._secrets = [secret.encode() for secret in (webhook.secret, webhook.previous) if secret]

    def read(self, after: dict[str, Any] | None) -> Iterator[SourceBatch]:  # noqa: ARG002 - as every source
        """Yield nothing."""
        return iter(())

    def acknowledge(self, batch: SourceBatch) -> None:
        """Do nothing."""

    def verify(self, headers: Mapping[str, str], body: bytes, now: float) -> str:
        """Return the id of a call (`headers` in lower case, `now` in seconds).

        Raises `Rejected`: `signature` when it does not prove who called, `timestamp` outside the window.
        """
        settings = self._webhook
        stamp = headers.get(settings.timestamp.lower(), "")
        nonce = headers.get(settings.nonce.lower(), "") if settings.nonce else ""
        given = headers.get(settings.signature.lower(), "").split()
        proofs = [self._proof(secret, stamp, nonce, body) for secret in self._secrets]
        candidates = [_decoded(one.removeprefix(settings.prefix), settings.encoding) for one in given[:10]]
        # every pair is compared, each in constant time: how long it takes tells nothing
        matches = [hmac.compare_digest(one, proof) for one in candidates for proof in proofs]
        if not any(matches) or (settings.nonce and (not nonce or self._runs_over(nonce))):
            raise Rejected("the signature does not prove who called", code="signature")
        moment = _moment(stamp)
        if moment is None or abs(now - moment) > self.window:
            raise Rejected("the call's time is not ours: look at both clocks", code="timestamp")
        return nonce or hashlib.sha256(proofs[matches.index(True) % len(proofs)]).hexdigest()

    def rows(self, body: bytes) -> list[Row]:
        """Return the rows of a call. Raises `Malformed` for a body that holds none."""
        form: RowsSettings = self._rows
        return list(rows_of(body, form, parse(body, form), "call"))

    def _runs_over(self, nonce: str) -> bool:
        """Say whether an id holds what parts it from its neighbours: a piece of the body could be told as part of it.

        The same signature would then prove another call, of another id.
        """
        before, _, after = self._webhook.signed.partition("{nonce}")
        between = (before.rpartition("}")[2], after.partition("{")[0])
        return any(sign and sign in nonce for sign in between)

    def _proof(self, secret: bytes, stamp: str, nonce: str, body: bytes) -> bytes:
        parts = {"{timestamp}": stamp.encode(), "{nonce}": nonce.encode(), "{body}": body}
        signed, rest = b"", self._webhook.signed
        while rest:
            at, part = min((rest.find(part), part) if part in rest else (len(rest), "") for part in PARTS)
            signed += rest[:at].encode() + parts.get(part, b"")
            rest = rest[at + len(part) :]
        return hmac.new(secret, signed, hashlib.sha256).digest()


def _decoded(text: str, encoding: str) -> bytes:
    try:
        return bytes.fromhex(text) if encoding == "hex" else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""


def _moment(text: str) -> float | None:
    """Return a time in seconds since 1970, None when it is none."""
    try:
        if text.isascii() and text.isdecimal():
            count = float(text)
            return count / 1000 if count >= MILLISECONDS else count
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    return moment.timestamp() if moment.tzinfo is not None else None
