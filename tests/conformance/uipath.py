"""Cases of UiPath: the queue that takes items, and the items that its robots have ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hub.adapters import registry
from hub.adapters.conformance import SinkCase, SourceCase
from hub.adapters.contract import Delivery
from tests.conformance.helpers import EXPRESSIONS, site, with_data
from tests.services.orchestrator import Orchestrator


@contextmanager
def stopped(orchestrator: Orchestrator) -> Iterator[None]:
    orchestrator.stop()
    yield
    orchestrator.start()


class UiPathCase(SinkCase):
    adapter = registry.find("uipath")

    def __init__(self, folder: Path, orchestrator: Orchestrator) -> None:
        self.folder, self.orchestrator = folder, orchestrator

    def open(self) -> Any:
        options = self.orchestrator.options(unique=self.orchestrator.unique)
        return registry.open_sink("uipath", options, site(self.folder), EXPRESSIONS)

    def seen(self) -> list[str]:
        return self.orchestrator.keys

    def away(self) -> Any:
        return stopped(self.orchestrator)

    def refused(self, delivery: Delivery) -> Delivery:
        self.orchestrator.refuses = "禁止"
        return with_data(delivery, {"name": "禁止"})


class UiPathSourceCase(SourceCase):
    adapter = registry.find("uipath")

    def __init__(self, folder: Path, orchestrator: Orchestrator) -> None:
        self.folder, self.orchestrator = folder, orchestrator

    def _ended(self, count: int) -> list[dict[str, Any]]:
        rows = []
        for _ in range(count):
            number = len(self.orchestrator.items) + 1
            key, ended = f"juki/e{number}:suido.main:0", f"2026-04-01T09:{number // 1800:02d}:{number // 30 % 60:02d}Z"
            values = {"Reference": key, "Status": "Successful", "Id": number, "EndProcessing": ended}
            self.orchestrator.items.append({**values, "SpecificContent": {"deliverykey": key}})
            rows.append({"deliverykey": key, "ErrorType": "", **values})
        return rows

    def fill(self, count: int) -> list[dict[str, Any]]:
        return self._ended(count)

    def open(self) -> Any:
        return registry.open_source("uipath", self.orchestrator.options(), site(self.folder))

    def fill_broken(self) -> list[dict[str, Any]]:
        rows = self._ended(3)
        self.orchestrator.items[-2] |= {"Reference": None, "SpecificContent": None}
        return [rows[0], rows[2]]

    def away(self) -> Any:
        return stopped(self.orchestrator)
