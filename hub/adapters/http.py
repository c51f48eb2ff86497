"""HTTP: one request a delivery out; rows in by asking a service, or as it calls. See `http_sink`, `http_source`."""

from __future__ import annotations

from typing import Any, ClassVar

from hub.adapters.contract import AdapterSettings, Expressions, Features, Site, Transport
from hub.adapters.http_sink import HttpSink, HttpSinkSettings
from hub.adapters.http_source import HttpSource, HttpSourceSettings
from hub.adapters.http_webhook import Webhook


class Http(Transport):
    """HTTP services: asked for rows, page by page, or calling by themselves; and called, one request a delivery.

    In: JSON, JSON Lines or CSV; only what is new, by `since`, by ETag or by what a page holds. A `webhook` is signed
    and answered with 202 when all of it is safe. Out: the body is the projected CloudEvent, `Idempotency-Key` the
    delivery key; an answer is read by its status.
    """

    name: ClassVar[str] = "http"
    title: ClassVar[dict[str, str]] = {"ja": "HTTP サービス", "en": "HTTP service"}
    features: ClassVar[Features] = Features(source=True, sink=True, idempotent=True, batch=1)
    SourceSettings: ClassVar[type[AdapterSettings]] = HttpSourceSettings
    SinkSettings: ClassVar[type[AdapterSettings]] = HttpSinkSettings

    @classmethod
    def source(cls, settings: HttpSourceSettings, site: Site) -> HttpSource | Webhook:
        """Open the source; no connection is made yet."""
        if settings.webhook is not None:
            return Webhook(settings, settings.webhook)
        return HttpSource(settings, site)

    @classmethod
    def sink(cls, settings: HttpSinkSettings, site: Site, port: Expressions | Any = None) -> HttpSink:
        """Open the sink; `port` compiles the expressions. No connection is made yet."""
        return HttpSink(settings, site, port)
