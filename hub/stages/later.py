"""A producer that is there before Kafka is: what is published waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from hub.stages.ports import Producer


class LaterProducer:
    """Stands for the producer that `begin` brings."""

    def __init__(self) -> None:
        self._begun: asyncio.Future[Producer] = asyncio.get_running_loop().create_future()

    def begin(self, producer: Producer) -> None:
        """Let what waits, and what comes, be published."""
        self._begun.set_result(producer)

    async def publish(
        self, topic: str, records: Sequence[tuple[bytes, bytes]], headers: Sequence[tuple[str, bytes]] = ()
    ) -> Any:
        """Publish as `Producer` says, when there is one."""
        return await (await self._begun).publish(topic, records, headers)
