"""Cases of what tells people: chat, mail, paper."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hub.adapters import registry
from hub.adapters.conformance import SinkCase
from hub.adapters.contract import Delivery
from tests.conformance.helpers import EXPRESSIONS, site, with_data
from tests.services.chat import ChatRoom


class ChatCase(SinkCase):
    adapter = registry.find("chat")

    def __init__(self, folder: Path, room: ChatRoom, service: str) -> None:
        self.folder, self.room, self.service = folder, room, service

    def open(self) -> Any:
        options = {"text": "{delivery.key} {data.name}", "fields": ["name"], "per_second": 1000}
        given = {**self.room.options(self.service), **options}
        return registry.open_sink("chat", given, site(self.folder), EXPRESSIONS)

    def seen(self) -> list[str]:
        return [line.split(" ")[0] for text in self.room.texts for line in text.split("\n") if line.startswith("juki/")]

    @contextmanager
    def away(self) -> Iterator[None]:
        self.room.stop()
        yield
        self.room.start()

    def refused(self, delivery: Delivery) -> Delivery:
        self.room.refuses = "禁止"
        return with_data(delivery, {"name": "禁止"})
