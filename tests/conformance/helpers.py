"""Cases the kit is run with in tests besides the hub's own: real files as they differ."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from hub.adapters import registry
from hub.adapters.conformance import PreparedCase, SourceCase
from hub.adapters.conformance.own.common import EXPRESSIONS, in_place_of_folder, path_of, site, with_data
from hub.adapters.conformance.own.database import DatabaseSinkCase, DatabaseSourceCase, database_away
from hub.adapters.conformance.own.files import JsonlCase
from hub.adapters.conformance.own.http import HttpCase, Server
from hub.adapters.conformance.own.kafka import KafkaCase, Publisher
from hub.adapters.contract import Delivery

__all__ = [
    "EXPRESSIONS", "CsvSinkCase", "CsvSourceCase", "DatabaseSinkCase", "DatabaseSourceCase", "HttpCase", "JsonlCase",
    "KafkaCase", "Publisher", "Server", "database_away", "in_place_of_folder", "path_of", "site", "with_data",
]  # fmt: skip


class CsvSourceCase(SourceCase):
    adapter = registry.find("csv")

    def __init__(self, folder: Path, *, after: str = "move") -> None:
        self.folder, self.after = folder, after
        self.units = 0

    def fill(self, count: int) -> list[dict[str, Any]]:
        rows = [{"番号": f"{self.units}-{no}", "氏名": f'守口 "{no}", 番'} for no in range(count)]
        self.put([list(row.values()) for row in rows])
        return rows

    def put(self, records: list[list[str]]) -> None:
        stream = io.StringIO(newline="")
        csv.writer(stream).writerows([["番号", "氏名"], *records])
        self.units += 1
        path = self.folder / "in" / f"SABUN_{self.units:03d}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(stream.getvalue().encode("cp932"))

    def open(self) -> Any:
        options = {"path": "in/SABUN_*.csv", "encoding": "cp932", "after": self.after}
        return registry.open_source("csv", options, site(self.folder))

    def fill_broken(self) -> list[dict[str, Any]]:
        self.put([["1", "あ"], ["2", "い", "う"], ["3", "え"]])
        return [{"番号": "1", "氏名": "あ"}, {"番号": "3", "氏名": "え"}]

    def away(self) -> Any:
        return in_place_of_folder(self.folder / "in")


class CsvSinkCase(PreparedCase):
    adapter = registry.find("csv")

    def __init__(self, folder: Path, options: dict[str, Any] | None = None) -> None:
        self.city = folder
        self.folder = folder / "out" / "kokuho"
        self.folder.mkdir(parents=True)
        self.options = options or {}

    def open(self) -> Any:
        options = {"path": "out/kokuho/", "encoding": "cp932", **self.options}
        return registry.open_sink("csv", options, site(self.city), EXPRESSIONS)

    def seen(self) -> list[str]:
        rows: list[str] = []
        for path in sorted(self.folder.glob("[!.]*.csv")):
            with path.open(encoding="cp932", newline="") as stream:
                rows += [row[0] for row in csv.reader(stream, strict=True)][1:]
        return rows

    def away(self) -> Any:
        return in_place_of_folder(self.folder)

    def refused(self, delivery: Delivery) -> Delivery:
        return with_data(delivery, {"name": "𠮷野"})

    def meddle(self, token: dict[str, Any]) -> None:
        (self.folder / token["file"]).write_bytes(b"somebody else's\r\n")
