"""HTTP: one request a delivery, with an idempotency key, so that a receiver that honours it can be asked again.

What an answer means: 2xx is delivered; 408, 425, 429 and 5xx are tried later, as `Retry-After` says, and so are a
redirect and 401, 403, 407, which are settings to mend; any other status is a refusal for good. No connection is tried
later; no answer after sending is too, or is an unknown outcome where the receiver does not honour the key
(`idempotent: false`).
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, ClassVar
from urllib.parse import quote

import httpx
import orjson
import truststore
from pydantic import AfterValidator, Field

from hub.adapters.contract import (
    AdapterSettings,
    Batch,
    Delivery,
    Expressions,
    Features,
    Outcome,
    Site,
    Transport,
)
from hub.errors import HubError, Malformed, OutcomeUnknown, Rejected, Transient

CONTENT_TYPE = "application/cloudevents+json; charset=UTF-8"
LATER = frozenset({401, 403, 407, 408, 425, 429})  # the first three: a key that has run out is a setting to mend
TITLE_LIMIT = 200  # characters of a refusal's title that are kept
_EXPRESSION = re.compile(r"\{([^{}]*)\}")


def _header_values(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not value.isascii() or "\n" in value or "\r" in value:
            raise ValueError(f"the header {name} may hold ASCII characters only, on one line")
    return headers


class HttpSettings(AdapterSettings):
    """Settings of an `http` sink."""

    url: str = Field(
        pattern="^https?://",
        description="Where to send; `{expression}` is replaced by its value, percent-encoded.",
    )
    method: str = Field(default="POST", pattern="^[A-Z]+$", description="The request's method.")
    headers: Annotated[dict[str, str], AfterValidator(_header_values)] = Field(
        default={}, description="More headers, for example `Authorization: env:KOKUHO_TOKEN`."
    )
    timeout: float = Field(default=30.0, gt=0, description="Seconds until an answer is no longer waited for.")
    idempotent: bool = Field(
        default=True,
        description="The receiver honours `Idempotency-Key`: a request without an answer may be sent again.",
    )
    proxy: str | None = Field(
        default=None, description="A proxy's URL; the environment's proxies are not used for systems inside the city."
    )


class HttpSink:
    """One receiver behind one URL; several deliveries may be under way at once."""

    def __init__(self, settings: HttpSettings, port: Expressions | Any) -> None:
        self.features = Features(sink=True, idempotent=settings.idempotent, batch=1)
        self._settings = settings
        self._url = _template(settings.url, port)
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(settings.timeout, connect=min(settings.timeout / 2, 10.0)),
            headers={"Content-Type": CONTENT_TYPE, **settings.headers},
            verify=truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            proxy=settings.proxy,
            trust_env=False,
            limits=httpx.Limits(max_connections=None),
        )

    async def deliver(self, batch: Batch) -> list[Outcome]:
        """Send one after another; the hub hands over one at a time, in lanes side by side."""
        return [Outcome(delivery.key, await self._send(delivery, batch)) for delivery in batch.deliveries]

    async def confirm(self, batch: Batch) -> list[Outcome | None]:
        """Answer that it cannot be known: there is no common way to ask."""
        return [None] * len(batch.deliveries)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _send(self, delivery: Delivery, batch: Batch) -> HubError | None:
        try:
            url = self._url(delivery, batch)
            async with asyncio.timeout(self._settings.timeout):  # httpx has limits for each step only
                response = await self._client.request(
                    self._settings.method, url, content=delivery.body, headers={"Idempotency-Key": delivery.key}
                )
        except Malformed as error:
            return Rejected(error.message, place=error.place, code=error.code)
        except httpx.InvalidURL as error:
            return Rejected(f"the URL of this delivery is wrong: {error}", code="url")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            return Transient(f"no connection: {_said(error)}", code="unreachable")
        except TimeoutError:
            return self._unanswered(f"no answer within {self._settings.timeout:g} s")
        except httpx.HTTPError as error:
            return self._unanswered(f"no answer: {_said(error)}")
        return _judge(response)

    def _unanswered(self, message: str) -> HubError:
        if self._settings.idempotent:
            return Transient(message, code="no-answer")
        return OutcomeUnknown(message, code="no-answer")


class Http(Transport):
    """One HTTP request a delivery: the body is the projected CloudEvent, `Idempotency-Key` the delivery key."""

    name: ClassVar[str] = "http"
    title: ClassVar[dict[str, str]] = {"ja": "HTTP サービス", "en": "HTTP service"}
    features: ClassVar[Features] = Features(sink=True, idempotent=True, batch=1)
    SinkSettings: ClassVar[type[AdapterSettings]] = HttpSettings

    @classmethod
    def sink(cls, settings: HttpSettings, site: Site, port: Expressions | Any = None) -> HttpSink:  # noqa: ARG003
        """Open the sink; `port` compiles the expressions of `url`. No connection is made yet."""
        return HttpSink(settings, port)


def _template(url: str, port: Expressions | Any) -> Callable[[Delivery, Batch], str]:
    """Return a function that fills in the URL's expressions; it raises `Malformed` for one without a value."""
    texts = _EXPRESSION.split(url)
    parts = [(text, port.compile(text) if index % 2 else None) for index, text in enumerate(texts)]

    def fill(delivery: Delivery, batch: Batch) -> str:
        return "".join(_value(text, compiled(delivery, batch)) if compiled else text for text, compiled in parts)

    return fill


def _value(text: str, value: Any) -> str:
    if value is None:
        raise Malformed(f"`{text}` in the URL has no value", code="url")
    return quote(value if isinstance(value, str) else orjson.dumps(value).decode(), safe="")


def _judge(response: httpx.Response) -> HubError | None:
    status = response.status_code
    if 200 <= status < 300:
        return None
    if status in LATER or status >= 500:
        return Transient(_answer(response), retry_after=_retry_after(response), reached=True, code=f"http-{status}")
    if status < 400:
        return Transient(
            f"{_answer(response)}: a redirect; set `url` to the new address", reached=True, code=f"http-{status}"
        )
    return Rejected(_answer(response), code=f"http-{status}")


def _answer(response: httpx.Response) -> str:
    """Return the status and, from problem+json (RFC 9457), the title; never the body, which may hold personal data."""
    title = ""
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        try:
            problem = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            problem = None
        if isinstance(problem, dict) and isinstance(problem.get("title"), str):
            title = problem["title"][:TITLE_LIMIT]
    return f"HTTP {response.status_code}" + (f": {title}" if title else "")


def _retry_after(response: httpx.Response) -> float | None:
    """Return `Retry-After` in seconds, from a number or an HTTP date (RFC 9110)."""
    text = response.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _said(error: httpx.HTTPError) -> str:
    return f"{type(error).__name__} {error}".strip()
