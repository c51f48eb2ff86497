"""HTTP: one request a delivery out; rows in by asking a service, or as it calls. See `http_sink`, `http_source`."""

from __future__ import annotations

from typing import Any, ClassVar

from hub.adapters.contract import AdapterSettings, Expressions, Features, Site, Transport
from hub.adapters.http_sink import HttpSink, HttpSinkSettings


class Http(Transport):
    """One HTTP request a delivery: the body is the projected CloudEvent, `Idempotency-Key` the delivery key."""

    name: ClassVar[str] = "http"
    title: ClassVar[dict[str, str]] = {"ja": "HTTP サービス", "en": "HTTP service"}
    features: ClassVar[Features] = Features(sink=True, idempotent=True, batch=1)
    SinkSettings: ClassVar[type[AdapterSettings]] = HttpSinkSettings

    @classmethod
    def sink(cls, settings: HttpSinkSettings, site: Site, port: Expressions | Any = None) -> HttpSink:
        """Open the sink; `port` compiles the expressions. No connection is made yet."""
        return HttpSink(settings, site, port)
