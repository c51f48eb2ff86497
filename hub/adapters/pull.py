"""Pull: a system that fetches what it is told, and says what it has taken.

Deliveries are offered in the receiver's feed and are `sending` until the system acknowledges them: only then are they
`delivered`. Nothing is leased: what is not acknowledged is there again at the next look.
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from pydantic import Field

from hub.adapters.contract import AdapterSettings, Batch, Features, Outcome, Site, Transport
from hub.errors import ReceiverStopped


class PullSettings(AdapterSettings):
    """Settings of a `pull` sink."""

    offered: int = Field(
        default=1000, ge=1, le=10_000, description="The most deliveries on offer at once; more wait in the event log."
    )


class PullSink:
    """A sink that is never called: the receiver's owner offers, the server hands out, the system acknowledges."""

    def __init__(self, settings: PullSettings) -> None:
        self.features = Features(sink=True, idempotent=True, pulled=True, batch=settings.offered)

    async def deliver(self, batch: Batch) -> NoReturn:
        """Refuse: nothing is delivered by the hub's own doing."""
        raise ReceiverStopped(f"{batch.receiver}: a feed is fetched, not called", code="fault")

    async def confirm(self, batch: Batch) -> list[Outcome | None]:
        """Answer that it cannot be known: the system says so itself."""
        return [None] * len(batch.deliveries)

    async def close(self) -> None:
        """Do nothing."""


class Pull(Transport):
    """A feed that a system fetches over HTTP, with its own token: `GET /v1/feeds/{system}`, then `…/ack`.

    In the order of events, of each resident one delivery at a time. What is handed out is projected at that moment, by
    the rule and by who is protected then; it is delivered when the system has acknowledged it.
    """

    name: ClassVar[str] = "pull"
    title: ClassVar[dict[str, str]] = {"ja": "相手が取りに来る配達", "en": "Feed that a system fetches"}
    features: ClassVar[Features] = Features(sink=True, idempotent=True, pulled=True, batch=1000)
    SinkSettings: ClassVar[type[AdapterSettings]] = PullSettings

    @classmethod
    def sink(cls, settings: PullSettings, site: Site, port: Any = None) -> PullSink:  # noqa: ARG003
        """Open the sink."""
        return PullSink(settings)
