"""RPA: robots fetch their work over HTTP, under a lease, and say what became of it.

A delivery is `delivered` when it lies in the queue. Robots claim it (`POST /v1/jobs/{system}/claim`) and complete it,
which confirms the delivery, or fail it: for now, and it is offered again, or for good, and it is a dead letter.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from hub.adapters.contract import AdapterSettings, Batch, Delivered, Duration, Features, Outcome, Queue, Site, Transport


class RpaSettings(AdapterSettings):
    """Settings of an `rpa` sink."""

    lease: Duration = Field(
        default=300.0,
        ge=10,
        le=86_400,
        description="How long a robot has for its work, unless it asks for another time; a heartbeat begins it anew.",
    )


class RpaSink:
    """Puts deliveries into the receiver's queue."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def deliver(self, batch: Batch) -> Delivered:
        """Put the batch into the queue, all of it or nothing."""
        await self._queue.put(batch.deliveries)
        return Delivered(batch.deliveries)

    async def confirm(self, batch: Batch) -> list[Outcome | None]:
        """Answer that it cannot be known: robots say so themselves."""
        return [None] * len(batch.deliveries)

    async def close(self) -> None:
        """Do nothing: the queue belongs to whoever lent it."""


class Rpa(Transport):
    """A work queue from which the robots of a system fetch over HTTP, with the system's token.

    In the order of events; of each resident one piece of work at a time. What is fetched is projected then, by the rule
    and by who is protected then. The calls and their
    bodies: docs/how-to/rpa.md.
    """

    name: ClassVar[str] = "rpa"
    title: ClassVar[dict[str, str]] = {"ja": "RPA の作業待ち行列", "en": "Work queue of robots"}
    features: ClassVar[Features] = Features(sink=True, idempotent=True, batch=500)
    SinkSettings: ClassVar[type[AdapterSettings]] = RpaSettings

    @classmethod
    def sink(cls, settings: RpaSettings, site: Site, port: Queue | Any = None) -> RpaSink:  # noqa: ARG003
        """Open the sink; `port` is the receiver's queue."""
        return RpaSink(port)
