"""The adapter `kafka` on a topic in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hub.adapters import registry
from hub.adapters.conformance.cases import SinkCase
from hub.adapters.conformance.own.common import site
from hub.adapters.contract import Delivery
from hub.errors import BrokerUnavailable


class Publisher:
    """Kafka in memory."""

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes, bytes, list[tuple[str, bytes]]]] = []
        self.is_away = False

    async def publish(self, topic: str, key: bytes, value: bytes, headers: Any) -> None:
        if self.is_away:
            raise BrokerUnavailable("no broker")
        self.records.append((topic, key, value, list(headers)))


class KafkaCase(SinkCase):
    """A record for each delivery."""

    adapter = registry.find("kafka")

    def __init__(self, folder: Path) -> None:
        self.folder, self.publisher = folder, Publisher()

    def open(self) -> Any:
        return registry.open_sink("kafka", {}, site(self.folder), self.publisher)

    def seen(self) -> list[str]:
        return [json.loads(value)["deliverykey"] for _, _, value, _ in self.publisher.records]

    @contextmanager
    def away(self) -> Iterator[None]:
        self.publisher.is_away = True
        yield
        self.publisher.is_away = False

    def refused(self, delivery: Delivery) -> None:  # noqa: ARG002
        return None


CASES = (KafkaCase,)
