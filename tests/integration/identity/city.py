"""A whole city in a folder: files in, real Kafka, a real ledger, files out."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from pathlib import Path
from typing import Any

from hub.app import DrainReport, Hub
from hub.cli.check import problems_of
from hub.ledger.desk import Desk
from hub.settings.load import load_city
from hub.stages.inquiry import DeliveryFilter, Inquiry
from hub.stages.rulebook import RuleBook
from hub.stages.timeline import Timeline


class Living:
    """A city that is drained as often as a test asks."""

    def __init__(self, folder: Path, ledger: str, bootstrap: str, prefix: str) -> None:
        self.folder = folder
        self._environ = {"HUB_LEDGER": ledger, "HUB_KAFKA": bootstrap}
        (folder / "systems").mkdir(parents=True)
        (folder / "hub.yaml").write_text(f"city: moriguchi\nkafka: {{prefix: {prefix}}}\n")
        self._files = 0

    def system(self, name: str, text: str) -> None:
        """Write a system's file."""
        (self.folder / "systems" / f"{name}.yaml").write_text(f"system: {name}\nowner: 課\n{text}", encoding="utf-8")

    def table(self, name: str, *lines: str) -> None:
        """Write a table."""
        (self.folder / "tables").mkdir(exist_ok=True)
        (self.folder / "tables" / f"{name}.csv").write_text("\n".join(["code,value", *lines]) + "\n", encoding="utf-8")

    def drop(self, system: str, *lines: str, encoding: str = "utf-8") -> None:
        """Drop a file for a system's source."""
        self._files += 1
        self.drop_bytes(system, "\r\n".join([*lines, ""]).encode(encoding))

    def drop_bytes(self, system: str, raw: bytes, suffix: str = ".csv") -> None:
        """Drop a file as it is."""
        self._files += 1
        path = self.folder / "in" / system / f"{self._files:03}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)

    def problems(self) -> list[str]:
        """Return what `hub check` says is wrong."""
        city = load_city(self.folder, environ=self._environ)
        return [str(each) for each in problems_of(city) if each.level == "error"]

    def hub(self) -> Hub:
        """Return the city at work; whoever asks closes it."""
        return Hub(load_city(self.folder, environ=self._environ))

    def drain(self, *, wait: float = 20.0) -> DrainReport:
        """Do all there is to do."""
        assert not (found := self.problems()), found
        hub = self.hub()
        try:
            return asyncio.run(hub.drain(wait=wait))
        finally:
            hub.close()

    def with_hub(self, ask: Any) -> Any:
        """Return what a function of the hub answers."""
        hub = self.hub()
        try:
            return ask(hub)
        finally:
            hub.close()

    def deliveries(self, system: str) -> list[dict[str, Any]]:
        """Return a system's deliveries, the oldest first."""
        page = self.inquire(lambda inquiry: inquiry.deliveries(DeliveryFilter(systems=(system,))))
        return list(reversed(page["items"]))

    def inquire(self, ask: Any) -> Any:
        """Return the answer to a question."""
        return self.with_hub(lambda hub: ask(Inquiry(hub.ledger, RuleBook(hub.ledger, Desk(hub.ledger)))))

    def timeline(self, ask: Any) -> Any:
        """Return what is told of a resident."""
        return self.with_hub(lambda hub: ask(Timeline(hub.ledger, RuleBook(hub.ledger, Desk(hub.ledger)), hub.city)))

    def told(self, system: str) -> list[dict[str, Any]]:
        """Return what a system was told, as lines of JSON or CSV, in order."""
        lines = self.folder / "out" / f"{system}.jsonl"
        if lines.exists():
            return [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
        files = sorted((self.folder / "out" / system).glob("*.csv"))
        texts = [file.read_bytes().decode("cp932") for file in files]
        return [row for text in texts for row in csv.DictReader(io.StringIO(text, newline=""))]
